//! Accounts that another host owns by the time at which their events could be written.

use super::*;
use crate::sinks::tests::fixtures::FencedPoster;

#[tokio::test]
async fn what_the_pipe_had_no_room_for_is_not_written_once_another_host_may_own_the_account() {
    let poster = Arc::new(FencedPoster::default());
    let child = FakeChild::with_default_script(|_| {}, Arc::clone(&poster) as Arc<dyn Poster>);
    let sent = || child.monitor.snapshot(Arc::default()).slots.iter().map(|(_, slots)| slots).sum::<usize>();
    child.hold(true);
    // The child reads the first one and waits. The second is more than its pipe takes.
    let read = child.exec.deliver(&post("c1", "read"));
    let mut large = (*post_with_text("c2", "begun", &"x".repeat(1 << 20))).clone();
    large.account = AccountName::new("other").unwrap();
    let begun = child.exec.deliver(&Arc::new(large.clone()));
    until("the pipe is not filled", || poster.was_asked_for(&large.account)).await;
    let waiting = child.exec.deliver(&post("c3", "waiting"));
    until("the event is not sent", || sent() == 3).await;
    poster.close();
    child.hold(false);
    assert_eq!(outcome(read).await, Outcome::Acknowledged);
    assert_eq!(outcome(begun).await, Outcome::Acknowledged);
    let Outcome::Retry { cause, .. } = outcome(waiting).await else { panic!("it was handed over") };
    assert!(cause.contains("another host may own the account"), "{cause}");
    assert_eq!((child.received(), child.starts(), sent()), (vec!["read".into(), "begun".into()], 1, 0));
}
