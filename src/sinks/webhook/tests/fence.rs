//! Accounts that another host owns by the time at which their events could be sent.

use super::*;
use crate::sinks::tests::fixtures::{FencedPoster, retry_cause};

#[tokio::test]
async fn an_event_of_an_account_that_another_host_owns_is_not_sent() {
    let server = Server::start(|_| ok());
    let deps = HandlerDeps { poster: Arc::new(FencedPoster::closed()), ..handler_deps("hook") };
    let hook = Webhook::start(config(&server, 1), deps).unwrap();
    let cause = retry_cause(&hook, &post("c", "1")).await;
    assert!(cause.contains("another host may own the account"), "{cause}");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn the_events_of_a_refused_batch_are_not_sent_alone_once_another_host_may_own_the_account() {
    let poster = Arc::new(FencedPoster::default());
    let closing = Arc::clone(&poster);
    let server = Server::start(move |request| {
        if request.ids().len() > 1 {
            closing.close();
        }
        status_response(422, "")
    });
    let deps = HandlerDeps { poster, ..handler_deps("hook") };
    let hook = Webhook::start(WebhookConfig { concurrency: 1, ..config(&server, 2) }, deps).unwrap();
    // The first one keeps the only place while the others come.
    server.hold(true);
    let first = hook.deliver(&post("c0", "0"));
    server.wait_for_requests(1).await;
    let others = [hook.deliver(&post("c1", "1")), hook.deliver(&post("c2", "2"))];
    server.hold(false);
    assert!(matches!(outcome(first).await, Outcome::Rejected { .. }));
    for other in others {
        let Outcome::Retry { cause, .. } = outcome(other).await else { panic!("it was sent again") };
        assert!(cause.contains("another host may own the account"), "{cause}");
    }
    assert_eq!(server.requests().len(), 2);
}
