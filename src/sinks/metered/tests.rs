use super::*;
use crate::sinks::tests::fixtures::{ScriptedSink, event, outcome, post, retry};
use crate::telemetry::metrics::Format;

fn series(metrics: &Metrics, prefix: &str) -> Vec<String> {
    let text = metrics.render(Format::Prometheus, Vec::new(), Vec::new());
    text.lines().filter(|line| line.starts_with(prefix)).map(str::to_owned).collect()
}

#[tokio::test]
async fn answers_are_counted_by_outcome_and_those_to_come_are_a_gauge() {
    let (scripted, metrics) = (Arc::<ScriptedSink>::default(), Metrics::new(true));
    let sink = TimedSink::new(scripted.clone(), metrics.sink_meter("hook"));
    scripted.answer(retry(1));
    assert_eq!(outcome(sink.deliver(&post("c", "1"))).await, retry(1));
    let later = scripted.answer_later();
    let Delivered::Later(waiting) = sink.deliver(&post("c", "1")) else { panic!("at once") };
    assert_eq!(
        series(&metrics, "matterhost_sink_unanswered"),
        ["matterhost_sink_unanswered_events{sink=\"hook\"} 1"]
    );
    later.send(Outcome::Acknowledged).unwrap();
    waiting.await;
    let _later = scripted.answer_later();
    let Delivered::Later(given_up) = sink.deliver(&post("c", "2")) else { panic!("at once") };
    drop(given_up);
    assert_eq!(
        series(&metrics, "matterhost_sink_unanswered"),
        ["matterhost_sink_unanswered_events{sink=\"hook\"} 0"]
    );
    let mut counts = series(&metrics, "matterhost_sink_seconds_count");
    counts.sort();
    let count =
        |outcome, n| format!("matterhost_sink_seconds_count{{sink=\"hook\",outcome=\"{outcome}\"}} {n}");
    assert_eq!(
        counts,
        [count("acknowledged", 1), count("broken", 0), count("rejected", 0), count("retry", 1)]
    );
}

#[tokio::test]
async fn an_event_counts_once_and_by_its_type() {
    let (scripted, metrics) = (Arc::<ScriptedSink>::default(), Metrics::new(true));
    let sink = CountedSink::new(scripted.clone(), Arc::default(), metrics.clone());
    scripted.answer(retry(1));
    scripted.answer(Outcome::Acknowledged);
    scripted.answer(Outcome::Rejected { cause: "no".into() });
    for _ in 0..2 {
        outcome(sink.deliver(&post("c", "1"))).await;
    }
    outcome(sink.deliver(&post("c", "2"))).await;
    let mut odd = event("helpdesk", "custom_of_a_plugin", "c", "3", "{}");
    odd.recovered = true;
    outcome(sink.deliver(&Arc::new(odd))).await;
    let labels = "account=\"helpdesk\",server=\"main\"";
    assert_eq!(
        series(&metrics, "matterhost_events"),
        [
            format!("matterhost_events_total{{{labels},type=\"posted\"}} 2"),
            format!("matterhost_events_total{{{labels},type=\"other\"}} 1")
        ]
    );
    assert_eq!(
        series(&metrics, "matterhost_recovered"),
        [format!("matterhost_recovered_events_total{{{labels}}} 1")]
    );
}
