use std::{collections::BTreeSet, fs, path::Path};

use tempfile::TempDir;

use super::*;
use crate::config::Sources;
use crate::config::known_keys;

const SERVER: &str = "[servers.main]\nurl = 'http://chat.test'\n";
const ACCOUNT: &str = "[accounts.a]\ntoken = 'hxbtrjq1cfy7dqm4q6zj3h5s9e'\n";
const OTHER: &str = "kkkkkkkkkkkkkkkkkkkkkkkkkk";
const HOOK: &str = "[sinks.hook]\ntype = 'webhook'\nurl = 'http://127.0.0.1:1/x'\n\
                    secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'\n";

fn load(dir: &Path, text: &str) -> Config {
    let file = dir.join("matterhost.toml");
    fs::write(&file, text).unwrap();
    let environment = [("HOME".to_owned(), "/nonexistent".to_owned())].into();
    Config::load(&Sources { files: vec![file], environment, ..Sources::default() }, None).unwrap()
}

fn base() -> String {
    format!("{SERVER}{ACCOUNT}{HOOK}")
}

/// Returns the changes between two configurations, one line each.
fn changes(old: &str, new: &str) -> Vec<String> {
    let dir = TempDir::new().unwrap();
    let difference = ConfigDiff::between(&load(dir.path(), old), &load(dir.path(), new));
    let json = serde_json::to_string(&difference).unwrap();
    assert_eq!(serde_json::from_str::<ConfigDiff>(&json).unwrap(), difference);
    let text = format!("{difference}{difference:?}{json}");
    for secret in ["hxbtrjq1cfy7dqm4q6zj3h5s9e", OTHER, "whsec_", "chat.test", "127.0.0.1"] {
        assert!(!text.contains(secret), "{secret} is shown: {text}");
    }
    difference.changes.iter().map(ToString::to_string).collect()
}

#[test]
fn the_same_is_no_difference() {
    assert_eq!(changes(&base(), &base()), [""; 0]);
    assert_eq!(
        changes(&base(), &base().replace("url = 'http://chat.test'", "url = \"http://chat.test/\"")),
        [""; 0]
    );
    assert_eq!(ConfigDiff::default().to_string(), "nothing has changed");
}

#[test]
fn each_change_is_listed_with_its_effect() {
    let restarts = "; it restarts once it has answered its pending events";
    let cases: &[(&str, &str, &[&str])] = &[
        ("hxbtrjq1cfy7dqm4q6zj3h5s9e", OTHER, &["account a: token changed; its connection restarts"]),
        ("[accounts.a]", "[accounts.b]", &["account a is removed", "account b is added"]),
        (
            "http://chat.test",
            "http://other.test",
            &["server main: url changed; the connections of its accounts restart"],
        ),
        (
            "chat.test'\n",
            "chat.test'\ndial_slots = 3\nrequests_per_second = 7\n",
            &["server main: requests_per_second, dial_slots changed"],
        ),
        (
            "chat.test'\n",
            "chat.test'\nmax_frame = '1MiB'\n",
            &["server main: max_frame changed; it applies from each account's next connection"],
        ),
        ("127.0.0.1:1/x", "127.0.0.1:1/y", &[&format!("sink hook: url changed{restarts}")]),
        ("MfKQ", "AAAA", &[&format!("sink hook: secret changed{restarts}")]),
        (
            "type = 'webhook'",
            "type = 'webhook'\nskip_own = true\nmentions_only = true",
            &["sink hook: mentions_only, skip_own changed"],
        ),
        (
            "type = 'webhook'",
            "type = 'webhook'\nbest_effort = true\nbatch = 2\ntimeout = '1s'",
            &[&format!("sink hook: timeout, batch, best_effort changed{restarts}")],
        ),
    ];
    for (from, to, expected) in cases {
        assert_eq!(changes(&base(), &base().replace(from, to)), *expected, "{to}");
    }
}

#[test]
fn each_key_of_a_filter_is_compared() {
    let settings = [
        "events = ['posted']",
        "channel_types = ['direct']",
        "channels = ['town-square']",
        "teams = ['hxbtrjq1cfy7dqm4q6zj3h5s9a']",
        "users = ['ann']",
        "ignore_bots = true",
        "ignore_webhooks = true",
        "ignore_system = true",
        "mentions_only = true",
        "mention_everyone = false",
        "skip_own = true",
        "recovered = 'skip'",
        "skip_older_than = '10m'",
    ];
    for setting in settings {
        let key = setting.split(' ').next().unwrap();
        let changed = base() + setting + "\n";
        assert_eq!(changes(&base(), &changed), [format!("sink hook: {key} changed")], "{setting}");
    }
}

#[test]
fn sinks_and_servers_come_and_go() {
    let more = "[sinks.out]\ntype = 'stdout'\n[servers.other]\nurl = 'http://127.0.0.1:9'\n";
    let named = |text: &str| text.replace("token =", "sinks = ['hook']\nserver = 'main'\ntoken =");
    let (few, many) = (named(&base()), named(&base()) + more);
    assert_eq!(changes(&few, &many), ["server other is added", "sink out is added"]);
    assert_eq!(changes(&many, &few), ["server other is removed", "sink out is removed"]);
    let moved = many.replace("['hook']", "['hook', 'out']").replace("'main'\ntoken", "'other'\ntoken");
    assert_eq!(
        changes(&many, &moved),
        ["account a: sinks changed", "account a: server changed; its connection restarts",]
    );
    let file = many.replace("type = 'stdout'", "type = 'file'\npath = 'x.jsonl'");
    assert_eq!(
        changes(&many, &file),
        ["sink out: type changed; it restarts once it has answered its pending events"]
    );
}

#[test]
fn settings_of_an_account_are_compared_with_those_that_held_before() {
    let own = format!("{}[accounts.a.health]\npoll_interval = '9s'\n", base());
    assert_eq!(changes(&base(), &own), ["account a: health changed"]);
    assert_eq!(changes(&own, &base()), ["account a: health changed"]);
    let same = format!("{}[accounts.a.health]\npoll = true\n", base());
    assert_eq!(changes(&base(), &same), [""; 0], "the default, in words");
    let host = format!("{same}[restart]\nmax_restarts = 3\n");
    assert_eq!(changes(&base(), &host), ["account a: restart changed", "[restart]: max_restarts changed"]);
}

#[test]
fn settings_are_listed_by_section_with_those_that_need_a_restart() {
    let next_start = "; it applies from the next start of the process";
    let next_connection = "; it applies from each account's next connection";
    let cases: &[(&str, &[&str])] = &[
        ("[restart]\nmax_restarts = 3\ncooldown = '1m'\n", &["[restart]: max_restarts, cooldown changed"]),
        ("[health]\nping_timeout = '3s'\n", &["[health]: ping_timeout changed"]),
        (
            "[delivery]\nqueue = 9\nin_flight = 3\n",
            &["[delivery]: in_flight changed", &format!("[delivery]: queue changed{next_connection}")],
        ),
        (
            "[host]\narbiters = 250\nstop_deadline = '1s'\n",
            &["[host]: stop_deadline changed", &format!("[host]: arbiters changed{next_start}")],
        ),
        ("[state]\ndir = '/elsewhere'\n", &[&format!("[state]: dir changed{next_start}")]),
        ("[admin]\nbind = '127.0.0.1:9'\n", &[&format!("[admin]: bind changed{next_start}")]),
        (
            "[log]\nlevel = 'warn'\nformat = 'json'\n",
            &["[log]: level changed", &format!("[log]: format changed{next_start}")],
        ),
        ("[dead_letter]\nkeep = 7\n", &["[dead_letter]: keep changed; the sinks that use it restart"]),
    ];
    for (section, expected) in cases {
        assert_eq!(changes(&base(), &(base() + section)), *expected, "{section}");
    }
}

#[test]
fn changes_that_need_a_restart_are_listed_until_then() {
    let text = "[host]\narbiters = 250\nstop_deadline = '1s'\n[state]\ndir = '/elsewhere'\n[admin]\nready = 'any'\n\
                [log]\nlevel = 'warn'\nformat = 'json'\n[metrics]\nper_account = false\n";
    let dir = TempDir::new().unwrap();
    let (old, new) = (load(dir.path(), &base()), load(dir.path(), &(base() + text)));
    let runs = new.clone().keeping_next_start_keys(&old);
    let partition = |a: &Config, b: &Config| {
        let changes = ConfigDiff::between(a, b).changes.into_iter();
        changes.partition::<Vec<_>, _>(|change| change.effect == Effect::NextStart)
    };
    assert_eq!(partition(&old, &runs).0, [], "none of them applies yet");
    let (waiting_keys, applied) = partition(&runs, &new);
    assert_eq!((waiting_keys.len(), applied.len()), (5, 0), "{waiting_keys:#?}");
    assert_eq!(waiting_keys, partition(&old, &new).0);
}

/// A key that is not compared would be ignored silently at a reload.
#[test]
fn every_setting_is_compared() {
    let dir = TempDir::new().unwrap();
    let config = load(dir.path(), &base());
    let compared: BTreeSet<String> = settings::settings(&config, &config)
        .into_iter()
        .flat_map(|(section, keys)| {
            keys.into_iter().map(move |compared| format!("{section}.{}", compared.key))
        })
        .collect();
    // Several keys set the address or the source of a token; one only affects validation.
    let as_one = [
        ("admin.enabled", "admin.bind"),
        ("admin.unix", "admin.bind"),
        ("admin.allow_plaintext", "admin.bind"),
        ("admin.token_file", "admin.token"),
        ("admin.token_env", "admin.token"),
        ("admin.read_token_file", "admin.read_token"),
        ("admin.read_token_env", "admin.read_token"),
        ("admin.tls_key_file", "admin.tls_cert_file"),
        ("cluster.key_file", "cluster.cert_file"),
        ("admin.tokens.NAME.scope", "admin.tokens"),
        ("admin.tokens.NAME.accounts", "admin.tokens"),
        ("admin.tokens.NAME.token_file", "admin.tokens"),
        ("admin.tokens.NAME.token_env", "admin.tokens"),
        ("admin.tokens.NAME.token", "admin.tokens"),
        ("hooks.allow_plaintext", "hooks.bind"),
        ("hooks.secret_file", "hooks.secret"),
        ("hooks.secret_env", "hooks.secret"),
        ("hooks.tls_key_file", "hooks.tls_cert_file"),
    ];
    let credentials = |key: &str| {
        let kind =
            key.strip_prefix("cluster.").map(|key| key.trim_end_matches("_file").trim_end_matches("_env"));
        matches!(kind, Some("creds" | "nkey" | "token" | "user" | "password"))
    };
    // These only say where accounts are, or what they inherit: the accounts themselves are compared.
    let makes_accounts =
        |key: &str| ["include", "token_dir"].contains(&key) || key.starts_with("account_defaults.");
    let is_setting =
        |key: &String| key.contains("NAME") == key.starts_with("admin.tokens.") && !makes_accounts(key);
    let known = known_keys().into_iter().map(|known| known.key).filter(is_setting);
    let as_compared = |key: String| {
        if credentials(&key) {
            return "cluster.credentials".to_owned();
        }
        as_one.iter().find(|(one, _)| *one == key).map_or(key.clone(), |(_, other)| (*other).to_owned())
    };
    assert_eq!(known.map(as_compared).collect::<BTreeSet<_>>(), compared);
}
