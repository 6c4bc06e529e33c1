//! Single mistakes, each after a good configuration: what is said of it.

use super::tests::{GOOD, refused};

/// What follows the good configuration, and what must be said of it.
type Case = (&'static str, &'static str);

fn all_told(cases: &[Case]) {
    for (more, expected) in cases {
        let told = refused(&format!("{GOOD}{more}\n"));
        assert!(told.iter().any(|line| line.contains(expected)), "{more}\n{told:#?}\nlacks {expected:?}");
    }
}

#[test]
fn mistakes_in_settings() {
    all_told(&[
        (
            "[restart]\nmax_restart = 3",
            "restart.max_restart: there is no such key; did you mean max_restarts?",
        ),
        ("[restrat]\nmax = 3", "restrat: there is no such section; did you mean restart?"),
        ("[colours]", "colours: there is no such section; take it out; there are servers, accounts, restart"),
        ("[restart]\nwithin = '30x'", "restart.within: \"30x\" is no duration; write a time such as 30s"),
        ("[restart]\nwithin = 30", "restart.within: this is no duration; write a time such as 30s"),
        ("[restart]\nwithin = '1m'", "restart.within: this budget could never trip"),
        ("[health]\npoll_interval = '10ms'", "health.poll_interval: 10ms is out of bounds; take 1s to 1h"),
        ("[delivery]\nqueue = 0", "delivery.queue: 0 is out of bounds; take 1 to 65536"),
        ("[log]\nlevel = 'loud'", "log.level: this is no level"),
        ("[log]\nformat = 'xml'", "log.format: \"xml\" is no pretty or json; write pretty or json"),
        ("token = 'hxbtrjq1cfy7dqm4q6zj3h5s9e'", "the text cannot be parsed: TOML parse error at line 5"),
        ("[accounts.b]\ntoken = \"hxbtrjq1cfy7dqm4q6zj3h5s9e", "line 6"),
    ]);
}

#[test]
fn mistakes_in_accounts() {
    all_told(&[
        (
            "[accounts.b]\ntoken = 'hxbtrjq1cfy7dqm4q6zj3h5s9e'",
            "accounts.b: it has the same token as account a;",
        ),
        ("[accounts.b]\ntoken_env = 'SECRET'", "accounts.b: it has the same token as account a;"),
        ("[accounts.b]\ntoken_env = 'NO_SUCH'", "accounts.b.token_env: the variable NO_SUCH is not set;"),
        (
            "[accounts.b]\ntoken_env = 'hxbtrjq1cfy7dqm4q6zj3h5s9e'",
            "accounts.b.token_env: this variable is not",
        ),
        (
            "[accounts.b]\ntoken_file = 'hxbtrjq1cfy7dqm4q6zj3h5s9e'",
            "accounts.b.token_file: there is no such file",
        ),
        ("[accounts.b]\ntoken_file = 'no/such'", "no/such: it cannot be read (No such file or directory"),
        ("[accounts.b]\ntoken_file = '/dev/zero'", "/dev/zero: it has more than 4096 bytes;"),
        ("[accounts.b]\ntoken_file = '/'", "/: it is a directory;"),
        ("[accounts.b]\ntoken_file = '/dev/null'", "accounts.b.token_file: the token is empty;"),
        ("[accounts.b]", "accounts.b: there is no token; give token_file, token_env or token"),
        (
            "[accounts.b]\ntoken = 'x'\ntoken_env = 'Y'",
            "token_env and token are given together; keep one of them",
        ),
        ("[accounts.b]\ntoken = ['hxbtrjq1cfy7dqm4q6zj3h5s9e']", "accounts.b.token: this is no text;"),
        (
            "[accounts.b]\ntoken = 'hxbtrjq1cfy7dqm4q6zj3h5s9e x'",
            "accounts.b.token: the token holds white space",
        ),
        (
            "[accounts.b]\nserver = 'mian'\ntoken = 'x'",
            "accounts.b.server: there is no server \"mian\"; did you",
        ),
        ("[accounts.'a b']\ntoken = 'x'", "accounts: \"a b\" is not a usable name; use 1 to 128 letters"),
    ]);
    let flat = refused(&GOOD.replace("[accounts.a]\n", "[accounts]\n"));
    assert!(flat[0].starts_with("accounts.token: this is a table, not a value;"), "{flat:?}");
}

#[test]
fn mistakes_in_servers() {
    all_told(&[
        ("[servers.b]", "servers.b.url: it is missing; write the server's address"),
        ("[servers.b]\nurl = 'chat.test'", "servers.b.url: the scheme is not http"),
        (
            "[servers.b]\nurl = 'ftp://chat.test'",
            "servers.b.url: the scheme is not http or https; write it like",
        ),
        (
            "[servers.b]\nurl = 'http://u:hxbtrjq1cfy7dqm4q6zj3h5s9e@a'",
            "servers.b.url: there are credentials in",
        ),
        ("[servers.b]\nurl = 'https://a'\nca_file = 'no.pem'", "no.pem: it cannot be read"),
        (
            "[servers.b]\nurl = 'https://a'\nca_file = '/dev/null'",
            "servers.b.ca_file: there is no certificate in",
        ),
        (
            "[servers.b]\nurl = 'http://a'\nmax_frame = '1KiB'",
            "servers.b.max_frame: 1KiB is out of bounds; take",
        ),
        ("[servers.b]\nurl = 'http://a'", "accounts.a.server: it is missing; name one of b, main"),
    ]);
    assert!(refused("")[0].starts_with("servers: there is no server; add [servers.NAME]"));
}
