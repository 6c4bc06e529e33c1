//! Channels that the bot was removed from and added to again, whose membership posts somebody deleted.

use matterhost_actors::model::PostId;

use super::{assert_once, harness_with, on_each_version, short_overlap, wait_for};
use crate::{
    catch_up::{received_summary, tick},
    simulator_harness::{SimulatorHarness, fast_settings},
};

/// Makes a post at a millisecond of its own.
fn post(harness: &SimulatorHarness, room: &str, text: &str) -> PostId {
    tick();
    let post = harness.post_in(room, text);
    tick();
    post
}

/// Returns the id of the channel's newest post of a type.
fn newest_of(harness: &SimulatorHarness, room: &str, kind: &str) -> String {
    harness.simulator.posts_in(room).into_iter().rfind(|post| post.kind == kind).unwrap().id
}

/// Adds the bot and deletes the post that tells of it.
fn add_and_delete_the_join_post(harness: &SimulatorHarness, room: &str) {
    harness.simulator.add_to_channel(room, &harness.bots[0].user_id);
    tick();
    harness.simulator.delete_post(&newest_of(harness, room, "system_add_to_channel"));
}

/// Creates a channel with the bot, in which it has heard a post.
async fn room_with_a_known_post(harness: &mut SimulatorHarness) -> (String, PostId) {
    let room = harness.add_channel_with_bots("room");
    let known = harness.post_in(&room, "known");
    wait_for(harness, &known).await;
    (room, known)
}

fn assert_never(harness: &SimulatorHarness, posts: &[PostId]) {
    let heard = received_summary(harness);
    assert!(posts.iter().all(|post| !heard.contains(&post.to_string())), "{posts:?} in {heard:?}");
}

#[test]
fn what_follows_the_return_is_told_though_the_join_post_was_deleted() {
    on_each_version(async |version| {
        let mut harness = harness_with(version, fast_settings()).await;
        let (room, known) = room_with_a_known_post(&mut harness).await;
        let bot = harness.bots[0].user_id.clone();
        let (mut told, mut out) = (vec![known], Vec::new());
        harness
            .while_disabled(|harness| {
                for round in 0..2 {
                    told.push(post(harness, &room, &format!("in {round}")));
                    harness.simulator.remove_from_channel(&room, &bot);
                    out.push(post(harness, &room, &format!("out {round}")));
                    add_and_delete_the_join_post(harness, &room);
                }
                told.push(post(harness, &room, "back in"));
            })
            .await;
        wait_for(&mut harness, &told[3].clone()).await;
        // The leave post is still within the overlap: the next round sees it again.
        harness.while_disabled(|harness| told.push(harness.post_in(&room, "later"))).await;
        wait_for(&mut harness, &told[4].clone()).await;
        assert_once(&harness, &told);
        assert_never(&harness, &out);
    });
}

#[test]
fn what_follows_the_return_is_told_though_the_bot_heard_only_of_its_removal() {
    on_each_version(async |version| {
        let mut harness = harness_with(version, short_overlap()).await;
        let (room, known) = room_with_a_known_post(&mut harness).await;
        let bot = harness.bots[0].user_id.clone();
        harness.simulator.remove_from_channel(&room, &bot);
        let (mut told, mut out) = (vec![known], vec![post(&harness, &room, "out")]);
        harness
            .while_disabled(|harness| {
                out.push(post(harness, &room, "still out"));
                add_and_delete_the_join_post(harness, &room);
                told.push(post(harness, &room, "back in"));
            })
            .await;
        wait_for(&mut harness, &told[1].clone()).await;
        assert_once(&harness, &told);
        assert_never(&harness, &out);
    });
}

#[test]
fn what_follows_a_leave_is_told_if_the_list_alone_shows_the_return() {
    on_each_version(async |version| {
        let mut harness = harness_with(version, short_overlap()).await;
        let (room, known) = room_with_a_known_post(&mut harness).await;
        let bot = harness.bots[0].user_id.clone();
        let mut told = vec![known];
        harness
            .while_disabled(|harness| {
                harness.simulator.remove_from_channel(&room, &bot);
                tick();
                harness.simulator.add_to_channel_quietly(&room, &bot);
                told.push(post(harness, &room, "back in"));
                // The list is made some seconds later.
                harness.simulator.shift_clock(5_000);
            })
            .await;
        wait_for(&mut harness, &told[1].clone()).await;
        harness.while_disabled(|harness| told.push(harness.post_in(&room, "later"))).await;
        wait_for(&mut harness, &told[2].clone()).await;
        assert_once(&harness, &told);
    });
}

#[test]
fn what_follows_a_leave_waits_for_a_list_that_is_later() {
    on_each_version(async |version| {
        let mut harness = harness_with(version, fast_settings()).await;
        let (room, known) = room_with_a_known_post(&mut harness).await;
        let bot = harness.bots[0].user_id.clone();
        let mut told = vec![known];
        harness
            .while_disabled(|harness| {
                harness.simulator.remove_from_channel(&room, &bot);
                tick();
                harness.simulator.add_to_channel_quietly(&room, &bot);
                told.push(post(harness, &room, "back in"));
            })
            .await;
        told.push(post(&harness, &room, "live"));
        wait_for(&mut harness, &told[2].clone()).await;
        assert_never(&harness, &told[1..2]);
        // The overlap is ten seconds.
        harness.simulator.shift_clock(20_000);
        harness.drop_and_reconnect().await;
        wait_for(&mut harness, &told[1].clone()).await;
        assert_once(&harness, &told);
        assert_eq!(harness.host.count("bot", "channel_skipped"), 0);
    });
}

#[test]
fn a_channel_joined_while_away_begins_at_the_join_though_its_post_was_deleted() {
    on_each_version(async |version| {
        let mut harness = harness_with(version, fast_settings()).await;
        harness.post_and_wait(1).await;
        let room = harness.simulator.create_channel(&harness.team, "room");
        let (mut before, mut after) = (PostId::default(), PostId::default());
        harness
            .while_disabled(|harness| {
                before = post(harness, &room, "before the join");
                add_and_delete_the_join_post(harness, &room);
                after = post(harness, &room, "after the join");
            })
            .await;
        wait_for(&mut harness, &after).await;
        assert_once(&harness, &[after]);
        assert_never(&harness, &[before]);
    });
}
