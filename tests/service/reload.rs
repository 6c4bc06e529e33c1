//! Changes while `matterhost run` runs: of its configuration at SIGHUP, and of token files without a signal.

mod directories;
mod files;
mod fixture;
mod resources;
mod stress;

use self::fixture::{BotConfig, MultiBotFixture, await_post, file, log_until, messages, posts, reload};
use crate::program::{ConfigDir, RunningProgram};

#[test]
fn a_hangup_applies_changes_and_keeps_other_connections() {
    let fixture = MultiBotFixture::with(&["anna", "bert", "carl", "dora"], 1);
    let (dir, mut plan) = (ConfigDir::with(""), fixture.plan());
    let dora = plan.bots.remove("dora").unwrap();
    let mut running = plan.start(&dir);
    // Carl is removed, Dora is added, Bert gets another file sink, and Anna is unchanged.
    plan.bots.remove("carl");
    plan.bots.insert("dora".into(), dora);
    plan.section("sinks.other", &file("other"));
    plan.bots.get_mut("bert").unwrap().sinks = vec!["other".into()];
    plan.section("health", "poll_interval = \"20s\"");
    plan.section("host", "arbiters = 3");
    plan.write(&dir);
    let log = reload(&mut running);
    let arbiters = "[host]: arbiters changed; it applies from the next start of the process";
    let expected = [
        "sink other is added",
        "account carl is removed",
        "account bert: sinks changed",
        "account dora is added",
    ];
    let log = messages(&log);
    for change in expected.into_iter().chain(["[health]: poll_interval changed", arbiters]) {
        assert!(log.contains(&change), "{change}: {log:#?}");
    }
    fixture.await_sockets(&["anna", "bert", "dora"]);
    let id = fixture.post("hello");
    for (bot, file) in [("anna", "archive"), ("bert", "other"), ("dora", "archive")] {
        await_post(&dir, file, bot, &id);
    }
    assert_eq!(
        (fixture.sockets("anna"), fixture.sockets("bert")),
        ((1, 1), (1, 1)),
        "the sockets are unchanged"
    );
    assert_eq!(fixture.sockets("carl").1, 0);
    assert_eq!(posts(&dir, "archive").len() + posts(&dir, "other").len(), 3);
}

#[test]
fn an_invalid_configuration_changes_nothing_and_is_reported_at_once() {
    let fixture = MultiBotFixture::with(&["anna", "bert"], 1);
    let (dir, plan) = (ConfigDir::with(""), fixture.plan());
    let mut running = plan.start(&dir);
    let mut bad = plan.clone();
    bad.bots.remove("anna");
    bad.bots.get_mut("bert").unwrap().sinks = vec!["nowhere".into()];
    bad.section("restart", "witin = \"1m\"");
    bad.write(&dir);
    running.signal("HUP");
    let log = log_until(&mut running, "the configuration is invalid; nothing was changed");
    let errors: Vec<_> = log.iter().filter(|line| line["level"] == "ERROR").collect();
    let mut keys: Vec<_> = errors.iter().filter_map(|line| line["key"].as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["accounts.bert.sinks", "restart.witin"], "{log:#?}");
    // A sink that cannot be started is also detected before any change.
    let mut worse = plan.clone();
    worse.bots.remove("anna");
    worse.section("sinks.archive", "type = \"file\"\npath = \"gone/archive.jsonl\"");
    worse.write(&dir);
    running.signal("HUP");
    let log = log_until(&mut running, "the configuration is invalid; nothing was changed");
    assert!(log.iter().any(|line| line["key"] == "sinks.archive"), "{log:#?}");
    let id = fixture.post("still here");
    for bot in ["anna", "bert"] {
        await_post(&dir, "archive", bot, &id);
        assert_eq!(fixture.sockets(bot), (1, 1));
    }
    plan.write(&dir);
    let log = reload(&mut running);
    assert_eq!(messages(&log), ["the configuration was reloaded"], "the configuration has not changed");
}

#[test]
fn a_server_that_is_elsewhere_takes_its_accounts_along_and_another_rate_does_not() {
    let fixture = MultiBotFixture::with(&["anna", "bert"], 1);
    let (dir, mut plan) = (ConfigDir::with(""), fixture.plan());
    let url = |host: &str| format!("url = \"http://{host}:{}\"\n", fixture.simulator.address().port());
    plan.section("servers.door", &(url("127.0.0.1") + "requests_per_second = 900"));
    plan.bots.get_mut("bert").unwrap().server = "door".into();
    let mut running = plan.start(&dir);
    plan.section("servers.door", &(url("127.0.0.1") + "requests_per_second = 800\nrequest_timeout = \"9s\""));
    plan.write(&dir);
    reload(&mut running);
    plan.section("servers.door", &(url("localhost") + "requests_per_second = 800\nrequest_timeout = \"9s\""));
    plan.write(&dir);
    reload(&mut running);
    ready(&mut running, "bert");
    assert_eq!((fixture.sockets("anna"), fixture.sockets("bert")), ((1, 1), (2, 1)));
    // The server without accounts is removed.
    plan.sections.remove("servers.door");
    plan.bots.get_mut("bert").unwrap().server = "main".into();
    plan.write(&dir);
    let log = reload(&mut running);
    assert!(messages(&log).contains(&"server door is removed"), "{log:#?}");
    ready(&mut running, "bert");
    let id = fixture.post("hello");
    await_post(&dir, "archive", "bert", &id);
    assert_eq!((fixture.sockets("anna"), fixture.sockets("bert")), ((1, 1), (3, 1)));
}

/// Waits until an account is ready again.
fn ready(running: &mut RunningProgram, bot: &str) {
    running.log.wait_for_json("ready", |line| line["fact"] == "ready" && line["account"] == bot);
}

#[test]
fn a_child_is_replaced_when_it_has_answered_and_no_child_is_left() {
    let fixture = MultiBotFixture::with(&["anna"], 1);
    let (dir, mut plan) = (ConfigDir::with(""), fixture.plan());
    dir.write("handler.py", HANDLER);
    let child = |file: &str| {
        format!("type = \"exec\"\ncommand = [\"python3\", \"handler.py\", \"{file}\"]\npass_env = [\"PATH\"]")
    };
    plan.section("sinks.child", &child("one.jsonl"));
    plan.bots.get_mut("anna").unwrap().sinks = vec!["child".into()];
    plan.sections.remove("sinks.archive");
    let mut running = plan.start(&dir);
    let first = fixture.post("to the first");
    await_post(&dir, "one", "anna", &first);
    let slow: Vec<_> = (0..3).map(|n| fixture.post(&format!("slow {n}"))).collect();
    plan.section("sinks.child", &child("two.jsonl"));
    plan.write(&dir);
    reload(&mut running);
    let last = fixture.post("to the second");
    await_post(&dir, "two", "anna", &last);
    let received: Vec<_> =
        ["one", "two"].into_iter().flat_map(|file| posts(&dir, file)).map(|(_, id)| id).collect();
    let posted: Vec<_> = [first].into_iter().chain(slow).chain([last]).collect();
    assert_eq!(received, posted, "each post once, in order");
    resources::await_children(running.id(), 1);
    assert_eq!(fixture.sockets("anna"), (1, 1));
}

/// A handler that answers slow events late.
const HANDLER: &str = r#"
import json, sys, time
out = open(sys.argv[1], "a", buffering=1)
for line in sys.stdin:
    event = json.loads(line)
    if "slow" in line:
        time.sleep(0.2)
    out.write(line)
    print(json.dumps({"ack": event["id"], "source": event["source"]}), flush=True)
"#;

#[test]
fn an_account_gets_a_second_sink_and_loses_it_again() {
    let fixture = MultiBotFixture::with(&["anna"], 1);
    let (dir, mut plan) = (ConfigDir::with(""), fixture.plan());
    let mut running = plan.start(&dir);
    let one = fixture.post("one");
    await_post(&dir, "archive", "anna", &one);
    let alone = plan.clone();
    plan.section("sinks.second", &(file("second") + "\nmentions_only = true"));
    let BotConfig { sinks, .. } = plan.bots.get_mut("anna").unwrap();
    sinks.push("second".into());
    plan.write(&dir);
    reload(&mut running);
    let (two, mention) = (fixture.post("two"), fixture.post("@anna look"));
    await_post(&dir, "second", "anna", &mention);
    // Only its filter differs.
    plan.section("sinks.second", &file("second"));
    plan.write(&dir);
    reload(&mut running);
    let three = fixture.post("three");
    await_post(&dir, "second", "anna", &three);
    alone.write(&dir);
    reload(&mut running);
    let four = fixture.post("four");
    await_post(&dir, "archive", "anna", &four);
    let ids = |file: &str| posts(&dir, file).into_iter().map(|(_, id)| id).collect::<Vec<_>>();
    assert_eq!(ids("archive"), [one, two, mention.clone(), three.clone(), four]);
    assert_eq!(ids("second"), [mention, three]);
    assert_eq!(fixture.sockets("anna"), (1, 1));
}
