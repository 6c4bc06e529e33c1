use super::*;
use crate::sinks::tests::stage::{Told, outcome, post, retry};

/// Named by their places.
fn named(sinks: &[&Arc<Told>]) -> Vec<Named> {
    let name =
        |(at, sink): (usize, &&Arc<Told>)| (at.to_string().into(), Arc::clone(sink) as Arc<dyn EventSink>);
    sinks.iter().enumerate().map(name).collect()
}

fn of(sinks: &[&Arc<Told>]) -> FanOut {
    FanOut::new(named(sinks), Open::default())
}

#[tokio::test]
async fn an_event_is_acknowledged_when_all_have_acknowledged_it() {
    let (a, b) = (Arc::<Told>::default(), Arc::<Told>::default());
    let (first, second) = (a.says_later(), b.says_later());
    let Delivered::Later(mut all) = of(&[&a, &b]).deliver(&post("c", "1")) else { panic!("at once") };
    assert_eq!((&mut all).now_or_never(), None);
    second.send(Outcome::Acknowledged).unwrap();
    assert_eq!((&mut all).now_or_never(), None);
    first.send(Outcome::Acknowledged).unwrap();
    assert_eq!(all.await, Outcome::Acknowledged);
}

#[tokio::test]
async fn who_has_taken_an_event_is_not_asked_again() {
    let (a, b) = (Arc::<Told>::default(), Arc::<Told>::default());
    let sinks = of(&[&a, &b]);
    let event = post("c", "1");
    b.says(retry(10));
    assert_eq!(outcome(sinks.deliver(&event)).await, retry(10));
    b.says(retry(20));
    assert_eq!(outcome(sinks.deliver(&event)).await, retry(20));
    assert_eq!(outcome(sinks.deliver(&event)).await, Outcome::Acknowledged);
    assert_eq!((a.given().len(), b.given().len()), (1, 3));
    // It is over: the same again is a new one.
    assert_eq!(outcome(sinks.deliver(&event)).await, Outcome::Acknowledged);
    assert_eq!((a.given().len(), b.given().len()), (2, 4));
    assert!(sinks.open.lock().is_empty());
}

#[tokio::test]
async fn another_event_of_the_channel_begins_anew() {
    let (a, b) = (Arc::<Told>::default(), Arc::<Told>::default());
    let sinks = of(&[&a, &b]);
    b.says(retry(10));
    assert_eq!(outcome(sinks.deliver(&post("c", "1"))).await, retry(10));
    // A Delivery died, and the next one begins elsewhere.
    assert_eq!(outcome(sinks.deliver(&post("c", "2"))).await, Outcome::Acknowledged);
    assert_eq!(a.given(), ["1", "2"]);
    assert_eq!(b.given(), ["1", "2"]);
}

#[tokio::test]
async fn what_one_refuses_is_told_once_all_have_answered() {
    let (a, b) = (Arc::<Told>::default(), Arc::<Told>::default());
    let sinks = of(&[&a, &b]);
    let event = post("c", "1");
    let rejected = Outcome::Rejected { cause: "400".into() };
    a.says(rejected.clone());
    b.says(retry(10));
    assert_eq!(outcome(sinks.deliver(&event)).await, retry(10));
    assert_eq!(outcome(sinks.deliver(&event)).await, rejected);
    assert_eq!(a.given().len(), 1);
}

#[tokio::test]
async fn the_worst_answer_counts_and_the_longest_wait() {
    let (a, b) = (Arc::<Told>::default(), Arc::<Told>::default());
    let sinks = of(&[&a, &b]);
    let event = post("c", "1");
    a.says(retry(10));
    b.says(retry(500));
    assert_eq!(outcome(sinks.deliver(&event)).await, retry(500));
    let broken = Outcome::Broken { cause: "gone".into() };
    a.says(broken.clone());
    b.says(retry(500));
    assert_eq!(outcome(sinks.deliver(&event)).await, broken);
}

#[tokio::test]
async fn what_was_taken_before_a_wait_was_given_up_stays_taken() {
    let (a, b) = (Arc::<Told>::default(), Arc::<Told>::default());
    let sinks = of(&[&a, &b]);
    let event = post("c", "1");
    let _never = b.says_later();
    drop(sinks.deliver(&event));
    assert_eq!(outcome(sinks.deliver(&event)).await, Outcome::Acknowledged);
    assert_eq!((a.given().len(), b.given().len()), (1, 2));
}

#[tokio::test]
async fn who_comes_in_the_place_of_one_that_has_taken_it_is_not_asked_for_it() {
    let (a, b, instead) = (Arc::<Told>::default(), Arc::<Told>::default(), Arc::<Told>::default());
    let open = Open::default();
    let event = post("c", "1");
    b.says(retry(10));
    let before = FanOut::new(named(&[&a, &b]), open.clone());
    assert_eq!(outcome(before.deliver(&event)).await, retry(10));
    // The first has another address now, and a third one comes.
    let third = Arc::<Told>::default();
    let after = FanOut::new(named(&[&instead, &b, &third]), open.clone());
    assert_eq!(outcome(after.deliver(&event)).await, Outcome::Acknowledged);
    assert_eq!((instead.given().len(), b.given().len(), third.given().len()), (0, 2, 1));
    assert!(open.lock().is_empty());
    // One that is left alone has it already.
    b.says(retry(10));
    let event = post("c", "2");
    assert_eq!(outcome(before.deliver(&event)).await, retry(10));
    let alone = FanOut::new(named(&[&a]), open);
    assert_eq!(outcome(alone.deliver(&event)).await, Outcome::Acknowledged);
    assert_eq!(a.given(), ["1", "2"]);
}
