//! Tests of whole configurations.

mod bots_in_rust;
mod by_api;
mod inherited;
mod many_files;
mod mistakes;

use std::{collections::HashMap, fs, path::PathBuf};

use matterhost_actors::{bots::Router, mattermost::CONNECTIONS_PER_ARBITER};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// A token; no message may contain it.
const SECRET: &str = "mustnotshow7dqm4q6zj3h5s9e";

struct Dir(TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn bare(&self, text: &str) -> Sources {
        Sources { files: vec![self.file("matterhost.toml", text)], ..Sources::default() }
    }

    /// Sets `HOME` to a directory that does not exist and is never read.
    fn sources(&self, text: &str) -> Sources {
        Sources { environment: environment(&[]), ..self.bare(text) }
    }
}

fn environment(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    let home = ("HOME", "/nonexistent");
    [home].iter().chain(pairs).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Loads an invalid configuration and returns its problems, one line each.
pub(super) fn refused(text: &str) -> Vec<String> {
    refused_with(text, &[("SECRET", SECRET)])
}

fn refused_with(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let dir = Dir::new();
    let sources = Sources { environment: environment(variables), ..dir.sources(text) };
    let error = Config::load(&sources, None).unwrap_err();
    for text in [format!("{error}"), format!("{error:?} {sources:?}")] {
        assert!(!text.contains(SECRET), "the message contains the token: {text}");
    }
    error.problems.iter().map(ToString::to_string).collect()
}

pub(super) const GOOD: &str =
    "[servers.main]\nurl = 'http://chat.test'\n[accounts.a]\ntoken = 'mustnotshow7dqm4q6zj3h5s9e'\n";

#[test]
fn the_least_there_can_be_is_a_server_and_an_account() {
    let config = Config::load(&Dir::new().sources(GOOD), None).unwrap();
    assert_eq!(config.accounts[0].server.as_str(), "main");
    let mut defaults = HostSettings::default();
    defaults.replies.deadline = Duration::from_secs(900);
    defaults.accounts_per_arbiter = 50;
    assert_eq!(config.host, defaults);
    assert!(config.warnings.is_empty());
    assert!(!format!("{config:?}").contains(SECRET));
}

#[test]
fn a_given_number_of_arbiters_shares_the_accounts_from_the_first_on() {
    let of = |text: &str| {
        let config = Config::load(&Dir::new().sources(&format!("{GOOD}{text}")), None).unwrap();
        (config.host.arbiters, config.host.accounts_per_arbiter)
    };
    let cores = HostSettings::default().arbiters;
    assert_eq!((of(""), of("[host]\narbiters = 0\n")), ((cores, 50), (cores, 50)));
    assert_eq!(of("[host]\narbiters = 3\n"), (3, 0));
}

#[test]
fn the_example_is_accepted_and_changes_no_default() {
    let environment = environment(&[("HELPDESK_TOKEN", SECRET)]);
    let dir = Dir::new();
    let config =
        Config::load(&Sources { environment: environment.clone(), ..dir.sources(EXAMPLE) }, None).unwrap();
    assert_eq!((config.servers.len(), config.accounts.len()), (1, 1));
    // Uncommenting every default changes nothing. Keys in sections that are themselves comments stay comments.
    let mut section = "";
    let written: Vec<_> = EXAMPLE
        .lines()
        .map(|line| {
            if let Some(name) = line.strip_prefix('[') {
                section = name.split(['.', ']']).next().unwrap();
            } else if line.starts_with("# [") {
                section = "";
            }
            line.strip_prefix("# ").filter(|rest| is_default(section, rest)).unwrap_or(line)
        })
        .collect();
    let written = written.join("\n");
    assert!(written.matches(" = ").count() > 30, "{written}");
    let all = Config::load(&Sources { environment, ..dir.sources(&written) }, None).unwrap();
    assert_eq!(format!("{all:?}"), format!("{config:?}"));
}

// One of them needs a client of NATS.
#[cfg(feature = "cluster")]
#[test]
fn the_sinks_of_the_example_are_accepted_and_change_no_default() {
    let environment =
        environment(&[("HELPDESK_TOKEN", SECRET), ("HOOK_SECRET", "whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw")]);
    let sinks = &EXAMPLE[EXAMPLE.find("# [sinks.").unwrap()..EXAMPLE.find("[dead_letter]").unwrap()];
    let with = |keep: fn(&str) -> bool| {
        let lines = sinks.lines().filter_map(|line| line.strip_prefix("# ")).filter(|line| keep(line));
        let rest = EXAMPLE.replace(sinks, &lines.collect::<Vec<_>>().join("\n"));
        let text = rest.replace("# sinks = ", "sinks = ").replace("[dead_letter]", "\n[dead_letter]");
        let bots = Bots::default().with("helpdesk", Router::new);
        let environment = environment.clone();
        let config = Config::load(&Sources { environment, bots, ..Dir::new().sources(&text) }, None);
        config.unwrap().sinks
    };
    let all = with(|line| {
        let key = line.starts_with('[') || line.split(' ').nth(1) == Some("=");
        key && ![
            "creds",
            "nkey",
            "token",
            "user =",
            "password",
            "secret_file",
            "secret =",
            "ca_file",
            "cert_file",
            "key_file",
            "proxy",
            "dir",
            "skip_older_than",
        ]
        .iter()
        .any(|other| line.starts_with(other))
    });
    let required = with(|line| {
        let needed = ["[", "type", "url", "secret_env", "command", "path", "servers", "bot ="];
        needed.iter().any(|key| line.starts_with(key))
    });
    assert_eq!(all.len(), 6);
    let shown = |sinks: &[SinkConfig]| {
        let text = format!("{sinks:?}");
        let paths = text.split('"').filter(|part| !part.starts_with('/'));
        paths.collect::<Vec<_>>().join("")
    };
    assert_eq!(shown(&all), shown(&required));
}

fn is_default(section: &str, line: &str) -> bool {
    let key = line.split(" = ").next().unwrap_or_default();
    let (start, end) = (format!("{section}."), format!(".{key}"));
    let is_it = |known: &KnownKey| known.key.starts_with(&start) && known.key.ends_with(&end);
    known_keys().iter().any(|known| known.default.is_some() && is_it(known))
}

#[test]
fn the_example_names_every_key() {
    for known in known_keys() {
        let key = known.key.rsplit('.').next().unwrap();
        assert!(
            EXAMPLE.contains(&format!("\n{key} = ")) || EXAMPLE.contains(&format!("\n# {key} = ")),
            "{key}"
        );
    }
}

#[test]
fn layers_lie_on_each_other() {
    let dir = Dir::new();
    let text = format!("{GOOD}[restart]\nmax_restarts = 7\ncooldown = '7m'\n[log]\nlevel = 'warn'\n");
    let text = text.replace("[accounts.a]", "[accounts.Help-Desk]").replace("token = 'mus", "# '");
    let sources = Sources {
        environment: environment(&[
            ("MATTERHOST__RESTART__MAX_RESTARTS", "3"),
            ("MATTERHOST__LOG__LEVEL", "error"),
            ("MATTERHOST__ACCOUNTS__HELP_DESK__TOKEN", SECRET),
            ("MATTERHOST_CONFIG", "not a key"),
        ]),
        flags: vec![("log.level", "debug".into(), "--log-level")],
        ..dir.sources(&text)
    };
    let config = Config::load(&sources, None).unwrap();
    assert_eq!(config.host.restart.settings().max_restarts, 3);
    assert_eq!(config.host.restart.settings().cooldown, Duration::from_secs(420));
    assert_eq!(config.log.level.to_string(), "debug");
    assert_eq!(config.accounts[0].name.as_str(), "Help-Desk");
    assert_eq!(config.accounts.len(), 1);
}

#[test]
fn the_three_formats_say_the_same() {
    let dir = Dir::new();
    let yaml =
        format!("servers: {{main: {{url: 'http://chat.test'}}}}\naccounts: {{a: {{token: {SECRET}}}}}\n");
    let json = format!(
        r#"{{"servers":{{"main":{{"url":"http://chat.test"}}}},"accounts":{{"a":{{"token":"{SECRET}"}}}}}}"#
    );
    let toml = Config::load(&dir.sources(GOOD), None).unwrap();
    for (name, text) in [("a.yaml", &yaml), ("a.yml", &yaml), ("a.json", &json)] {
        let file = dir.file(name, text);
        let config = Config::load(&Sources { files: vec![file], ..dir.sources(GOOD) }, None).unwrap();
        // Only the file differs that the account is from.
        let shown = format!("{config:?}").replace(&format!("/{name}"), "/matterhost.toml");
        assert_eq!(shown, format!("{toml:?}"));
        assert!(config.accounts[0].token.same_as(&toml.accounts[0].token));
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let messages = refused(
        "[servers.main]\nurl = 'chat'\nspeed = 1\n[accounts.a]\nserver = 'x'\n[accounts.b]\ntoken = ''\n\
         [restart]\nmin_backoff = '0s'\nmax_restarts = -1\n[nonsense]\n[delivery]\nqueue = 'many'\n",
    );
    let keys =
        ["servers.main.url", "servers.main.speed", "accounts.a.server", "accounts.a:", "accounts.b.token"];
    let more = ["restart.min_backoff", "restart.max_restarts", "nonsense", "delivery.queue"];
    for key in keys.into_iter().chain(more) {
        assert_eq!(messages.iter().filter(|line| line.starts_with(key)).count(), 1, "{key} in {messages:#?}");
    }
    assert_eq!(messages.len(), 9, "{messages:#?}");
}

#[test]
fn standard_output_is_the_default_and_a_single_sink_need_not_be_named() {
    let dir = Dir::new();
    let sinks = |text: &str| {
        let config = Config::load(&dir.sources(text), None).unwrap();
        let names = config.accounts[0].sinks.iter().map(ToString::to_string).collect::<Vec<_>>();
        (names, config.sinks.len(), config.warnings)
    };
    assert_eq!(sinks(GOOD), (vec!["stdout".to_owned()], 1, Vec::new()));
    assert_eq!(sinks(&format!("{GOOD}[sinks.x]\ntype = 'stdout'\n")), (vec!["x".to_owned()], 1, Vec::new()));
    let two = format!(
        "{GOOD}sinks = ['x']\n[sinks.x]\ntype = 'stdout'\nbest_effort = true\n[sinks.y]\ntype = 'stdout'\n"
    );
    let (names, count, warnings) = sinks(&two);
    assert_eq!((names, count), (vec!["x".to_owned()], 2));
    let messages: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(messages[0].starts_with("sinks.y: no account names it"), "{messages:?}");
    assert!(messages[1].starts_with("accounts.a.sinks: all of them are best_effort"), "{messages:?}");
}

#[test]
fn an_unreadable_file_is_reported() {
    let dir = Dir::new();
    for (name, expected) in [
        ("none.toml", "the file cannot be read (No such file"),
        ("matterhost", "name does not show the format"),
        ("matterhost.ini", "use the ending .toml, .yaml, .yml or .json"),
    ] {
        let sources = Sources { files: vec![dir.0.path().join(name)], ..Sources::default() };
        let message = Config::load(&sources, None).unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains(name), "{message}");
    }
}

#[test]
fn a_proxy_that_cannot_be_used_is_refused() {
    let messages = refused_with(GOOD, &[("HTTP_PROXY", "ftp://user:mustnotshow7dqm4q6zj3h5s9e@proxy")]);
    assert!(messages[0].starts_with("servers.main.proxy: HTTP_PROXY names no proxy"), "{messages:?}");
}

#[test]
fn a_variable_with_a_mistake_is_named() {
    let variables = [("MATTERHOST__RESTART__WITHN", "5m"), ("MATTERHOST__LOG__FORMAT", "xml")];
    let messages = refused_with(GOOD, &variables);
    let expected = [
        "restart.withn (from the variable MATTERHOST__RESTART__WITHN): there is no such key; did you mean within?",
        "log.format (from the variable MATTERHOST__LOG__FORMAT): expected pretty or json, found \"xml\"; write pretty or json",
    ];
    assert_eq!(messages, expected);
}

#[test]
fn a_low_limit_of_open_files_is_reported() {
    let error = Config::load(&Dir::new().sources(GOOD), Some(10)).unwrap_err().to_string();
    assert!(error.contains("1 accounts need") && error.contains("may open 10; raise the limit"), "{error}");
}

/// Returns the number of open files that a configuration needs.
fn open_files_of(config: &Config) -> usize {
    let problem = config.check_open_files(Some(0)).unwrap().to_string();
    let (_, needed) = problem.split_once("accounts need ").unwrap();
    needed.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn only_threads_that_accounts_use_count_for_the_open_files() {
    let needed = |accounts: usize, host: &str| {
        let account = |n| format!("[accounts.b{n}]\ntoken = 'mustnotshow7dqm4q6zj3h5{n:03}'\n");
        let more: Vec<String> = (1..accounts).map(account).collect();
        let text = format!("{GOOD}{}{host}", more.concat());
        let config = Config::load(&Dir::new().sources(&text), None).unwrap();
        open_files_of(&config) - accounts
    };
    let spread = |accounts| needed(accounts, "[host]\narbiters = 8\n");
    assert_eq!(spread(2) - spread(1), CONNECTIONS_PER_ARBITER, "a second thread for the second account");
    assert_eq!(spread(20), spread(8), "no more than there are");
    assert_eq!(needed(50, ""), needed(1, ""), "one thread has up to fifty");
}

#[test]
fn a_webhook_may_need_a_file_for_each_hook_at_a_time() {
    let needed = |sink: &str| {
        let hooks = "[hooks]\nbind = '127.0.0.1:0'\npublic_url = 'http://127.0.0.1:1'\n";
        let config = Config::load(&Dir::new().sources(&format!("{GOOD}{hooks}[sinks.it]\n{sink}\n")), None);
        open_files_of(&config.unwrap())
    };
    let webhook = needed(
        "type = 'webhook'\nurl = 'http://127.0.0.1:1/'\nsecret = 'whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw'",
    );
    let child = needed("type = 'exec'\ncommand = ['true']");
    assert!(webhook >= child + MAX_HOOKS, "{webhook} and {child}");
}

#[cfg(unix)]
#[test]
fn a_token_file_is_read_and_an_open_one_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = Dir::new();
    let file = dir.file("a.token", &format!("{SECRET}\n"));
    let text = GOOD.replace("token = 'mustnotshow7dqm4q6zj3h5s9e'", "token_file = 'a.token'");
    for (mode, warnings) in [(0o600, 0), (0o640, 0), (0o644, 1)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let config = Config::load(&dir.sources(&text), None).unwrap();
        assert_eq!(config.warnings.len(), warnings, "{mode:o}: {:?}", config.warnings);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_token_in_any_wrong_place_is_not_shown(place in 0usize..7, section in 0usize..7) {
        let section = ["servers.s", "accounts.b", "restart", "health", "delivery", "log", "host"][section];
        let key = ["token", "token_file", "token_env", "server", "url", "tokn", "level"][place];
        let text = format!("[servers.main]\nurl='http://a'\n[{section}]\n{key} = '{SECRET}'\n");
        if section != "accounts.b" || key != "token" {
            refused(&text);
        }
    }
}

#[test]
fn state_is_on_disk_by_default() {
    let dir = Dir::new();
    let state = |more: &str| Config::load(&dir.sources(&format!("{GOOD}{more}")), None).unwrap().state;
    let home = PathBuf::from("/nonexistent/.local/state/matterhost");
    assert_eq!(state(""), StateConfig::Disk { dir: home, fsync: true });
    let beside = dir.0.path().join("kept");
    assert_eq!(
        state("[state]\ndir = 'kept'\nfsync = false"),
        StateConfig::Disk { dir: beside, fsync: false }
    );
    assert_eq!(state("[state]\nstore = 'memory'\ndir = 'kept'"), StateConfig::Memory);
    let nowhere = Config::load(&dir.bare(GOOD), None).unwrap_err().to_string();
    assert!(nowhere.contains("state.dir: it is missing, and none of STATE_DIRECTORY"), "{nowhere}");
    let memory = dir.bare(&format!("{GOOD}[state]\nstore = 'memory'"));
    assert_eq!(Config::load(&memory, None).unwrap().state, StateConfig::Memory);
}
