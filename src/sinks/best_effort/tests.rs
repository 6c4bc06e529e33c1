use super::*;
use crate::sinks::{
    queue::QUEUE_EVENTS,
    tests::stage::{DEADLINE, Told, outcome, post, retry},
};
use crate::telemetry::metrics::{Format, Metrics};

fn start(told: &Arc<Told>) -> BestEffort {
    start_with(told, &Metrics::new(true))
}

fn start_with(told: &Arc<Told>, metrics: &Metrics) -> BestEffort {
    BestEffort::start(&"spare".into(), Arc::clone(told) as Arc<dyn EventSink>, metrics.sink_meter("spare"))
        .unwrap()
}

/// Waits until the sink was given so many.
async fn given(told: &Told, count: usize) -> Vec<String> {
    let end = Instant::now() + DEADLINE;
    loop {
        let given = told.given();
        if given.len() >= count {
            return given;
        }
        assert!(Instant::now() < end, "{given:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn nobody_waits_for_it_and_it_gets_all_in_order() {
    let told = Arc::<Told>::default();
    let first = told.says_later();
    let sink = start(&told);
    for id in ["1", "2", "3"] {
        assert_eq!(outcome(sink.deliver(&post("c", id))).await, Outcome::Acknowledged);
    }
    assert_eq!(outcome(sink.deliver(&post("d", "4"))).await, Outcome::Acknowledged);
    // The next of the first channel waits for the answer, that of the other one does not.
    assert_eq!(given(&told, 2).await, ["1", "4"]);
    first.send(retry(1)).unwrap();
    assert_eq!(given(&told, 5).await, ["1", "4", "1", "2", "3"]);
}

#[tokio::test]
async fn what_has_no_room_is_left_out() {
    let told = Arc::<Told>::default();
    let (first, metrics) = (told.says_later(), Metrics::new(true));
    let sink = start_with(&told, &metrics);
    for id in 0..QUEUE_EVENTS + 10 {
        assert_eq!(outcome(sink.deliver(&post("c", &id.to_string()))).await, Outcome::Acknowledged);
    }
    assert_eq!(sink.queue.waiting().0, QUEUE_EVENTS);
    let text = metrics.render(Format::Prometheus, Vec::new(), Vec::new());
    assert!(text.contains("matterhost_sink_lost_events_total{sink=\"spare\"} 10\n"), "{text}");
    first.send(Outcome::Acknowledged).unwrap();
    let ids: Vec<_> = (0..QUEUE_EVENTS).map(|id| id.to_string()).collect();
    assert_eq!(given(&told, QUEUE_EVENTS).await, ids);
}

#[tokio::test]
async fn what_is_in_the_queue_at_the_end_is_handed_over_still() {
    let told = Arc::<Told>::default();
    let first = told.says_later();
    let sink = start(&told);
    sink.deliver(&post("c", "1"));
    sink.deliver(&post("c", "2"));
    given(&told, 1).await;
    sink.worker.close();
    let early = tokio::time::timeout(Duration::from_millis(200), sink.worker.ended()).await;
    assert!(early.is_err(), "it ended before the answer");
    first.send(Outcome::Acknowledged).unwrap();
    tokio::time::timeout(DEADLINE, sink.worker.ended()).await.unwrap();
    assert_eq!(told.given(), ["1", "2"]);
}
