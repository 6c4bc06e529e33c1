//! The metrics that a scraper receives, compared with their page.

mod removed_series;
pub(crate) mod sample;
mod unready_accounts;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use matterhost::telemetry::metrics::{Format, Metrics};
use matterhost_actors::model::{AccountName, Fact, ServerName};

use self::sample::{SampleMetrics, a_server, account, observation};
use crate::{
    program::{ConfigDir, DEADLINE, Fixture, RunningProgram, text},
    promtool::promtool,
};

/// Metric families by name: type, unit and labels.
pub(crate) type Families = BTreeMap<String, (String, String, BTreeSet<String>)>;

/// Returns the metric families of a text; the labels are those of all its series together.
pub(crate) fn families(text: &str) -> Families {
    let mut families = Families::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            families.insert(name.to_owned(), (kind.to_owned(), unit(name).to_owned(), BTreeSet::new()));
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let name = of_histogram.filter(|name| families.contains_key(*name)).unwrap_or(name);
            families.get_mut(name).unwrap_or_else(|| panic!("{name} has no type")).2.extend(labels(line));
        }
    }
    families
}

/// Returns the unit at the end of a name.
fn unit(name: &str) -> &str {
    let base = name.trim_end_matches("_total");
    ["seconds", "bytes"].into_iter().find(|unit| base.ends_with(unit)).unwrap_or("–")
}

fn labels(line: &str) -> Vec<String> {
    let Some((_, rest)) = line.split_once('{') else { return Vec::new() };
    let keys = rest.rsplit_once('}').unwrap().0.split("\",").filter_map(|label| label.split_once('='));
    keys.map(|(key, _)| key.to_owned()).filter(|key| key != "le").collect()
}

#[test]
fn promtool_finds_nothing_wrong() {
    for per_account in [true, false] {
        let text = SampleMetrics::new(per_account).render(Format::Prometheus);
        let judged = promtool(&["check", "metrics"], Path::new("."), &text);
        let complaints = self::text(&judged.stdout) + &self::text(&judged.stderr);
        assert!(judged.status.success() && complaints.trim().is_empty(), "{complaints}\n{text}");
    }
}

#[test]
fn the_page_has_each_metric_as_it_is_and_no_other() {
    let page = fs::read_to_string("docs/METRICS.md").unwrap();
    let mut documented = Families::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, unit, labels, meaning] = cells[..] else { panic!("{line}") };
        assert!(meaning.len() > 10, "{line}");
        let labels = labels.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        documented.insert(name.trim_matches('`').to_owned(), (kind.to_owned(), unit.to_owned(), labels));
    }
    let found = families(&SampleMetrics::new(true).render(Format::Prometheus));
    for (name, is) in &found {
        assert_eq!(documented.get(name), Some(is), "docs/METRICS.md: {name}");
    }
    assert_eq!(documented.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
}

#[test]
fn without_series_for_each_account_no_account_is_named_and_its_server_has_all_else() {
    let full = SampleMetrics::new(false).render(Format::Prometheus);
    assert!(!full.contains("account="), "{full}");
    let (shared, own) = (families(&full), families(&SampleMetrics::new(true).render(Format::Prometheus)));
    let left_out: Vec<_> = own.keys().filter(|name| !shared.contains_key(*name)).collect();
    assert!(left_out.iter().all(|name| name.starts_with("matterhost_account_")), "{left_out:?}");
    // The minimum and the sum over two accounts.
    assert!(full.contains("matterhost_restart_budget_left{server=\"main\"} 1\n"), "{full}");
    assert!(full.contains("matterhost_queued_frames{server=\"main\"} 7\n"), "{full}");
}

#[test]
fn open_metrics_has_units_and_an_end() {
    let text = SampleMetrics::new(true).render(Format::OpenMetrics);
    assert!(text.ends_with("\n# EOF\n") && text.matches("# EOF").count() == 1);
    for (name, (_, unit, _)) in families(&SampleMetrics::new(true).render(Format::Prometheus)) {
        let name = name.trim_end_matches("_total");
        let line = format!("# UNIT {name} {unit}\n");
        assert_eq!(text.contains(&line), unit != "–", "{line}");
    }
}

#[test]
fn a_removed_account_loses_its_series_and_its_server_keeps_them() {
    for per_account in [true, false] {
        let metrics = Metrics::new(per_account);
        let (gone, stays) = (account("gone", 1), account("stays", 5));
        let truncated = |name| observation(name, sample::truncated());
        metrics.observe(&truncated("gone"));
        metrics.observe(&truncated("stays"));
        let before = metrics.render(Format::Prometheus, vec![gone, stays.clone()], vec![a_server()]);
        assert_eq!(before.contains("account=\"gone\""), per_account);
        metrics.observe(&observation("gone", Fact::Removed));
        let after = metrics.render(Format::Prometheus, vec![stays], vec![a_server()]);
        assert!(!after.contains("account=\"gone\""), "{after}");
        let left =
            if per_account { "{account=\"stays\",server=\"main\"} 1\n" } else { "{server=\"main\"} 2\n" };
        assert!(after.contains(&format!("matterhost_catch_up_truncations_total{left}")), "{after}");
        assert!(after.contains("matterhost_facts_total{server=\"main\",fact=\"catch_up_truncated\"} 2\n"));
    }
}

#[test]
fn an_added_account_is_counted_before_it_is_visible() {
    let metrics = Metrics::new(true);
    let (name, server) = (AccountName::new("new").unwrap(), ServerName::new("main").unwrap());
    let meter = metrics.event_meter(&name, &server);
    // A scrape before the Supervisor has the account.
    metrics.render(Format::Prometheus, Vec::new(), Vec::new());
    meter.record(&sample::event("new", "posted"));
    let text = metrics.render(Format::Prometheus, vec![account("new", 5)], Vec::new());
    let series = "matterhost_events_total{account=\"new\",server=\"main\",type=\"posted\"} 1\n";
    assert!(text.contains(series), "{text}");
}

#[tokio::test]
async fn observations_missed_by_the_metrics_are_counted() {
    let metrics = Metrics::new(true);
    let (sender, receiver) = tokio::sync::broadcast::channel(2);
    for _ in 0..5 {
        sender.send(std::sync::Arc::new(observation("bot", Fact::Connecting))).unwrap();
    }
    drop(sender);
    metrics.clone().watch(receiver).await;
    let text = metrics.render(Format::Prometheus, Vec::new(), vec![a_server()]);
    assert!(text.contains("matterhost_facts_missed_total 3\n"), "{text}");
    assert!(text.contains("matterhost_facts_total{server=\"main\",fact=\"connecting\"} 2\n"), "{text}");
}

/// Starts the program with a further line of its `[log]`, and returns it with its directory and the address of its metrics.
fn start_program(fixture: &Fixture, log: &str) -> (ConfigDir, RunningProgram, String) {
    let admin = "[admin]\nbind = \"127.0.0.1:0\"\nallow_anonymous = true\n";
    let dir = ConfigDir::with(&format!("{}{log}{admin}", fixture.config()));
    let mut running = RunningProgram::start(dir.matterhost(&["run"]));
    let admin =
        running.log.wait_for_json("the admin API", |line| line["message"] == "the admin API is listening");
    let address = admin["url"].as_str().unwrap().trim_start_matches("http://").trim_end_matches('/');
    let address = address.to_owned();
    (dir, running, address)
}

#[test]
fn probes_are_counted_and_logged_though_they_wake_no_thread() {
    let fixture = Fixture::new();
    let (_dir, mut running, address) = start_program(&fixture, "level = \"matterhost=trace\"\n");
    running.log.wait_for_fact("probe_good");
    let text = scrape_with(&address, &["matterhost_probe_seconds_count{server=\"main\"} "]);
    assert!(!text.contains("matterhost_probe_seconds_count{server=\"main\"} 0\n"), "{text}");
}

#[test]
fn a_scraper_gets_the_programs_counters() {
    let fixture = Fixture::new();
    let (_dir, mut running, address) = start_program(&fixture, "");
    running.log.wait_for_fact("ready");
    fixture.post("one");
    running.events.wait_for_post("one");
    let text = scrape_with(
        &address,
        &[
            "matterhost_accounts{server=\"main\",state=\"ready\"} 1\n",
            "matterhost_account_generation{account=\"helpdesk\",server=\"main\"} 1\n",
            "matterhost_events_total{account=\"helpdesk\",server=\"main\",type=\"posted\"} 1\n",
            "matterhost_server_up{server=\"main\"} 1\n",
            "matterhost_connect_seconds_count{server=\"main\"} 1\n",
            "matterhost_rest_requests_total{server=\"main\",method=\"GET\",route=\"/users/me\",status=\"200\"} ",
            "matterhost_gate_waits_total{server=\"main\",class=\"connect\"} ",
            "matterhost_dials_total{server=\"main\",status=\"101\"} 1\n",
            "matterhost_sink_seconds_count{sink=\"stdout\",outcome=\"acknowledged\"} ",
        ],
    );
    for secret in [&fixture.bot.token, &fixture.bot.user_id, &fixture.channel] {
        assert!(!text.contains(secret.as_str()), "{secret} in\n{text}");
    }
    let judged = promtool(&["check", "metrics"], Path::new("."), &text);
    assert!(judged.status.success() && judged.stderr.is_empty(), "{}", self::text(&judged.stderr));
    let open = get(&address, "application/openmetrics-text;version=1.0.0");
    assert!(open.contains("application/openmetrics-text") && open.ends_with("# EOF\n"), "{open}");
}

/// Scrapes, accepting any format, until the answer contains all of these series: counts lag behind observed events.
pub(crate) fn scrape_with(address: &str, series: &[&str]) -> String {
    let end = Instant::now() + DEADLINE;
    loop {
        let answer = get(address, "*/*");
        assert!(answer.contains("\r\ncontent-type: text/plain; version=0.0.4"), "{answer}");
        let Some(missing) = series.iter().find(|series| !answer.contains(**series)) else {
            return answer.split_once("\r\n\r\n").unwrap().1.to_owned();
        };
        assert!(Instant::now() < end, "{missing} in\n{answer}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Returns the whole answer to one request.
fn get(address: &str, accept: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let head =
        format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
