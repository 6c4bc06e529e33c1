//! Single mistakes, each appended to a valid configuration.

use super::{GOOD, refused};

/// Text appended to the valid configuration, and a part of the expected message.
type Case<'a> = (&'a str, &'a str);

fn assert_refused(cases: &[Case<'_>]) {
    for (more, expected) in cases {
        let messages = refused(&format!("{GOOD}{more}\n"));
        assert!(
            messages.iter().any(|line| line.contains(expected)),
            "{more}\n{messages:#?}\nlacks {expected:?}"
        );
    }
}

#[test]
fn mistakes_in_settings() {
    assert_refused(&[
        (
            "[restart]\nmax_restart = 3",
            "restart.max_restart: there is no such key; did you mean max_restarts?",
        ),
        ("[restrat]\nmax = 3", "restrat: there is no such section; did you mean restart?"),
        (
            "[colours]",
            "colours: there is no such section; remove it; the known names are servers, accounts, sinks",
        ),
        (
            "[restart]\nwithin = '30x'",
            "restart.within: expected duration, found \"30x\"; write a time such as 30s",
        ),
        ("[restart]\nwithin = 30", "restart.within: expected duration; write a time such as 30s"),
        ("[restart]\nwithin = '1m'", "restart.within: this budget could never trip"),
        ("[health]\npoll_interval = '10ms'", "health.poll_interval: 10ms is out of bounds; use 1s to 1h"),
        ("[delivery]\nqueue = 0", "delivery.queue: 0 is out of bounds; use 1 to 65536"),
        ("[log]\nlevel = 'loud'", "log.level: this is neither a level"),
        ("[log]\nformat = 'xml'", "log.format: expected pretty or json, found \"xml\"; write pretty or json"),
        (
            "[log]\notlp_endpoint = 'collector:4318'",
            "log.otlp_endpoint: this is not an address; write it like http",
        ),
        (
            "[log]\notlp_endpoint = 'http://a:b@c'",
            "log.otlp_endpoint: it contains a user name, a password or a query",
        ),
        ("[metrics]\nper_account = 'some'", "metrics.per_account: expected true or false, found \"some\""),
        ("token = 'mustnotshow7dqm4q6zj3h5s9e'", "the file cannot be parsed: TOML parse error at line 5"),
        ("[accounts.b]\ntoken = \"mustnotshow7dqm4q6zj3h5s9e", "line 6"),
    ]);
}

#[cfg(not(feature = "otlp"))]
#[test]
fn a_collector_needs_a_program_that_can_send() {
    let message = "log.otlp_endpoint: this program was built without OpenTelemetry; remove it, or build with";
    assert_refused(&[("[log]\notlp_endpoint = 'http://127.0.0.1:4318'", message)]);
}

#[test]
fn mistakes_in_the_cluster() {
    let of = |more: &str| format!("[cluster]\nurl = 'nats://a:4222'\n{more}");
    for (section, expected) in [
        ("[cluster]".to_owned(), "cluster.url: there is no server of NATS; set it to addresses"),
        ("[cluster]\nurl = []".to_owned(), "cluster.url: there is no server of NATS;"),
        (
            "[cluster]\nurl = 'a:4222'".to_owned(),
            "cluster.url: this is not an address of NATS; write it like",
        ),
        (
            "[cluster]\nurl = 'nats://u:mustnotshow7dqm4q6zj3h5s9e@a'".to_owned(),
            "cluster.url: it contains a user name, a token or a password; remove that, and set token_file",
        ),
        (of("name = 'a.b'"), "cluster.name: it cannot be a part of a name in NATS; use 1 to 64 of"),
        (of("prefix = ''"), "cluster.prefix: it cannot be a part of a name in NATS;"),
        (
            of("action_inboxes = ['_INBOX.*']"),
            "cluster.action_inboxes: \"_INBOX.*\" is no inbox for clients; use",
        ),
        (of("action_inboxes = ['$JS']"), "cluster.action_inboxes: \"$JS\" is no inbox"),
        (of("action_inboxes = ['']"), "cluster.action_inboxes: \"\" is no inbox"),
        (
            of("prefix = 'bots'\naction_inboxes = ['_INBOX', 'bots.member']"),
            "cluster.action_inboxes: \"bots.member\" is no inbox for clients",
        ),
        (of("replicas = 0"), "cluster.replicas: 0 is out of bounds; use 1 to 5"),
        (of("lease_ttl = '1s'"), "cluster.lease_ttl: 1s is out of bounds; use 2s to 5m"),
        (of("token = 'x'\nnkey = 'y'"), "cluster: nkey and token are set together; keep one of them"),
        (of("token = 'x'\ntoken_env = 'Y'"), "cluster: token_env and token are set together; keep one"),
        (of("token_file = 'no/such'"), "no/such: the file cannot be read"),
        (of("user = 'u'"), "cluster.user: there is no password; set password_file,"),
        (of("password = 'p'"), "cluster: there is a password without a user; set user, too"),
        (of("cert_file = 'c.pem'"), "cluster.cert_file: its key is missing; set key_file, too"),
        (of("urls = 'nats://a'"), "cluster.urls: there is no such key; did you mean url?"),
        (
            of("[hooks]\nbind = '127.0.0.1:0'\npublic_url = 'https://a'"),
            "hooks.secret_file: it is missing, and a button that one member of the cluster has signed",
        ),
    ] {
        assert_refused(&[(&section, expected)]);
    }
}

#[cfg(not(feature = "cluster"))]
#[test]
fn a_cluster_needs_a_program_that_can_join_it() {
    let message =
        "cluster: this program was built without clusters; remove the section, or build with --features";
    assert_refused(&[("[cluster]\nurl = 'nats://a:4222'", message)]);
}

#[test]
fn mistakes_in_a_sink_for_nats() {
    let of = |more: &str| format!("[sinks.s]\ntype = 'nats'\n{more}");
    let good = |more: &str| of(&format!("servers = 'nats://a:4222'\n{more}"));
    for (section, expected) in [
        (of(""), "sinks.s.servers: there is no server of NATS; set it to addresses"),
        (of("servers = 'http://a'"), "sinks.s.servers: this is not an address of NATS; write it like"),
        (
            of("servers = ['nats://mustnotshow7dqm4q6zj3h5s9e@a']"),
            "sinks.s.servers: it contains a user name, a token or a password; remove that, and set token_file",
        ),
        (good("stream = 'a.b'"), "sinks.s.stream: it cannot be the name of a stream; use 1 to 64 of"),
        (good("subject = 'a..b'"), "sinks.s.subject: it cannot be the beginning of a subject; use words of"),
        (good("subject = 'a.>'"), "sinks.s.subject: it cannot be the beginning of a subject;"),
        (good("keep_for = '1m'"), "sinks.s.duplicate_window: it is longer than keep_for"),
        (good("token = 'x'\nnkey = 'y'"), "sinks.s: nkey and token are set together; keep one of them"),
        (good("token_env = 'NATS'"), "set it to the sink's token, or use token_file"),
        (good("in_flight = 0"), "sinks.s.in_flight: 0 is out of bounds; use 1 to 65536"),
    ] {
        assert_refused(&[(&section, expected)]);
    }
}

#[cfg(not(feature = "cluster"))]
#[test]
fn a_sink_for_nats_needs_a_program_with_a_client() {
    let message = "sinks.s.type: this program was built without NATS; build with --features cluster";
    assert_refused(&[("[sinks.s]\ntype = 'nats'\nservers = 'nats://a:4222'", message)]);
}

#[test]
fn mistakes_in_accounts() {
    assert_refused(&[
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
        (
            "[accounts.b]\ntoken_file = 'no/such'",
            "no/such: the file cannot be read (No such file or directory",
        ),
        ("[accounts.b]\ntoken_file = '/dev/zero'", "/dev/zero: it has more than 4096 bytes;"),
        ("[accounts.b]\ntoken_file = '/'", "/: it is a directory;"),
        ("[accounts.b]\ntoken_file = '/dev/null'", "accounts.b.token_file: the token is empty;"),
        ("[accounts.b]", "accounts.b: there is no token; set token_file, token_env or token"),
        (
            "[accounts.b]\ntoken = 'x'\ntoken_env = 'Y'",
            "token_env and token are set together; keep one of them",
        ),
        ("[accounts.b]\ntoken = ['mustnotshow7dqm4q6zj3h5s9e']", "accounts.b.token: expected text;"),
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
    assert_refused(&[
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
        ("[servers.b]\nurl = 'https://a'\nca_file = 'no.pem'", "no.pem: the file cannot be read"),
        (
            "[servers.b]\nurl = 'https://a'\nca_file = '/dev/null'",
            "servers.b.ca_file: the CA file contains no certificate",
        ),
        (
            "[servers.b]\nurl = 'http://a'\nmax_frame = '1KiB'",
            "servers.b.max_frame: 1KiB is out of bounds; use",
        ),
        ("[servers.b]\nurl = 'http://a'", "accounts.a.server: it is missing; name one of b, main"),
    ]);
    assert!(refused("")[0].starts_with("servers: there is no server; add [servers.NAME]"));
}

/// A webhook without a secret.
const HOOK: &str = "[sinks.h]\ntype = 'webhook'\nurl = 'http://127.0.0.1:1/'\n";

#[test]
fn mistakes_in_sinks() {
    assert_refused(&[
        (
            "[sinks.'h.retrying']\ntype = 'exec'\ncommand = ['x']",
            "sinks.h.retrying: the file of its dead letters would be taken for one of sink h; use a name that does",
        ),
        (
            "[sinks.'h']\ntype = 'exec'\ncommand = ['{account}']\n[accounts.'x.retrying']\ntoken = 'x'\nsinks = ['h']",
            "sinks.h@x.retrying: the file of its dead letters would be taken for one of sink h@x; use a name",
        ),
        ("[sinks.h]", "sinks.h.type: it is missing; write stdout, webhook, exec, file, nats or bot"),
        (
            "[sinks.h]\ntype = 'smtp'",
            "sinks.h.type: expected stdout, webhook, exec, file, nats or bot, found \"smtp\"; write",
        ),
        ("[sinks.h]\ntype = 'stdout'\nurl = 'http://a'", "sinks.h.url: there is no such key; remove it;"),
        ("[sinks.h]\ntype = 'file'", "sinks.h.path: it is missing; name the file that events are written to"),
        ("[sinks.h]\ntype = 'file'\npath = '/'", "sinks.h.path: / is a directory; name a file in it"),
        (
            "[sinks.h]\ntype = 'file'\npath = 'a'\nrotate_size = 1",
            "sinks.h.rotate_size: 1 is out of bounds; use 64KiB to 1024GiB",
        ),
        (
            "[sinks.h]\ntype = 'file'\npath = 'a'\n[sinks.i]\ntype = 'file'\npath = 'a'",
            "sinks.i.path: sink h also writes this file; use another file",
        ),
        ("[sinks.h]\ntype = 'exec'", "sinks.h.command: it is missing; name the program and its arguments"),
        ("[sinks.h]\ntype = 'exec'\ncommand = []", "sinks.h.command: it is empty; name the program"),
        (
            "[sinks.h]\ntype = 'exec'\ncommand = 3",
            "sinks.h.command: expected list of texts; write a list such",
        ),
        (
            "[sinks.h]\ntype = 'exec'\ncommand = ['x']\ndir = 'no/such'",
            "no/such is not a directory; use an existing directory",
        ),
        ("[sinks.'a b']\ntype = 'stdout'", "sinks: \"a b\" is not a valid name; use 1 to 128 letters"),
        ("[dead_letter]\nkeep = 0", "dead_letter.keep: 0 is out of bounds; use 1 to 1000"),
    ]);
}

#[test]
fn mistakes_in_filters() {
    assert_refused(&[
        (
            "[sinks.h]\ntype = 'stdout'\nevents = ['Posted!']",
            "sinks.h.events: \"Posted!\" is not an event name; use the server's names",
        ),
        (
            "[sinks.h]\ntype = 'stdout'\nchannel_types = ['privat']",
            "sinks.h.channel_types: \"privat\" is not a channel type; did you mean private?",
        ),
        (
            "[sinks.h]\ntype = 'stdout'\nchannel_types = ['x']",
            "\"x\" is not a channel type; write public, private, direct or group",
        ),
    ]);
}

#[test]
fn mistakes_in_webhooks() {
    let cases = [
        ("", "sinks.h: there is no secret; set secret_file, secret_env or secret"),
        (
            "secret = 'mustnotshow7dqm4q6zj3h5s9e'",
            "sinks.h.secret: the secret does not begin with whsec_; set",
        ),
        ("secret = 'whsec_x'", "sinks.h.secret: the text after whsec_ is not Base64;"),
        ("secret = 'whsec_c2hvcnQ='", "sinks.h.secret: the key has 5 bytes, not 24 to 64;"),
        (
            "secret_env = 'NO_SUCH'",
            "sinks.h.secret_env: the variable NO_SUCH is not set; set it to the webhook's",
        ),
        ("secret_file = 'whsec_c2hvcnQ='", "this looks like a secret rather than a path; set secret instead"),
        ("secret = 'whsec_x'\nsecret_env = 'X'", "sinks.h: secret_env and secret are set together;"),
    ];
    for (more, expected) in cases {
        let messages = refused(&format!("{GOOD}{HOOK}{more}\n"));
        assert!(
            messages.iter().any(|line| line.contains(expected)),
            "{more}\n{messages:#?}\nlacks {expected:?}"
        );
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
        let messages = refused(&format!("{GOOD}[sinks.h]\ntype = 'webhook'\nurl = '{url}'\n"));
        assert!(
            messages.iter().any(|line| line.starts_with(expected)),
            "{url}\n{messages:#?}\nlacks {expected:?}"
        );
    }
    let messages = refused(&format!("{GOOD}[sinks.h]\ntype = 'webhook'\n"));
    assert!(
        messages[0].starts_with("sinks.h.url: it is missing; write where the handler listens"),
        "{messages:?}"
    );
}

#[test]
fn mistakes_in_the_sinks_of_an_account() {
    let two = "[sinks.one]\ntype = 'stdout'\n[sinks.two]\ntype = 'stdout'\n";
    for (given, expected) in [
        ("", "accounts.a.sinks: it is missing; name one or more of one, two"),
        ("sinks = []", "accounts.a.sinks: it is empty; name one or more of one, two"),
        ("sinks = ['onne']", "accounts.a.sinks: there is no sink \"onne\"; did you mean one?"),
        ("sinks = ['x']", "accounts.a.sinks: there is no sink \"x\"; name one or more of one, two, or add"),
        ("sinks = ['one', 'one']", "accounts.a.sinks: \"one\" is listed twice; keep one of them"),
        ("sinks = 1", "accounts.a.sinks: expected list of texts; write a list such as"),
    ] {
        let messages = refused(&format!("{GOOD}{given}\n{two}"));
        assert_eq!(messages.len(), 1, "{messages:#?}");
        assert!(messages[0].starts_with(expected), "{messages:#?}\nlacks {expected:?}");
    }
}
