//! Single mistakes, each after a good configuration: what is said of it.

use super::{GOOD, refused};

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
        ("[colours]", "colours: there is no such section; take it out; there are servers, accounts, sinks"),
        ("[restart]\nwithin = '30x'", "restart.within: \"30x\" is no duration; write a time such as 30s"),
        ("[restart]\nwithin = 30", "restart.within: this is no duration; write a time such as 30s"),
        ("[restart]\nwithin = '1m'", "restart.within: this budget could never trip"),
        ("[health]\npoll_interval = '10ms'", "health.poll_interval: 10ms is out of bounds; take 1s to 1h"),
        ("[delivery]\nqueue = 0", "delivery.queue: 0 is out of bounds; take 1 to 65536"),
        ("[log]\nlevel = 'loud'", "log.level: this is no level"),
        ("[log]\nformat = 'xml'", "log.format: \"xml\" is no pretty or json; write pretty or json"),
        (
            "[log]\notlp_endpoint = 'collector:4318'",
            "log.otlp_endpoint: this is no address; write it like http",
        ),
        (
            "[log]\notlp_endpoint = 'http://a:b@c'",
            "log.otlp_endpoint: there is a name, a password or a query in it",
        ),
        ("[metrics]\nper_account = 'some'", "metrics.per_account: \"some\" is no true or false"),
        ("token = 'mustnotshow7dqm4q6zj3h5s9e'", "the text cannot be parsed: TOML parse error at line 5"),
        ("[accounts.b]\ntoken = \"mustnotshow7dqm4q6zj3h5s9e", "line 6"),
    ]);
}

#[cfg(not(feature = "otlp"))]
#[test]
fn a_collector_needs_a_program_that_can_send() {
    let told = "log.otlp_endpoint: this program was built without OpenTelemetry; leave it out, or build with";
    all_told(&[("[log]\notlp_endpoint = 'http://127.0.0.1:4318'", told)]);
}

#[test]
fn mistakes_in_accounts() {
    all_told(&[
        (
            "[accounts.b]\ntoken = 'mustnotshow7dqm4q6zj3h5s9e'",
            "accounts.b: it has the same token as account a;",
        ),
        ("[accounts.b]\ntoken_env = 'SECRET'", "accounts.b: it has the same token as account a;"),
        ("[accounts.b]\ntoken_env = 'NO_SUCH'", "accounts.b.token_env: the variable NO_SUCH is not set;"),
        (
            "[accounts.b]\ntoken_env = 'mustnotshow7dqm4q6zj3h5s9e'",
            "accounts.b.token_env: this variable is not",
        ),
        (
            "[accounts.b]\ntoken_file = 'mustnotshow7dqm4q6zj3h5s9e'",
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
        ("[accounts.b]\ntoken = ['mustnotshow7dqm4q6zj3h5s9e']", "accounts.b.token: this is no text;"),
        (
            "[accounts.b]\ntoken = 'mustnotshow7dqm4q6zj3h5s9e x'",
            "accounts.b.token: the token holds white space",
        ),
        (
            "[accounts.b]\nserver = 'mian'\ntoken = 'x'",
            "accounts.b.server: there is no server \"mian\"; did you",
        ),
        ("[accounts.'a b']\ntoken = 'x'", "accounts: \"a b\" is not a valid name; use 1 to 128 letters"),
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
            "[servers.b]\nurl = 'http://u:mustnotshow7dqm4q6zj3h5s9e@a'",
            "servers.b.url: there are credentials in",
        ),
        ("[servers.b]\nurl = 'https://a'\nca_file = 'no.pem'", "no.pem: it cannot be read"),
        (
            "[servers.b]\nurl = 'https://a'\nca_file = '/dev/null'",
            "servers.b.ca_file: the CA file contains no certificate",
        ),
        (
            "[servers.b]\nurl = 'http://a'\nmax_frame = '1KiB'",
            "servers.b.max_frame: 1KiB is out of bounds; take",
        ),
        ("[servers.b]\nurl = 'http://a'", "accounts.a.server: it is missing; name one of b, main"),
    ]);
    assert!(refused("")[0].starts_with("servers: there is no server; add [servers.NAME]"));
}

/// A webhook but for what a case adds.
const HOOK: &str = "[sinks.h]\ntype = 'webhook'\nurl = 'http://127.0.0.1:1/'\n";

#[test]
fn mistakes_in_sinks() {
    all_told(&[
        ("[sinks.h]", "sinks.h.type: it is missing; write stdout, webhook, exec or file"),
        ("[sinks.h]\ntype = 'smtp'", "sinks.h.type: \"smtp\" is no stdout, webhook, exec or file; write"),
        ("[sinks.h]\ntype = 'stdout'\nurl = 'http://a'", "sinks.h.url: there is no such key; take it out;"),
        ("[sinks.h]\ntype = 'file'", "sinks.h.path: it is missing; name the file that events are written to"),
        ("[sinks.h]\ntype = 'file'\npath = '/'", "sinks.h.path: / is a directory; name a file in it"),
        (
            "[sinks.h]\ntype = 'file'\npath = 'a'\nrotate_size = 1",
            "sinks.h.rotate_size: 1 is out of bounds; take 64KiB to 1024GiB",
        ),
        (
            "[sinks.h]\ntype = 'file'\npath = 'a'\n[sinks.i]\ntype = 'file'\npath = 'a'",
            "sinks.i.path: sink h writes this file, too; name another file",
        ),
        ("[sinks.h]\ntype = 'exec'", "sinks.h.command: it is missing; name the program and its arguments"),
        ("[sinks.h]\ntype = 'exec'\ncommand = []", "sinks.h.command: it is empty; name the program"),
        (
            "[sinks.h]\ntype = 'exec'\ncommand = 3",
            "sinks.h.command: this is no list of texts; write a list such",
        ),
        (
            "[sinks.h]\ntype = 'exec'\ncommand = ['x']\ndir = 'no/such'",
            "no/such is no directory; name one that is there",
        ),
        ("[sinks.'a b']\ntype = 'stdout'", "sinks: \"a b\" is not a valid name; use 1 to 128 letters"),
        ("[dead_letter]\nkeep = 0", "dead_letter.keep: 0 is out of bounds; take 1 to 1000"),
    ]);
}

#[test]
fn mistakes_in_filters() {
    all_told(&[
        (
            "[sinks.h]\ntype = 'stdout'\nevents = ['Posted!']",
            "sinks.h.events: \"Posted!\" is no name of an event; write names as the server has them",
        ),
        (
            "[sinks.h]\ntype = 'stdout'\nchannel_types = ['privat']",
            "sinks.h.channel_types: \"privat\" is no kind of channel; did you mean private?",
        ),
        (
            "[sinks.h]\ntype = 'stdout'\nchannel_types = ['x']",
            "\"x\" is no kind of channel; write public, private, direct or group",
        ),
    ]);
}

#[test]
fn mistakes_in_webhooks() {
    let cases = [
        ("", "sinks.h: there is no secret; give secret_file, secret_env or secret"),
        (
            "secret = 'mustnotshow7dqm4q6zj3h5s9e'",
            "sinks.h.secret: the secret does not begin with whsec_; put",
        ),
        ("secret = 'whsec_x'", "sinks.h.secret: what follows whsec_ is no Base64;"),
        ("secret = 'whsec_c2hvcnQ='", "sinks.h.secret: the key has 5 bytes, not 24 to 64;"),
        (
            "secret_env = 'NO_SUCH'",
            "sinks.h.secret_env: the variable NO_SUCH is not set; set it to the webhook's",
        ),
        ("secret_file = 'whsec_c2hvcnQ='", "this looks like a secret rather than a path; put a secret under"),
        ("secret = 'whsec_x'\nsecret_env = 'X'", "sinks.h: secret_env and secret are given together;"),
    ];
    for (more, expected) in cases {
        let told = refused(&format!("{GOOD}{HOOK}{more}\n"));
        assert!(told.iter().any(|line| line.contains(expected)), "{more}\n{told:#?}\nlacks {expected:?}");
    }
    for (url, expected) in [
        ("127.0.0.1:8000", "sinks.h.url: the scheme is not http or https; write it like http://127"),
        (
            "http://u:mustnotshow7dqm4q6zj3h5s9e@a/x",
            "sinks.h.url: there are credentials in the URL; leave out what",
        ),
        ("http://a/x#y", "sinks.h.url: there is a fragment in the URL; remove the #"),
        ("http:///", "sinks.h.url: this is not a URL: empty host;"),
    ] {
        let told = refused(&format!("{GOOD}[sinks.h]\ntype = 'webhook'\nurl = '{url}'\n"));
        assert!(told.iter().any(|line| line.starts_with(expected)), "{url}\n{told:#?}\nlacks {expected:?}");
    }
    let told = refused(&format!("{GOOD}[sinks.h]\ntype = 'webhook'\n"));
    assert!(told[0].starts_with("sinks.h.url: it is missing; write where the handler listens"), "{told:?}");
}

#[test]
fn mistakes_in_the_sinks_of_an_account() {
    let two = "[sinks.one]\ntype = 'stdout'\n[sinks.two]\ntype = 'stdout'\n";
    for (given, expected) in [
        ("", "accounts.a.sinks: it is missing; name one or more of one, two"),
        ("sinks = []", "accounts.a.sinks: it is empty; name one or more of one, two"),
        ("sinks = ['onne']", "accounts.a.sinks: there is no sink \"onne\"; did you mean one?"),
        ("sinks = ['x']", "accounts.a.sinks: there is no sink \"x\"; name one or more of one, two, or add"),
        ("sinks = ['one', 'one']", "accounts.a.sinks: \"one\" stands there twice; keep one of them"),
        ("sinks = 1", "accounts.a.sinks: this is no list of texts; write a list such as"),
    ] {
        let told = refused(&format!("{GOOD}{given}\n{two}"));
        assert_eq!(told.len(), 1, "{told:#?}");
        assert!(told[0].starts_with(expected), "{told:#?}\nlacks {expected:?}");
    }
}
