//! The dashboard and the alerts: they ask for metrics that there are, in words that Prometheus reads, and each alert was
//! seen to fire.

use std::{fs, path::Path};

use matterhost::telemetry::metrics::Format;
use serde_json::Value;

use crate::{
    metrics::{Families, families, sample::SampleMetrics},
    program::{ConfigDir, text},
    promtool::promtool,
};

const ALERTS: &str = "docs/deploy/prometheus";

/// What Prometheus itself adds to series, and what every histogram has.
const LABELS_OF_ALL: [&str; 3] = ["instance", "job", "le"];

/// Runs promtool among the alerts; fails with what it says.
fn judge(args: &[&str], dir: &Path) {
    let judged = promtool(args, dir, "");
    assert!(judged.status.success(), "{}{}", text(&judged.stdout), text(&judged.stderr));
}

/// Fails when the text names a metric that there is not, or asks one for a label that it has not.
fn names_what_there_is(query: &str, known: &Families) {
    let mut named = 0;
    for (at, word) in words(query) {
        if !["matterhost_", "process_"].iter().any(|prefix| word.starts_with(prefix)) {
            continue;
        }
        named += 1;
        let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
        let family = known.get(word).or_else(|| known.get(histogram?));
        let Some((.., labels)) = family else { panic!("there is no {word}, for which asks\n{query}") };
        for label in asked(&query[at + word.len()..]) {
            let is_known = labels.contains(label) || LABELS_OF_ALL.contains(&label);
            assert!(is_known, "{word} has no label {label}, for which asks\n{query}");
        }
    }
    assert!(named > 0, "no metric is named in\n{query}");
}

/// The words of a query, and where they begin.
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

/// The labels in the braces that follow a name.
fn asked(after: &str) -> Vec<&str> {
    let Some((inner, _)) = after.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
        return Vec::new();
    };
    inner.split("\",").filter_map(|part| part.split(['=', '!']).next()).map(str::trim).collect()
}

/// The values of a key, wherever it is.
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
fn the_dashboard_asks_for_metrics_that_there_are_and_leaves_none_out() {
    let (dashboard, known) = dashboard();
    let mut queries = Vec::new();
    all_of(&dashboard, "expr", &mut queries);
    all_of(&dashboard, "definition", &mut queries);
    for query in &queries {
        names_what_there_is(query, &known);
    }
    let asked: Vec<_> = queries.iter().flat_map(|query| words(query)).map(|(_, word)| word).collect();
    let shown = |name: &&String| asked.iter().any(|word| word.starts_with(name.as_str()));
    // What is of no use as a line.
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
    // JSON is YAML.
    let groups = serde_json::json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    dir.write("rules.yml", &groups.to_string());
    judge(&["check", "rules", "rules.yml"], dir.path());
}

#[test]
fn each_alert_is_read_and_was_seen_to_fire() {
    judge(&["check", "rules", "rules.yml"], Path::new(ALERTS));
    judge(&["test", "rules", "rules_test.yml"], Path::new(ALERTS));
    let read = |name| fs::read_to_string(Path::new(ALERTS).join(name)).unwrap();
    let (rules, tests) = (read("rules.yml"), read("rules_test.yml"));
    let known = families(&SampleMetrics::new(true).render(Format::Prometheus));
    let alerts: Vec<_> = rules.split("- alert: ").skip(1).collect();
    for alert in &alerts {
        let (name, body) = alert.split_once('\n').unwrap();
        let expr = body.split_once("expr: ").unwrap().1.split("labels:").next().unwrap();
        if name != "MatterhostDown" {
            names_what_there_is(expr, &known);
        }
        let anchor = format!("runbook: docs/OPERATIONS.md#alert-{}\n", name.to_lowercase());
        for annotation in ["summary: ", "description: ", &anchor] {
            assert!(body.contains(annotation), "{name} has no {annotation}");
        }
        let begin = format!("alertname: {name}\n");
        let fires = tests.split(&begin).skip(1).filter_map(|test| test.lines().nth(1));
        let fires = fires.filter(|line| line.trim() == "exp_alerts:");
        assert!(fires.count() > 0, "no test in rules_test.yml says when {name} fires");
    }
    assert!(!alerts.is_empty());
}
