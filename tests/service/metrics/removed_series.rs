//! Sinks, accounts and servers that were removed leave no series behind.

use std::{
    thread,
    time::{Duration, Instant},
};

use matterhost::telemetry::metrics::{Format, Metrics};
use matterhost_actors::{
    model::{Fact, ServerName, ServerSnapshot},
    ports::Outcome,
};

use super::{
    get,
    sample::{a_server, observation},
    scrape_with,
};
use crate::program::{ConfigDir, DEADLINE, Fixture, RunningProgram};

/// Returns the series with this label.
fn with_label(metrics: &Metrics, label: &str, servers: &[ServerSnapshot]) -> Vec<String> {
    let text = metrics.render(Format::Prometheus, Vec::new(), servers.to_vec());
    text.lines().filter(|line| line.contains(label)).map(str::to_owned).collect()
}

#[test]
fn a_removed_sink_loses_its_series_with_its_last_event() {
    let metrics = Metrics::new(true);
    let current_series = || with_label(&metrics, "sink=\"hook\"", &[]);
    let unanswered = |events: u8| format!("matterhost_sink_unanswered_events{{sink=\"hook\"}} {events}");
    let sink = metrics.sink_meter("hook");
    sink.record_lost();
    let timer = sink.start();
    drop(sink);
    assert!(current_series().contains(&unanswered(1)), "{:?}", current_series());
    timer.finish(&Outcome::Acknowledged);
    assert_eq!(current_series(), Vec::<String>::new());
    let _another = metrics.sink_meter("hook");
    let lost = "matterhost_sink_lost_events_total{sink=\"hook\"} 0".to_owned();
    assert!(
        current_series().contains(&unanswered(0)) && current_series().contains(&lost),
        "{:?}",
        current_series()
    );
}

#[test]
fn a_replacement_sink_continues_the_counters() {
    let metrics = Metrics::new(true);
    let before = metrics.sink_meter("hook");
    before.record_lost();
    let after = metrics.sink_meter("hook");
    drop(before);
    let lost = || with_label(&metrics, "lost_events_total{sink=\"hook\"}", &[]);
    assert_eq!(lost(), ["matterhost_sink_lost_events_total{sink=\"hook\"} 1"]);
    after.record_lost();
    assert_eq!(lost(), ["matterhost_sink_lost_events_total{sink=\"hook\"} 2"]);
}

#[test]
fn a_removed_server_loses_its_series_and_late_counts_are_dropped() {
    let metrics = Metrics::new(true);
    let tally = metrics.request_stats(&ServerName::new("main").unwrap());
    let ready = || observation("bot", Fact::Ready { after: Duration::from_secs(1) });
    metrics.observe(&ready());
    let current_series = |servers: &[ServerSnapshot]| with_label(&metrics, "server=\"main\"", servers);
    let (hosted, leaving) = (current_series(&[a_server()]), current_series(&[]));
    let ready_once = "matterhost_facts_total{server=\"main\",fact=\"ready\"} 1".to_owned();
    for series in [&hosted, &leaving] {
        assert!(series.contains(&ready_once), "its last requests are still counted: {series:?}");
    }
    drop(tally);
    assert!(current_series(&[a_server()]).contains(&ready_once));
    assert_eq!(current_series(&[]), Vec::<String>::new());
    metrics.observe(&ready());
    assert_eq!(current_series(&[]), Vec::<String>::new());
}

/// Returns a configuration that hosts the bot and, optionally, another account with its own server and sink.
fn config(fixture: &Fixture, with_spare: bool) -> String {
    let (url, token) = (fixture.simulator.url(), &fixture.person.token);
    let spare = format!(
        "[servers.spare]\nurl = \"{url}\"\n[sinks.archive]\ntype = \"file\"\npath = \"archive.jsonl\"\n\
         [accounts.spare]\nserver = \"spare\"\ntoken = \"{token}\"\nsinks = [\"archive\"]\n"
    );
    let stays =
        fixture.config().replace("helpdesk]\n", "helpdesk]\nserver = \"main\"\nsinks = [\"stdout\"]\n");
    let rest = "[sinks.stdout]\ntype = \"stdout\"\n[admin]\nbind = \"127.0.0.1:0\"\nallow_anonymous = true\n";
    format!("{stays}{rest}{}", if with_spare { &spare } else { "" })
}

#[test]
fn series_removed_by_a_reload_are_not_scraped() {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&config(&fixture, true));
    let mut running = RunningProgram::start(dir.matterhost(&["run"]));
    let admin =
        running.log.wait_for_json("the admin API", |line| line["message"] == "the admin API is listening");
    let address = admin["url"].as_str().unwrap().trim_start_matches("http://").trim_end_matches('/');
    let begun = "matterhost_connect_seconds_count{server=\"spare\"} 1\n";
    scrape_with(address, &[begun, "matterhost_sink_seconds_count{sink=\"archive\""]);
    dir.write("matterhost.toml", &config(&fixture, false));
    running.signal("HUP");
    running.log.wait_for_line("the configuration was reloaded");
    let end = Instant::now() + DEADLINE;
    loop {
        let answer = get(address, "*/*");
        let left: Vec<_> =
            answer.lines().filter(|line| line.contains("spare") || line.contains("archive")).collect();
        if left.is_empty() {
            assert!(answer.contains("matterhost_sink_seconds_count{sink=\"stdout\""), "{answer}");
            return;
        }
        assert!(Instant::now() < end, "{left:#?}");
        thread::sleep(Duration::from_millis(20));
    }
}
