//! Channels that the account comes into and leaves, live and while away, over sockets.

use matterhost_actors::model::PostId;

use crate::{
    catch_up::{received_summary, tick},
    simulator_harness::{SimulatorHarness, run},
};

#[test]
fn a_channel_left_and_rejoined_delivers_only_posts_made_during_membership() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        let room = harness.add_channel_with_bots("room");
        let bot = harness.bots[0].user_id.clone();
        let before = harness.post_in(&room, "before");
        harness.host.sink.wait_for_posts(1).await;
        harness.simulator.remove_from_channel(&room, &bot);
        tick();
        let out = harness.post_in(&room, "while out");
        tick();
        harness.simulator.add_to_channel(&room, &bot);
        let after = harness.post_in(&room, "after");
        harness.host.sink.wait_for_changes(1, |taken| taken.id == after).await;
        harness.drop_and_reconnect().await;
        let mut out_again = PostId::default();
        harness
            .while_disabled(|harness| {
                harness.simulator.remove_from_channel(&room, &bot);
                out_again = harness.post_in(&room, "while out again");
                harness.simulator.add_to_channel(&room, &bot);
            })
            .await;
        harness.post_and_wait(2).await;
        let received = received_summary(&harness);
        for (post, times) in [(before, 1), (after, 1)] {
            assert_eq!(received.iter().filter(|id| **id == post.to_string()).count(), times, "{post}");
        }
        assert!(!received.contains(&out.to_string()), "fact 28: it can be read, but was not sent to the bot");
    });
}

#[test]
fn an_unreadable_channel_is_reported_once_and_does_not_block_others() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        let room = harness.add_channel_with_bots("room");
        let bot = harness.bots[0].user_id.clone();
        harness.post_in(&room, "known");
        harness.host.sink.wait_for_posts(1).await;
        harness
            .while_disabled(|harness| {
                harness.post_in(&room, "still in");
                harness.simulator.remove_from_channel(&room, &bot);
                harness.post("elsewhere");
            })
            .await;
        harness.host.sink.wait_for_posts(2).await;
        harness.drop_and_reconnect().await;
        harness.post_and_wait(3).await;
        assert_eq!(harness.host.count("bot", "channel_skipped"), 1);
    });
}

#[test]
fn a_channel_joined_while_away_begins_at_the_join() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        harness.post_and_wait(1).await;
        let room = harness.simulator.create_channel(&harness.team, "room");
        let bot = harness.bots[0].user_id.clone();
        harness
            .while_disabled(|harness| {
                harness.post_in(&room, "before the join");
                tick();
                harness.simulator.add_to_channel(&room, &bot);
                harness.post_in(&room, "after the join");
                let direct = harness.simulator.direct_channel(&harness.person.user_id, &bot);
                harness.post_in(&direct, "a direct one, from its beginning");
            })
            .await;
        harness.host.sink.wait_for_posts(4).await;
        harness.post_and_wait(5).await;
        assert_eq!(received_summary(&harness).len(), 5, "the join post, one after it, one direct, two live");
    });
}

#[test]
fn an_archived_channel_brings_its_last_posts() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        let room = harness.add_channel_with_bots("room");
        harness.post_in(&room, "known");
        harness.host.sink.wait_for_posts(1).await;
        let mut last = PostId::default();
        harness
            .while_disabled(|harness| {
                last = harness.post_in(&room, "last");
                harness.simulator.archive_channel(&room);
            })
            .await;
        harness.host.sink.wait_for_changes(1, |taken| taken.id == last).await;
    });
}
