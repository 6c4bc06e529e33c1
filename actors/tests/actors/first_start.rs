//! The first start of an account. Its sink gets nothing before the start is stored: a kill after an event would make the account
//! begin later, without the posts between. Everything that came live after the hello is delivered.

use std::time::Duration;

use matterhost_actors::{
    model::{AccountState, Fact, PostId},
    policy::GateLimits,
};

use crate::harness::{Harness, SECOND, ServerSocket, run_paused, settings, unlimited_rate};

/// The time within which everything happens that does not wait for the store.
const LONG: Duration = Duration::from_secs(20);

/// With this rate, the list of channels waits after the hello, so that live events come first.
fn slow_rate() -> GateLimits {
    GateLimits { requests_per_second: 1.0, ..unlimited_rate() }
}

fn ids(harness: &Harness) -> Vec<PostId> {
    harness.sink.posts().into_iter().map(|post| post.id).collect()
}

/// Has an account receive posts while the first commit waits, with a trouble before the first listing and one after it. Checks
/// that it delivers none of them and is not ready until the commit is done.
fn deliver_only_what_is_stored(before: fn(&ServerSocket), after: fn(&ServerSocket)) {
    run_paused(settings(), slow_rate(), async |harness| {
        harness.fake.add_channel("c", &["bot"]);
        harness.store.hold_commits(true);
        harness.host("bot").await;
        harness.wait_for("bot", |fact| matches!(fact, Fact::Connected { .. })).await;
        before(&harness.fake.server_socket("bot"));
        let mut posts = vec![harness.fake.post_live("bot", "c")];
        harness.advance(LONG).await;
        after(&harness.fake.server_socket("bot"));
        harness.advance(LONG).await;
        posts.push(harness.fake.post_live("bot", "c"));
        harness.advance(LONG).await;
        assert_eq!(ids(harness), [], "a kill would lose what comes now");
        assert_eq!(harness.state("bot").await, AccountState::CatchingUp);
        harness.store.hold_commits(false);
        harness.wait_until_ready("bot").await;
        harness.sink.wait_for_posts(2).await;
        assert_eq!(ids(harness), posts);
        harness.advance(SECOND).await;
        assert_eq!(ids(harness).len(), 2);
    });
}

#[test]
fn no_event_is_delivered_before_the_start_is_stored() {
    deliver_only_what_is_stored(|_| {}, |_| {});
}

#[test]
fn a_second_round_delivers_nothing_before_the_start_is_stored() {
    deliver_only_what_is_stored(ServerSocket::skip_sequence_number, |_| {});
}

#[test]
fn a_second_connection_delivers_nothing_before_the_start_is_stored() {
    deliver_only_what_is_stored(|_| {}, ServerSocket::drop_connection);
}

/// The posts that overflow the events held for the first catch-up.
const MANY: usize = 400;

#[test]
fn posts_that_overflow_before_the_first_listing_are_delivered() {
    run_paused(settings(), slow_rate(), async |harness| {
        harness.fake.add_channel("c", &["bot"]);
        harness.fake.post("c", 1);
        harness.host("bot").await;
        harness.wait_for("bot", |fact| matches!(fact, Fact::Connected { .. })).await;
        let posts: Vec<_> = (0..MANY).map(|_| harness.fake.post_live("bot", "c")).collect();
        harness.wait_until_ready("bot").await;
        harness.advance(LONG).await;
        assert_eq!(ids(harness), posts);
    });
}
