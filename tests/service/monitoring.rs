//! The dashboard and the alerts use existing metrics and valid queries, and each alert fires in a test.

use std::{fs, path::Path};

use matterhost::telemetry::metrics::Format;
use serde_json::Value;

use crate::{
    metrics::{Families, families, sample::SampleMetrics},
    program::{ConfigDir, text},
    promtool::promtool,
};

const ALERTS: &str = "docs/deploy/prometheus";

/// Labels that Prometheus adds to all series, and the label of histograms.
const LABELS_OF_ALL: [&str; 3] = ["instance", "job", "le"];

/// Runs promtool in the directory of the alerts. Panics with its output if it fails.
fn run_promtool(args: &[&str], dir: &Path) {
    let judged = promtool(args, dir, "");
    assert!(judged.status.success(), "{}{}", text(&judged.stdout), text(&judged.stderr));
}

/// Panics if a query uses an unknown metric or label.
fn check_names(query: &str, known: &Families) {
    let mut named = 0;
    for (at, word) in words(query) {
        if !["matterhost_", "process_"].iter().any(|prefix| word.starts_with(prefix)) {
            continue;
        }
        named += 1;
        let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
        let family = known.get(word).or_else(|| known.get(histogram?));
        let Some((.., labels)) = family else {
            panic!("there is no metric {word}, but this query uses it:\n{query}")
        };
        for label in labels_used(&query[at + word.len()..]) {
            let is_known = labels.contains(label) || LABELS_OF_ALL.contains(&label);
            assert!(is_known, "{word} has no label {label}, but this query uses it:\n{query}");
        }
    }
    assert!(named > 0, "this query uses no metric:\n{query}");
}

/// Returns the words of a query with their offsets.
fn words(query: &str) -> Vec<(usize, &str)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = query[at..].find(is_word).map(|start| at + start) {
        let end = query[start..].find(|c| !is_word(c)).map_or(query.len(), |end| start + end);
        found.push((start, &query[start..end]));
        at = end;
    }
    found
}

/// Returns the labels in the braces after a name.
fn labels_used(after: &str) -> Vec<&str> {
    let Some((inner, _)) = after.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
        return Vec::new();
    };
    inner.split("\",").filter_map(|part| part.split(['=', '!']).next()).map(str::trim).collect()
}

/// Collects the values of a key at any depth.
fn all_of<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get(key).and_then(Value::as_str));
            members.values().for_each(|member| all_of(member, key, found));
        }
        Value::Array(members) => members.iter().for_each(|member| all_of(member, key, found)),
        _ => {}
    }
}

fn dashboard() -> (Value, Families) {
    let text = fs::read_to_string("docs/deploy/grafana/matterhost.json").unwrap();
    (serde_json::from_str(&text).unwrap(), families(&SampleMetrics::new(true).render(Format::Prometheus)))
}

#[test]
fn the_dashboard_shows_every_metric_and_no_unknown_one() {
    let (dashboard, known) = dashboard();
    let mut queries = Vec::new();
    all_of(&dashboard, "expr", &mut queries);
    all_of(&dashboard, "definition", &mut queries);
    for query in &queries {
        check_names(query, &known);
    }
    let asked: Vec<_> = queries.iter().flat_map(|query| words(query)).map(|(_, word)| word).collect();
    let shown = |name: &&String| asked.iter().any(|word| word.starts_with(name.as_str()));
    // These are of no use as a graph.
    let left_out = [
        "process_virtual_memory_bytes",
        "process_threads",
        "matterhost_account_state_start_timestamp_seconds",
    ];
    let hidden: Vec<_> = known.keys().filter(|name| !shown(name)).collect();
    assert!(hidden.iter().all(|name| left_out.contains(&name.as_str())), "{hidden:?}");
}

#[test]
fn prometheus_reads_each_query_of_the_dashboard() {
    let (dashboard, _) = dashboard();
    let mut queries = Vec::new();
    all_of(&dashboard, "expr", &mut queries);
    let rules: Vec<_> = queries
        .iter()
        .enumerate()
        .map(|(n, query)| {
            let expr = query.replace("$__rate_interval", "5m");
            serde_json::json!({ "record": format!("query:{n}"), "expr": expr })
        })
        .collect();
    let dir = ConfigDir::with("");
    // JSON is valid YAML.
    let groups = serde_json::json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    dir.write("rules.yml", &groups.to_string());
    run_promtool(&["check", "rules", "rules.yml"], dir.path());
}

#[test]
fn each_alert_is_read_and_was_seen_to_fire() {
    run_promtool(&["check", "rules", "rules.yml"], Path::new(ALERTS));
    run_promtool(&["test", "rules", "rules_test.yml"], Path::new(ALERTS));
    let read = |name| fs::read_to_string(Path::new(ALERTS).join(name)).unwrap();
    let (rules, tests) = (read("rules.yml"), read("rules_test.yml"));
    let known = families(&SampleMetrics::new(true).render(Format::Prometheus));
    let alerts: Vec<_> = rules.split("- alert: ").skip(1).collect();
    for alert in &alerts {
        let (name, body) = alert.split_once('\n').unwrap();
        let expr = body.split_once("expr: ").unwrap().1.split("labels:").next().unwrap();
        if name != "MatterhostDown" {
            check_names(expr, &known);
        }
        let anchor = format!("runbook: docs/runbook.md#alert-{}\n", name.to_lowercase());
        for annotation in ["summary: ", "description: ", &anchor] {
            assert!(body.contains(annotation), "{name} has no {annotation}");
        }
        let begin = format!("alertname: {name}\n");
        let fires = tests.split(&begin).skip(1).filter_map(|test| test.lines().nth(1));
        let fires = fires.filter(|line| line.trim() == "exp_alerts:");
        assert!(fires.count() > 0, "rules_test.yml has no test in which {name} fires");
    }
    assert!(!alerts.is_empty());
}
