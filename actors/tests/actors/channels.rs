//! Channels that lists lack, that cannot be read, and that come and go: what a fake server shows and a simulated one
//! does not.

use matterhost_actors::{model::Fact, policy::GateLimits};

use crate::harness::{Harness, SECOND, run_paused, settings, unlimited_rate};

/// A bot in two channels, with one received post in each.
async fn in_two_channels(harness: &mut Harness) {
    for channel in ["c", "d"] {
        harness.fake.add_channel(channel, &["bot"]);
        harness.fake.post(channel, 1_000);
    }
    harness.ready("bot").await;
}

async fn away(harness: &mut Harness, happens: impl FnOnce(&Harness)) {
    harness.fake.disable("bot");
    harness.wait_for("bot", |fact| *fact == Fact::Blocked).await;
    happens(harness);
    harness.fake.enable("bot");
    harness.wait_until_ready("bot").await;
    harness.advance(SECOND).await;
}

fn received_ids(harness: &Harness) -> Vec<String> {
    harness.sink.posts().into_iter().map(|post| post.id.to_string()).collect()
}

#[test]
fn a_channel_with_a_cursor_that_the_list_lacks_is_asked_for_by_its_id() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        in_two_channels(harness).await;
        harness.fake.unlist_channel("d");
        let mut missed = String::new();
        away(harness, |harness| missed = harness.fake.post("d", 2_000).to_string()).await;
        assert_eq!(received_ids(harness), [missed.clone()], "fact 26");
        away(harness, |harness| missed = harness.fake.post("d", 3_000).to_string()).await;
        assert_eq!(received_ids(harness)[1..], [missed], "each time");
    });
}

#[test]
fn posts_made_after_the_account_left_are_not_delivered() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        in_two_channels(harness).await;
        harness.fake.unlist_channel("d");
        let mut wanted = Vec::new();
        away(harness, |harness| {
            let say = |at, kind, user| harness.fake.post_of_kind("d", at, kind, user).to_string();
            wanted.push(say(2_000, "", "id-somebody"));
            wanted.push(say(2_001, "system_leave_channel", "id-bot"));
            say(2_002, "", "id-somebody");
            wanted.push(say(2_003, "system_join_channel", "id-bot"));
            wanted.push(say(2_004, "", "id-somebody"));
            wanted.push(say(2_005, "system_leave_channel", "id-bot"));
            say(2_006, "", "id-somebody");
        })
        .await;
        assert_eq!(
            harness.sink.received_labels().into_iter().filter(|id| id != "hello").collect::<Vec<_>>(),
            {
                // The posts about its own joining and leaving are its own posts, which are skipped.
                [wanted[0].clone(), wanted[3].clone()]
            }
        );
        away(harness, |harness| drop(harness.fake.post("d", 3_000))).await;
        assert_eq!(received_ids(harness).len(), 2, "a leave event ends the cursor");
    });
}

#[test]
fn a_long_catch_up_says_how_far_it_is() {
    let slow = GateLimits { requests_per_second: 1.0, dial_slots: 1, ..GateLimits::default() };
    run_paused(settings(), slow, async |harness| {
        for n in 0..20 {
            harness.fake.add_channel(&format!("c{n}"), &["bot"]);
        }
        harness.ready("bot").await;
        harness.fake.disable("bot");
        harness.wait_for("bot", |fact| *fact == Fact::Blocked).await;
        for n in 0..20 {
            harness.fake.post(&format!("c{n}"), 2_000);
        }
        harness.fake.enable("bot");
        let fact = harness.wait_for("bot", |fact| matches!(fact, Fact::CatchingUp(_))).await;
        let Fact::CatchingUp(progress) = fact else { panic!("{fact:?}") };
        assert!(progress.channels == 20 && progress.recovered > 0 && progress.done < 20, "{progress:?}");
        assert!(harness.snapshot("bot").await.catching_up.is_some());
        harness.wait_until_ready("bot").await;
        let snapshot = harness.snapshot("bot").await;
        assert_eq!((snapshot.catching_up, snapshot.recovered), (None, 20));
    });
}

#[test]
fn a_channel_that_refuses_is_reported_once_and_fetched_later() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        in_two_channels(harness).await;
        harness.fake.forbid_channel("d", true);
        let (mut open, mut closed) = (String::new(), String::new());
        away(harness, |harness| {
            closed = harness.fake.post("d", 2_000).to_string();
            open = harness.fake.post("c", 2_000).to_string();
        })
        .await;
        assert_eq!(received_ids(harness), [open], "the others go on");
        away(harness, |_| {}).await;
        assert_eq!(harness.count("bot", "channel_skipped"), 1);
        harness.fake.forbid_channel("d", false);
        away(harness, |_| {}).await;
        assert_eq!(received_ids(harness)[1], closed);
    });
}
