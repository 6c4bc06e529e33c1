use super::*;
use crate::sinks::{
    queue::MAX_QUEUED_EVENTS,
    tests::fixtures::{DEADLINE, ScriptedSink, outcome, post, retry},
};
use crate::telemetry::metrics::{Format, Metrics};

fn start(scripted: &Arc<ScriptedSink>) -> BestEffortQueue {
    start_with(scripted, &Metrics::new(true), SinkMonitor::default())
}

fn start_with(scripted: &Arc<ScriptedSink>, metrics: &Metrics, monitor: SinkMonitor) -> BestEffortQueue {
    BestEffortQueue::start(
        &"spare".into(),
        Arc::clone(scripted) as Arc<dyn EventSink>,
        metrics.sink_meter("spare"),
        monitor,
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
async fn events_are_acknowledged_at_once_and_delivered_in_order() {
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
async fn an_operator_makes_it_try_at_once_what_waits() {
    let (scripted, monitor) = (Arc::<ScriptedSink>::default(), SinkMonitor::default());
    scripted.answer(retry(3_600_000));
    let sink = start_with(&scripted, &Metrics::new(true), monitor.clone());
    outcome(sink.deliver(&post("c", "1"))).await;
    wait_for_events(&scripted, 1).await;
    // The command counts from the moment at which the queue waits.
    let end = Instant::now() + DEADLINE;
    while scripted.delivered_ids().len() < 2 {
        assert!(Instant::now() < end, "{:?}", scripted.delivered_ids());
        monitor.request_retry();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_sink_holds_a_channel_for_longer_than_the_longest_retry() {
    let year = Duration::from_secs(365 * 24 * 3600);
    let refusals =
        [Outcome::Retry { after: year, cause: "x".into() }, Outcome::Hold { after: year, cause: "x".into() }];
    for refused in refusals {
        let scripted = Arc::<ScriptedSink>::default();
        scripted.answer(refused);
        let monitor = SinkMonitor::default();
        let mut forwarder = Forwarder::new("spare".into(), Arc::clone(&scripted) as _, monitor);
        let (queue, mut jobs) = Queue::new();
        let _answer = queue.put(post("c", "1"), 1);
        forwarder.enqueue(jobs.recv().await.unwrap());
        forwarder.deliver_ready();
        let start = Instant::now();
        forwarder.step().await;
        assert_eq!(start.elapsed().as_secs(), LONGEST_RETRY.as_secs());
        forwarder.deliver_ready();
        assert_eq!(scripted.delivered_ids(), ["1", "1"]);
    }
}

#[tokio::test]
async fn events_beyond_the_capacity_are_dropped() {
    let scripted = Arc::<ScriptedSink>::default();
    let (first, metrics) = (scripted.answer_later(), Metrics::new(true));
    let sink = start_with(&scripted, &metrics, SinkMonitor::default());
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
async fn queued_events_are_delivered_on_shutdown() {
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
