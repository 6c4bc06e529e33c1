//! The streams of facts and rows.

use std::{
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use serde_json::Value;

use super::host::{ANY_PORT, AdminHost, add_bot};
use crate::program::Fixture;

fn restart(host: &AdminHost, name: &str) {
    assert_eq!(host.post(&format!("/v1/accounts/{name}/restart")).status, 202);
}

fn start_two_accounts() -> AdminHost {
    let fixture = Fixture::new();
    let (_, section) = add_bot(&fixture, "alerts");
    let host = AdminHost::start(fixture, &format!("{section}{ANY_PORT}"));
    host.await_state("alerts", "ready");
    host.await_state("helpdesk", "ready");
    host
}

#[test]
fn facts_come_as_they_happen() {
    let host = AdminHost::ready("");
    let mut stream = host.stream("/v1/events", &[]);
    assert_eq!(stream.head.header("x-accel-buffering"), Some("no"));
    assert_eq!(stream.line().as_deref(), Some("retry: 2000"));
    restart(&host, "helpdesk");
    let closed = stream.wait_for_fact("closed");
    assert_eq!((&closed["account"], &closed["generation"]), (&"helpdesk".into(), &1.into()), "{closed}");
    assert_eq!(
        (&closed["reason"], &closed["level"]),
        (&"operator_restart".into(), &"info".into()),
        "{closed}"
    );
    let ready = stream.wait_for_fact("ready");
    assert_eq!(ready["generation"], 2);
    assert!(ready["took_ms"].is_u64() && ready["at"].as_str().unwrap().ends_with('Z'), "{ready}");
}

#[test]
fn a_listener_chooses_accounts_servers_facts_and_level() {
    let host = start_two_accounts();
    let mut of_one = host.stream("/v1/events?account=alerts,nobody&level=debug", &[]);
    let mut of_server = host.stream("/v1/events?server=main&level=debug", &[]);
    let mut one_fact = host.stream("/v1/events?fact=ready", &[]);
    let mut errors = host.stream("/v1/events?level=error", &[]);
    restart(&host, "helpdesk");
    assert_eq!(one_fact.next().unwrap().data["account"], "helpdesk");
    restart(&host, "alerts");
    let first = of_one.next().unwrap().data;
    assert_eq!((&first["account"], &first["fact"]), (&"alerts".into(), &"closed".into()));
    assert_eq!(of_one.wait_for_fact("connecting")["level"], "debug");
    let second = one_fact.next().unwrap().data;
    assert_eq!((&second["account"], &second["fact"]), (&"alerts".into(), &"ready".into()));
    host.fixture.simulator.stop_server();
    assert_eq!(of_server.next().unwrap().data["server"], "main");
    host.fixture.simulator.start_server().unwrap();
    drop(host);
    assert!(errors.next().is_none(), "there were no errors");
    for (query, expected) in [("level=loud", "error, warn, info"), ("fcat=ready", "fcat")] {
        let host = AdminHost::ready("");
        let detail = host.get(&format!("/v1/events?{query}")).problem(400);
        assert!(detail.contains(expected), "{detail}");
    }
}

#[test]
fn a_returning_client_gets_the_facts_that_it_missed() {
    let host = AdminHost::ready("");
    let mut stream = host.stream("/v1/events", &[]);
    restart(&host, "helpdesk");
    stream.wait_for_fact("closed");
    let last = stream.last.clone().unwrap();
    drop(stream);
    host.await_account("helpdesk", "again", |account| {
        account["generation"] == 2 && account["state"] == "ready"
    });
    let mut stream = host.stream("/v1/events?level=debug", &[("last-event-id", &last)]);
    let first = stream.next().unwrap();
    assert!(first.name == "fact" && first.data["fact"] != "closed", "{first:?}");
    let ready = stream.wait_for_fact("ready");
    assert_eq!(ready["generation"], 2);
    // After a restart of the program the id is unknown.
    let last = stream.last.clone().unwrap();
    drop(stream);
    let host = host.restart();
    host.await_state("helpdesk", "ready");
    let mut stream = host.stream("/v1/events", &[("last-event-id", &last)]);
    let gap = stream.next().unwrap();
    assert_eq!((gap.name.as_str(), &gap.data["missed"]), ("gap", &0.into()));
    assert_eq!(stream.wait_for_fact("ready")["generation"], 1, "all facts of this run follow");
}

#[test]
fn a_stream_without_matching_facts_sends_comments() {
    let mut host = AdminHost::ready("");
    let mut stream = host.stream("/v1/events?fact=tripped", &[]);
    assert_eq!(stream.line().as_deref(), Some("retry: 2000"));
    assert_eq!(stream.line().as_deref(), Some(""));
    let (stop, stopped) = channel::<()>();
    let api = host.api;
    // Produces filtered facts much more often than comments are sent.
    let resets = thread::spawn(move || {
        while stopped.recv_timeout(Duration::from_millis(500)) == Err(RecvTimeoutError::Timeout) {
            api.post("/v1/accounts/helpdesk/reset");
        }
    });
    assert_eq!(stream.line().as_deref(), Some(": still here"));
    drop(stop);
    resets.join().unwrap();
    host.running.log.wait_for_fact("budget_reset");
}

#[test]
fn a_watcher_gets_all_rows_and_then_changes() {
    let host = start_two_accounts();
    let mut stream = host.stream("/v1/watch", &[]);
    let instance = stream.next().unwrap();
    assert_eq!(instance.name, "instance");
    assert_eq!(instance.data["instance"], host.get("/v1/instance").json()["instance"]);
    let rows = stream.next().unwrap().data;
    assert_eq!(rows["snapshot"], true);
    assert_eq!(rows["accounts"].as_array().unwrap().len(), 2, "{rows}");
    restart(&host, "alerts");
    let row = stream.wait_for_row("alerts", |row| row["generation"] == 2);
    assert_eq!(row["last_ending"]["reason"], "operator_restart");
    // A second stream begins with the current rows.
    let mut other = host.stream("/v1/watch", &[]);
    assert_eq!(other.wait_for_row("alerts", |_| true)["generation"], 2);
    assert_eq!(host.post("/v1/accounts/alerts/stop").status, 202);
    for stream in [&mut stream, &mut other] {
        stream.wait_for_row("alerts", |row| row["state"] == "stopped");
    }
}

#[test]
fn a_watcher_gets_added_and_removed_accounts() {
    let host = start_two_accounts();
    let mut stream = host.stream("/v1/watch", &[]);
    stream.wait_for_row("alerts", |_| true);
    let file = "matterhost.toml";
    let both = std::fs::read_to_string(host.dir.path().join(file)).unwrap();
    let start = both.find("[accounts.alerts]").unwrap();
    let end = start + both[start..].find(ANY_PORT).unwrap();
    host.dir.write(file, &format!("{}{}", &both[..start], &both[end..]));
    let answer = host.post("/v1/reload");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let gone = |rows: &Value| rows["removed"].as_array().unwrap().contains(&"alerts".into());
    stream.wait_for("the removal", |event| event.name == "rows" && gone(&event.data));
    host.dir.write(file, &both);
    assert_eq!(host.post("/v1/reload").status, 200);
    stream.wait_for_row("alerts", |row| row["state"] == "ready");
}
