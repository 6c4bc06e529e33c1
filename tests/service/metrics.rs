//! The metrics: what a scraper gets, and that the page about them tells the truth.

mod full;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use matterhost::metrics::{Format, Metrics};
use matterhost_actors::model::{AccountName, Fact, ServerName};

use self::full::{Full, account, observation};
use crate::{program::text, promtool::promtool};

/// A name's type, unit and labels.
type Families = BTreeMap<String, (String, String, BTreeSet<String>)>;

/// What a text has, by name; the labels are those of all series together.
fn families(text: &str) -> Families {
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

/// The unit that a name ends with.
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
        let text = Full::new(per_account).render(Format::Prometheus);
        let judged = promtool(&["check", "metrics"], Path::new("."), &text);
        let said = self::text(&judged.stdout) + &self::text(&judged.stderr);
        assert!(judged.status.success() && said.trim().is_empty(), "{said}\n{text}");
    }
}

#[test]
fn the_page_has_each_metric_as_it_is_and_no_other() {
    let page = fs::read_to_string("docs/METRICS.md").unwrap();
    let mut told = Families::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, unit, labels, meaning] = cells[..] else { panic!("{line}") };
        assert!(meaning.len() > 10, "{line}");
        let labels = labels.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        told.insert(name.trim_matches('`').to_owned(), (kind.to_owned(), unit.to_owned(), labels));
    }
    let found = families(&Full::new(true).render(Format::Prometheus));
    for (name, is) in &found {
        assert_eq!(told.get(name), Some(is), "docs/METRICS.md: {name}");
    }
    assert_eq!(told.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
}

#[test]
fn without_series_for_each_account_no_account_is_named_and_its_server_has_all_else() {
    let full = Full::new(false).render(Format::Prometheus);
    assert!(!full.contains("account="), "{full}");
    let (shared, own) = (families(&full), families(&Full::new(true).render(Format::Prometheus)));
    let left_out: Vec<_> = own.keys().filter(|name| !shared.contains_key(*name)).collect();
    assert!(left_out.iter().all(|name| name.starts_with("matterhost_account_")), "{left_out:?}");
    // Two accounts: the least that is left, all that waits.
    assert!(full.contains("matterhost_restart_budget_left{server=\"main\"} 1\n"), "{full}");
    assert!(full.contains("matterhost_queued_frames{server=\"main\"} 7\n"), "{full}");
}

#[test]
fn open_metrics_has_units_and_an_end() {
    let text = Full::new(true).render(Format::OpenMetrics);
    assert!(text.ends_with("\n# EOF\n") && text.matches("# EOF").count() == 1);
    for (name, (_, unit, _)) in families(&Full::new(true).render(Format::Prometheus)) {
        let name = name.trim_end_matches("_total");
        let line = format!("# UNIT {name} {unit}\n");
        assert_eq!(text.contains(&line), unit != "–", "{line}");
    }
}

#[test]
fn what_an_account_had_goes_with_it_and_what_its_server_had_stays() {
    for per_account in [true, false] {
        let metrics = Metrics::new(per_account);
        let (gone, stays) = (account("gone", 1), account("stays", 5));
        let truncated = |name| observation(name, full::truncated());
        metrics.observe(&truncated("gone"));
        metrics.observe(&truncated("stays"));
        let before = metrics.render(Format::Prometheus, vec![gone, stays.clone()], Vec::new());
        assert_eq!(before.contains("account=\"gone\""), per_account);
        metrics.observe(&observation("gone", Fact::Removed));
        let after = metrics.render(Format::Prometheus, vec![stays], Vec::new());
        assert!(!after.contains("account=\"gone\""), "{after}");
        let left =
            if per_account { "{account=\"stays\",server=\"main\"} 1\n" } else { "{server=\"main\"} 2\n" };
        assert!(after.contains(&format!("matterhost_catch_up_truncations_total{left}")), "{after}");
        assert!(after.contains("matterhost_facts_total{server=\"main\",fact=\"catch_up_truncated\"} 2\n"));
    }
}

#[test]
fn an_account_that_is_added_is_counted_before_anybody_sees_it() {
    let metrics = Metrics::new(true);
    let (name, server) = (AccountName::new("new").unwrap(), ServerName::new("main").unwrap());
    let meter = metrics.events_of(&name, &server);
    // Somebody looks before the Supervisor has it.
    metrics.render(Format::Prometheus, Vec::new(), Vec::new());
    meter.settled(&full::event("new", "posted"));
    let text = metrics.render(Format::Prometheus, vec![account("new", 5)], Vec::new());
    let series = "matterhost_events_total{account=\"new\",server=\"main\",type=\"posted\"} 1\n";
    assert!(text.contains(series), "{text}");
}

#[tokio::test]
async fn what_came_too_fast_is_counted_as_missed() {
    let metrics = Metrics::new(true);
    let (sender, receiver) = tokio::sync::broadcast::channel(2);
    for _ in 0..5 {
        sender.send(std::sync::Arc::new(observation("bot", Fact::Connecting))).unwrap();
    }
    drop(sender);
    metrics.clone().watch(receiver).await;
    let text = metrics.render(Format::Prometheus, Vec::new(), Vec::new());
    assert!(text.contains("matterhost_facts_missed_total 3\n"), "{text}");
    assert!(text.contains("matterhost_facts_total{server=\"main\",fact=\"connecting\"} 2\n"), "{text}");
}
