use super::*;
use crate::sinks::tests::fixtures::{ScriptedSink, outcome, post, retry};

/// Names the sinks by their index.
fn named(sinks: &[&Arc<ScriptedSink>]) -> Vec<NamedSink> {
    let name = |(index, sink): (usize, &&Arc<ScriptedSink>)| {
        (index.to_string().into(), Arc::clone(sink) as Arc<dyn EventSink>)
    };
    sinks.iter().enumerate().map(name).collect()
}

fn fan_out(sinks: &[&Arc<ScriptedSink>]) -> FanOut {
    FanOut::new(named(sinks), PendingEvents::default())
}

#[tokio::test]
async fn an_event_is_acknowledged_when_all_have_acknowledged_it() {
    let (a, b) = (Arc::<ScriptedSink>::default(), Arc::<ScriptedSink>::default());
    let (first, second) = (a.answer_later(), b.answer_later());
    let Delivered::Later(mut all) = fan_out(&[&a, &b]).deliver(&post("c", "1")) else { panic!("at once") };
    assert_eq!((&mut all).now_or_never(), None);
    second.send(Outcome::Acknowledged).unwrap();
    assert_eq!((&mut all).now_or_never(), None);
    first.send(Outcome::Acknowledged).unwrap();
    assert_eq!(all.await, Outcome::Acknowledged);
}

#[tokio::test]
async fn a_sink_that_accepted_an_event_does_not_get_it_again() {
    let (a, b) = (Arc::<ScriptedSink>::default(), Arc::<ScriptedSink>::default());
    let sinks = fan_out(&[&a, &b]);
    let event = post("c", "1");
    b.answer(retry(10));
    assert_eq!(outcome(sinks.deliver(&event)).await, retry(10));
    b.answer(retry(20));
    assert_eq!(outcome(sinks.deliver(&event)).await, retry(20));
    assert_eq!(outcome(sinks.deliver(&event)).await, Outcome::Acknowledged);
    assert_eq!((a.delivered_ids().len(), b.delivered_ids().len()), (1, 3));
    // The event is finished; delivered again, it counts as a new one.
    assert_eq!(outcome(sinks.deliver(&event)).await, Outcome::Acknowledged);
    assert_eq!((a.delivered_ids().len(), b.delivered_ids().len()), (2, 4));
    assert!(sinks.pending.0.lock().is_empty());
}

/// A sink whose handler counts events, under a key of its own.
struct CountingSink(&'static str);

impl EventSink for CountingSink {
    fn deliver(&self, _: &Arc<Event>) -> Delivered {
        panic!("without a storage")
    }

    fn deliver_with(&self, _: &Arc<Event>, storage: &EventStorage) -> Delivered {
        let count = storage.get(self.0).unwrap().map_or(0, |count| count.parse::<u32>().unwrap());
        storage.put(self.0, (count + 1).to_string()).unwrap();
        storage.end();
        Delivered::Now(Outcome::Acknowledged)
    }
}

#[tokio::test]
async fn values_of_a_sink_that_accepted_an_event_are_kept_when_the_others_follow() {
    let (kept, other) = (EventStorage::in_memory("c".into()), Arc::<ScriptedSink>::default());
    let counting = ["a", "b"].map(|key| (key.into(), Arc::new(CountingSink(key)) as Arc<dyn EventSink>));
    let scripted: NamedSink = ("other".into(), Arc::clone(&other) as Arc<dyn EventSink>);
    let sinks = FanOut::new(counting.into_iter().chain([scripted]).collect(), PendingEvents::default());
    let deliver = async |event: &Arc<Event>| {
        let storage = kept.fork();
        let answer = outcome(sinks.deliver_with(event, &storage)).await;
        if answer == Outcome::Acknowledged {
            storage.accept();
        }
        answer
    };
    let counts = || ["a", "b"].map(|key| kept.get(key).unwrap().map(|count| count.to_string()));
    let first = post("c", "1");
    other.answer(retry(10));
    assert_eq!((deliver(&first).await, counts()), (retry(10), [None, None]), "not acknowledged yet");
    let once = [Some("1".to_owned()), Some("1".to_owned())];
    assert_eq!((deliver(&first).await, counts()), (Outcome::Acknowledged, once));
    deliver(&post("c", "2")).await;
    assert_eq!(counts(), [Some("2".to_owned()), Some("2".to_owned())]);
}

#[tokio::test]
async fn the_next_event_of_a_channel_goes_to_all_sinks() {
    let (a, b) = (Arc::<ScriptedSink>::default(), Arc::<ScriptedSink>::default());
    let sinks = fan_out(&[&a, &b]);
    b.answer(retry(10));
    assert_eq!(outcome(sinks.deliver(&post("c", "1"))).await, retry(10));
    // As if a Delivery died and the next one started with another event.
    assert_eq!(outcome(sinks.deliver(&post("c", "2"))).await, Outcome::Acknowledged);
    assert_eq!(a.delivered_ids(), ["1", "2"]);
    assert_eq!(b.delivered_ids(), ["1", "2"]);
}

#[tokio::test]
async fn a_rejection_is_reported_after_all_have_answered() {
    let (a, b) = (Arc::<ScriptedSink>::default(), Arc::<ScriptedSink>::default());
    let sinks = fan_out(&[&a, &b]);
    let event = post("c", "1");
    let rejected = Outcome::Rejected { cause: "400".into() };
    a.answer(rejected.clone());
    b.answer(retry(10));
    assert_eq!(outcome(sinks.deliver(&event)).await, retry(10));
    assert_eq!(outcome(sinks.deliver(&event)).await, rejected);
    assert_eq!(a.delivered_ids().len(), 1);
}

#[tokio::test]
async fn the_worst_answer_counts_and_the_longest_wait() {
    let (a, b) = (Arc::<ScriptedSink>::default(), Arc::<ScriptedSink>::default());
    let sinks = fan_out(&[&a, &b]);
    let event = post("c", "1");
    a.answer(retry(10));
    b.answer(retry(500));
    assert_eq!(outcome(sinks.deliver(&event)).await, retry(500));
    let broken = Outcome::Broken { cause: "gone".into() };
    a.answer(broken.clone());
    b.answer(retry(500));
    assert_eq!(outcome(sinks.deliver(&event)).await, broken);
}

#[tokio::test]
async fn an_acknowledgement_survives_an_abandoned_wait() {
    let (a, b) = (Arc::<ScriptedSink>::default(), Arc::<ScriptedSink>::default());
    let sinks = fan_out(&[&a, &b]);
    let event = post("c", "1");
    let _never = b.answer_later();
    drop(sinks.deliver(&event));
    assert_eq!(outcome(sinks.deliver(&event)).await, Outcome::Acknowledged);
    assert_eq!((a.delivered_ids().len(), b.delivered_ids().len()), (1, 2));
}

#[tokio::test]
async fn the_replacement_of_a_sink_that_accepted_an_event_does_not_get_it() {
    let (a, b, replacement) =
        (Arc::<ScriptedSink>::default(), Arc::<ScriptedSink>::default(), Arc::<ScriptedSink>::default());
    let pending = PendingEvents::default();
    let event = post("c", "1");
    b.answer(retry(10));
    let before = FanOut::new(named(&[&a, &b]), pending.clone());
    assert_eq!(outcome(before.deliver(&event)).await, retry(10));
    // The first sink is replaced, and a third one is added.
    let third = Arc::<ScriptedSink>::default();
    let after = FanOut::new(named(&[&replacement, &b, &third]), pending.clone());
    assert_eq!(outcome(after.deliver(&event)).await, Outcome::Acknowledged);
    assert_eq!(
        (replacement.delivered_ids().len(), b.delivered_ids().len(), third.delivered_ids().len()),
        (0, 2, 1)
    );
    assert!(pending.0.lock().is_empty());
    // A sink that remains alone has the event already.
    b.answer(retry(10));
    let event = post("c", "2");
    assert_eq!(outcome(before.deliver(&event)).await, retry(10));
    let alone = FanOut::new(named(&[&a]), pending);
    assert_eq!(outcome(alone.deliver(&event)).await, Outcome::Acknowledged);
    assert_eq!(a.delivered_ids(), ["1", "2"]);
}
