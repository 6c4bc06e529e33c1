//! Whole configurations: what is taken, and what is said of what is not.

use std::{collections::HashMap, fs, path::PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// Stands for a token wherever one is given; it must never be seen again.
const SECRET: &str = "hxbtrjq1cfy7dqm4q6zj3h5s9e";

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

    fn sources(&self, text: &str) -> Sources {
        Sources { file: self.file("matterhost.toml", text), ..Sources::default() }
    }
}

fn environment(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// What is said of a configuration, one line a problem.
fn refused(text: &str) -> Vec<String> {
    refused_with(text, &[("SECRET", SECRET)])
}

fn refused_with(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let dir = Dir::new();
    let sources = Sources { environment: environment(variables), ..dir.sources(text) };
    let error = Config::load(&sources, None).unwrap_err();
    for told in [format!("{error}"), format!("{error:?} {sources:?}")] {
        assert!(!told.contains(SECRET), "the token is shown: {told}");
    }
    error.problems.iter().map(ToString::to_string).collect()
}

const GOOD: &str =
    "[servers.main]\nurl = 'http://chat.test'\n[accounts.a]\ntoken = 'hxbtrjq1cfy7dqm4q6zj3h5s9e'\n";

#[test]
fn the_least_there_can_be_is_a_server_and_an_account() {
    let config = Config::load(&Dir::new().sources(GOOD), None).unwrap();
    assert_eq!(config.accounts[0].server.as_str(), "main");
    let defaults = HostSettings::default();
    assert_eq!(config.host, defaults);
    assert!(config.warnings.is_empty());
    assert!(!format!("{config:?}").contains(SECRET));
}

#[test]
fn the_example_is_accepted_and_changes_no_default() {
    let environment = environment(&[("HELPDESK_TOKEN", SECRET)]);
    let dir = Dir::new();
    let config =
        Config::load(&Sources { environment: environment.clone(), ..dir.sources(EXAMPLE) }, None).unwrap();
    assert_eq!((config.servers.len(), config.accounts.len()), (1, 1));
    // With every default written out it says the same: the comments are the defaults.
    let written: Vec<_> = EXAMPLE
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_default(rest)).unwrap_or(line))
        .collect();
    let written = written.join("\n");
    assert!(written.matches(" = ").count() > 30, "{written}");
    let all = Config::load(&Sources { environment, ..dir.sources(&written) }, None).unwrap();
    assert_eq!(format!("{all:?}"), format!("{config:?}"));
}

fn is_default(line: &str) -> bool {
    let key = line.split(" = ").next().unwrap_or_default();
    known_keys().iter().any(|known| known.default.is_some() && known.key.ends_with(&format!(".{key}")))
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
    let text = text.replace("[accounts.a]", "[accounts.Help-Desk]").replace("token = 'hxb", "# '");
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
        let config = Config::load(&Sources { file, ..Sources::default() }, None).unwrap();
        assert_eq!(format!("{config:?}"), format!("{toml:?}"));
        assert!(config.accounts[0].token.same_as(&toml.accounts[0].token));
    }
}

#[test]
fn each_mistake_is_told_with_its_key_and_a_remedy() {
    let with = |more: &str| format!("{GOOD}{more}\n");
    let cases = [
        (
            with("[restart]\nmax_restart = 3"),
            "restart.max_restart: there is no such key; did you mean max_restarts?",
        ),
        (with("[restrat]\nmax = 3"), "restrat: there is no such section; did you mean restart?"),
        (
            with("[restart]\nwithin = '30x'"),
            "restart.within: \"30x\" is no duration; write a time such as 30s",
        ),
        (with("[restart]\nwithin = 30"), "restart.within: this is no duration; write a time such as 30s"),
        (with("[restart]\nwithin = '1m'"), "restart.within: this budget could never trip"),
        (
            with("[health]\npoll_interval = '10ms'"),
            "health.poll_interval: 10ms is out of bounds; take 1s to 1h",
        ),
        (with("[delivery]\nqueue = 0"), "delivery.queue: 0 is out of bounds; take 1 to 65536"),
        (with("[log]\nlevel = 'loud'"), "log.level: this is no level"),
        (with("[log]\nformat = 'xml'"), "log.format: \"xml\" is no pretty or json; write pretty or json"),
        (
            with("[accounts.b]\ntoken = 'hxbtrjq1cfy7dqm4q6zj3h5s9e'"),
            "accounts.b: it has the same token as account a;",
        ),
        (with("[accounts.b]\ntoken_env = 'SECRET'"), "accounts.b: it has the same token as account a;"),
        (
            with("[accounts.b]\ntoken_env = 'NO_SUCH'"),
            "accounts.b.token_env: the variable NO_SUCH is not set;",
        ),
        (
            with("[accounts.b]\ntoken_env = 'hxbtrjq1cfy7dqm4q6zj3h5s9e'"),
            "accounts.b.token_env: this variable is not",
        ),
        (
            with("[accounts.b]\ntoken_file = 'hxbtrjq1cfy7dqm4q6zj3h5s9e'"),
            "accounts.b.token_file: there is no such file",
        ),
        (
            with("[accounts.b]\ntoken_file = 'no/such'"),
            "no/such: it cannot be read (No such file or directory",
        ),
        (with("[accounts.b]\ntoken_file = '/dev/zero'"), "/dev/zero: it has more than 4096 bytes;"),
        (with("[accounts.b]\ntoken_file = '/'"), "/: it is a directory;"),
        (with("[accounts.b]\ntoken_file = '/dev/null'"), "accounts.b.token_file: the token is empty;"),
        (with("[accounts.b]"), "accounts.b: there is no token; give token_file, token_env or token"),
        (
            with("[accounts.b]\ntoken = 'x'\ntoken_env = 'Y'"),
            "token_env and token are given together; keep one of them",
        ),
        (with("[accounts.b]\ntoken = ['hxbtrjq1cfy7dqm4q6zj3h5s9e']"), "accounts.b.token: this is no text;"),
        (
            with("[accounts.b]\ntoken = 'hxbtrjq1cfy7dqm4q6zj3h5s9e x'"),
            "accounts.b.token: the token holds white space",
        ),
        (
            with("[accounts.b]\nserver = 'mian'\ntoken = 'x'"),
            "accounts.b.server: there is no server \"mian\"; did you",
        ),
        (
            with("[accounts.'a b']\ntoken = 'x'"),
            "accounts: \"a b\" is not a usable name; use 1 to 128 letters",
        ),
        (GOOD.replace("[accounts.a]\n", "[accounts]\n"), "accounts.token: this is a table, not a value;"),
        (with("[servers.b]"), "servers.b.url: it is missing; write the server's address"),
        (with("[servers.b]\nurl = 'chat.test'"), "servers.b.url: the scheme is not http"),
        (
            with("[servers.b]\nurl = 'ftp://chat.test'"),
            "servers.b.url: the scheme is not http or https; write it like",
        ),
        (
            with("[servers.b]\nurl = 'http://u:hxbtrjq1cfy7dqm4q6zj3h5s9e@a'"),
            "servers.b.url: there are credentials in",
        ),
        (with("[servers.b]\nurl = 'https://a'\nca_file = 'no.pem'"), "no.pem: it cannot be read"),
        (
            with("[servers.b]\nurl = 'https://a'\nca_file = '/dev/null'"),
            "servers.b.ca_file: there is no certificate in",
        ),
        (
            with("[servers.b]\nurl = 'http://a'\nmax_frame = '1KiB'"),
            "servers.b.max_frame: 1KiB is out of bounds; take",
        ),
        (with("[servers.b]\nurl = 'http://a'"), "accounts.a.server: it is missing; name one of b, main"),
        (
            with("token = 'hxbtrjq1cfy7dqm4q6zj3h5s9e'"),
            "the text cannot be parsed: TOML parse error at line 5",
        ),
        (String::new(), "servers: there is no server; add [servers.NAME]"),
        (with("[accounts.b]\ntoken = \"hxbtrjq1cfy7dqm4q6zj3h5s9e"), "line 6"),
    ];
    for (text, expected) in cases {
        let told = refused(&text);
        assert!(told.iter().any(|line| line.contains(expected)), "{text}\n{told:#?}\nlacks {expected:?}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let told = refused(
        "[servers.main]\nurl = 'chat'\nspeed = 1\n[accounts.a]\nserver = 'x'\n[accounts.b]\ntoken = ''\n\
         [restart]\nmin_backoff = '0s'\nmax_restarts = -1\n[nonsense]\n[delivery]\nqueue = 'many'\n",
    );
    let keys =
        ["servers.main.url", "servers.main.speed", "accounts.a.server", "accounts.a:", "accounts.b.token"];
    let more = ["restart.min_backoff", "restart.max_restarts", "nonsense", "delivery.queue"];
    for key in keys.into_iter().chain(more) {
        assert_eq!(told.iter().filter(|line| line.starts_with(key)).count(), 1, "{key} in {told:#?}");
    }
    assert_eq!(told.len(), 9, "{told:#?}");
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let dir = Dir::new();
    for (name, expected) in [
        ("none.toml", "it cannot be read (No such file"),
        ("matterhost", "name does not tell its format"),
        ("matterhost.ini", "let it end in .toml, .yaml, .yml or .json"),
    ] {
        let sources = Sources { file: dir.0.path().join(name), ..Sources::default() };
        let told = Config::load(&sources, None).unwrap_err().to_string();
        assert!(told.contains(expected) && told.contains(name), "{told}");
    }
}

#[test]
fn a_proxy_in_the_environment_is_refused() {
    let told = refused_with(GOOD, &[("HTTP_PROXY", "http://user:hxbtrjq1cfy7dqm4q6zj3h5s9e@proxy")]);
    assert!(told[0].starts_with("servers.main.url: HTTP_PROXY names a proxy"), "{told:?}");
}

#[test]
fn a_variable_with_a_mistake_is_named() {
    let variables = [("MATTERHOST__RESTART__WITHN", "5m"), ("MATTERHOST__LOG__FORMAT", "xml")];
    let told = refused_with(GOOD, &variables);
    let expected = [
        "restart.withn (from the variable MATTERHOST__RESTART__WITHN): there is no such key; did you mean within?",
        "log.format (from the variable MATTERHOST__LOG__FORMAT): \"xml\" is no pretty or json; write pretty or json",
    ];
    assert_eq!(told, expected);
}

#[test]
fn too_few_open_files_are_told() {
    let error = Config::load(&Dir::new().sources(GOOD), Some(10)).unwrap_err().to_string();
    assert!(error.contains("1 accounts need") && error.contains("may open 10; raise the limit"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_token_file_is_read_and_an_open_one_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = Dir::new();
    let file = dir.file("a.token", &format!("{SECRET}\n"));
    let text = GOOD.replace("token = 'hxbtrjq1cfy7dqm4q6zj3h5s9e'", "token_file = 'a.token'");
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
