use super::*;
use crate::sinks::{
    queue::MAX_QUEUED_EVENTS,
    tests::fixtures::{DEADLINE, ScriptedSink, outcome, post, retry},
};
use crate::telemetry::metrics::{Format, Metrics};

fn start(scripted: &Arc<ScriptedSink>) -> BestEffortQueue {
    start_with(scripted, &Metrics::new(true))
}

fn start_with(scripted: &Arc<ScriptedSink>, metrics: &Metrics) -> BestEffortQueue {
    BestEffortQueue::start(
        &"spare".into(),
        Arc::clone(scripted) as Arc<dyn EventSink>,
        metrics.sink_meter("spare"),
    )
    .unwrap()
}

/// Waits until the sink has been given `count` events.
async fn wait_for_events(scripted: &ScriptedSink, count: usize) -> Vec<String> {
    let end = Instant::now() + DEADLINE;
    loop {
        let ids = scripted.delivered_ids();
        if ids.len() >= count {
            return ids;
        }
        assert!(Instant::now() < end, "{ids:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn nobody_waits_for_it_and_it_gets_all_in_order() {
    let scripted = Arc::<ScriptedSink>::default();
    let first = scripted.answer_later();
    let sink = start(&scripted);
    for id in ["1", "2", "3"] {
        assert_eq!(outcome(sink.deliver(&post("c", id))).await, Outcome::Acknowledged);
    }
    assert_eq!(outcome(sink.deliver(&post("d", "4"))).await, Outcome::Acknowledged);
    // The next event of the first channel waits for the answer; that of the other channel does not.
    assert_eq!(wait_for_events(&scripted, 2).await, ["1", "4"]);
    first.send(retry(1)).unwrap();
    assert_eq!(wait_for_events(&scripted, 5).await, ["1", "4", "1", "2", "3"]);
}

#[tokio::test]
async fn what_has_no_room_is_left_out() {
    let scripted = Arc::<ScriptedSink>::default();
    let (first, metrics) = (scripted.answer_later(), Metrics::new(true));
    let sink = start_with(&scripted, &metrics);
    for id in 0..MAX_QUEUED_EVENTS + 10 {
        assert_eq!(outcome(sink.deliver(&post("c", &id.to_string()))).await, Outcome::Acknowledged);
    }
    assert_eq!(sink.queue.waiting().0, MAX_QUEUED_EVENTS);
    let text = metrics.render(Format::Prometheus, Vec::new(), Vec::new());
    assert!(text.contains("matterhost_sink_lost_events_total{sink=\"spare\"} 10\n"), "{text}");
    first.send(Outcome::Acknowledged).unwrap();
    let ids: Vec<_> = (0..MAX_QUEUED_EVENTS).map(|id| id.to_string()).collect();
    assert_eq!(wait_for_events(&scripted, MAX_QUEUED_EVENTS).await, ids);
}

#[tokio::test]
async fn what_is_in_the_queue_at_the_end_is_handed_over_still() {
    let scripted = Arc::<ScriptedSink>::default();
    let first = scripted.answer_later();
    let sink = start(&scripted);
    sink.deliver(&post("c", "1"));
    sink.deliver(&post("c", "2"));
    wait_for_events(&scripted, 1).await;
    sink.worker.close();
    let early = tokio::time::timeout(Duration::from_millis(200), sink.worker.join()).await;
    assert!(early.is_err(), "the worker ended before the answer");
    first.send(Outcome::Acknowledged).unwrap();
    tokio::time::timeout(DEADLINE, sink.worker.join()).await.unwrap();
    assert_eq!(scripted.delivered_ids(), ["1", "2"]);
}
