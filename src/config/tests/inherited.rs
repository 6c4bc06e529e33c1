//! What accounts inherit: keys, settings, and sinks with placeholders.

use std::time::Duration;

use super::{
    Dir,
    many_files::{SERVER, account, load, refused, token},
};

#[test]
fn accounts_inherit_what_they_leave_out() {
    let dir = Dir::new();
    let more = "[servers.other]\nurl = 'http://other.test'\n[sinks.x]\ntype = 'stdout'\n[sinks.y]\ntype = 'stdout'\n";
    let defaults =
        "[account_defaults]\nserver = 'main'\nsinks = ['x']\ntoken_file = 'tokens/{server}/{account}'\n";
    let accounts =
        format!("[accounts.a]\n[accounts.b]\nserver = 'other'\nsinks = ['x', 'y']\n{}", account("c", 3));
    let files = [("tokens/main/a", &*token(1)), ("tokens/other/b", &token(2))];
    let config = load(&dir, &format!("{SERVER}{more}{defaults}{accounts}"), &files).unwrap();
    let seen: Vec<_> = config
        .accounts
        .iter()
        .map(|it| (it.server.as_str(), it.sinks.len(), it.token_file.is_some()))
        .collect();
    assert_eq!(seen, [("main", 1, true), ("other", 2, true), ("main", 1, false)]);

    let many: Vec<_> = (0..50).map(|n| format!("[accounts.bot{n}]\n")).collect();
    let many = many.concat();
    let bad = defaults.replace("'x'", "'z'").replace("server = ", "sever = ").replace("tokens/", "no/");
    let messages = refused(&dir, &format!("{SERVER}{more}{bad}{many}"), &[]);
    let at_defaults: Vec<_> = messages.iter().filter(|line| line.starts_with("account_defaults.")).collect();
    assert_eq!(
        at_defaults.iter().filter(|line| line.contains("there is no sink \"z\"")).count(),
        1,
        "{messages:#?}"
    );
    assert_eq!(
        at_defaults.iter().filter(|line| line.contains("did you mean server?")).count(),
        1,
        "{messages:#?}"
    );
    let missing = messages.iter().find(|line| line.contains("/bot7: the file cannot be read")).unwrap();
    assert!(missing.starts_with("account_defaults.token_file: "), "{missing}");
}

#[test]
fn a_sink_with_a_placeholder_has_an_instance_for_each_account_or_server() {
    let dir = Dir::new();
    let sinks = "[sinks.log]\ntype = 'file'\npath = 'out/{account}.jsonl'\n\
                 [sinks.hook]\ntype = 'webhook'\nurl = 'http://127.0.0.1:1/{server}?x={y}'\nsecret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'\n\
                 [sinks.run]\ntype = 'exec'\ncommand = ['bot', '--name={account}', '{\"a\":1}']\n";
    let text = format!(
        "{SERVER}{sinks}[account_defaults]\nsinks = ['log', 'hook']\n{}{}{}sinks = ['run']\n",
        account("a", 1),
        account("b", 2),
        account("c", 3)
    );
    let config = load(&dir, &text, &[]).unwrap();
    let sinks: Vec<_> = config.sinks.iter().map(|sink| &*sink.name).collect();
    assert_eq!(sinks, ["hook@main", "log@a", "log@b", "run@c"]);
    let of = |n: usize| config.accounts[n].sinks.iter().map(|sink| &**sink).collect::<Vec<_>>();
    assert_eq!(
        [of(0), of(1), of(2)],
        [vec!["log@a", "hook@main"], vec!["log@b", "hook@main"], vec!["run@c"]]
    );
    let shown = format!("{:?}", config.sinks);
    for part in ["out/a.jsonl", "out/b.jsonl", "--name=c", "{\\\"a\\\":1}"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);

    let bad = text.replace("'file'\n", "'file'\nrotate_keep = 0\n");
    let messages = refused(&dir, &bad, &[]);
    assert_eq!(messages.len(), 1, "once, not for each instance: {messages:#?}");
    let unused = text.replace("sinks = ['run']", "sinks = ['log']");
    let config = load(&dir, &unused, &[]).unwrap();
    assert!(
        config.warnings[0].to_string().starts_with("sinks.run: no account names it"),
        "{:?}",
        config.warnings
    );
}

#[test]
fn a_server_and_an_account_have_settings_of_their_own() {
    let dir = Dir::new();
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let text = format!(
        "[health]\npoll_interval = '1m'\nping_timeout = '1m'\n{SERVER}[servers.other]\nurl = 'http://other.test'\n\
         [servers.other.health]\npoll_interval = '2m'\n[account_defaults]\nserver = 'main'\n{}{}server = 'other'\n\
         {}server = 'other'\n[accounts.c.health]\npoll_interval = '3m'\n[accounts.c.restart]\nmax_restarts = 4\n",
        account("a", 1),
        account("b", 2),
        account("c", 3)
    );
    let config = load(&dir, &text, &[]).unwrap();
    let own = |n: usize| config.accounts[n].settings.as_deref();
    assert_eq!(own(0), None, "the host's");
    let intervals = |n: usize| own(n).map(|own| (own.health.poll_interval, own.health.ping_limits.timeout));
    assert_eq!(
        [intervals(1), intervals(2)],
        [Some((minutes(2), minutes(1))), Some((minutes(3), minutes(1)))]
    );
    assert_eq!(own(2).unwrap().restart.settings().max_restarts, 4);
    assert_eq!(own(1).unwrap().restart, config.host.restart);

    let with_defaults =
        text.replace("[account_defaults]", "[account_defaults.replies]\ndeadline = '7m'\n[account_defaults]");
    let config = load(&dir, &with_defaults, &[]).unwrap();
    let deadlines: Vec<_> =
        config.accounts.iter().map(|it| it.settings.as_ref().unwrap().replies.deadline).collect();
    assert_eq!(deadlines, [minutes(7); 3]);
    assert_eq!(config.accounts[1].settings.as_ref().unwrap().health.poll_interval, minutes(2));
}

#[test]
fn mistakes_in_own_settings_are_reported_where_they_are() {
    let dir = Dir::new();
    let text = format!(
        "[health]\npol = true\n{SERVER}health = 5\n{}[accounts.a.health]\npoll_interval = '1ms'\n[accounts.a.replies]\nloop_limit = 3\n\
         [accounts.a.restart]\nwithin = '1m'\n[accounts.b]\n[accounts.b.delivery]\nqueu = 1\n[accounts.a.audit]\nenabled = true\n",
        account("a", 1)
    );
    let messages = refused(&dir, &text, &[]);
    for expected in [
        "health.pol: there is no such key; did you mean poll? (matterhost.toml:2)",
        "servers.main.health: this is a table, not a value; write [servers.main.health] and its keys below (matterhost.toml:5)",
        "accounts.a.health.poll_interval: 1ms is out of bounds; use 1s to 1h (matterhost.toml:9)",
        "accounts.a.replies.loop_limit: it holds for all accounts of the host; set it in [replies] (matterhost.toml:11)",
        "accounts.a.restart.within: this budget could never trip",
        "accounts.b: there is no token;",
        "accounts.b.delivery.queu: there is no such key; did you mean queue? (matterhost.toml:16)",
        "accounts.a.audit: there is no such key;",
    ] {
        assert!(messages.iter().any(|line| line.starts_with(expected)), "{expected} in {messages:#?}");
    }
    assert_eq!(messages.len(), 8, "each once: {messages:#?}");
}
