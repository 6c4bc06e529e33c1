//! Rows, pages and lists that are not as they should be.

use matterhost_actors::{
    mattermost::ClientLimits,
    model::{Change, Fact, PostId},
};
use matterhost_simulator::Fault;

use super::{assert_once, harness_with, on_each_version, short_overlap, wait_for};
use crate::{
    catch_up::tick,
    harness::ReceivedChange,
    simulator_harness::{SimulatorHarness, fast_settings, quick_simulator_of},
};

#[test]
fn an_odd_row_of_a_page_is_fetched_by_itself() {
    on_each_version(async |version| {
        for odd in [Fault::missing_row as fn(&str) -> Fault, Fault::null_create_at] {
            let mut harness = harness_with(version, fast_settings()).await;
            harness.post_and_wait(1).await;
            let mut posts = Vec::new();
            harness
                .while_disabled(|harness| {
                    posts = ["a", "b", "c"].map(|text| harness.post(text)).to_vec();
                    harness.simulator.inject(odd(posts[1].as_str()));
                })
                .await;
            for post in &posts {
                wait_for(&mut harness, post).await;
            }
            assert_once(&harness, &posts);
            assert_eq!(harness.host.count("bot", "row_skipped"), 0);
        }
    });
}

#[test]
fn an_odd_row_that_cannot_be_fetched_either_is_told_and_passed_over() {
    on_each_version(async |version| {
        let mut harness = harness_with(version, fast_settings()).await;
        harness.post_and_wait(1).await;
        let mut posts = Vec::new();
        harness
            .while_disabled(|harness| {
                posts = ["a", "b", "c"].map(|text| harness.post(text)).to_vec();
                harness.simulator.inject(Fault::null_create_at(posts[1].as_str()));
                let null = Some(serde_json::Value::Null);
                let by_itself = matterhost_simulator::FaultKind::Rewrite {
                    pointer: "/create_at".to_owned(),
                    value: null,
                };
                harness.simulator.inject(Fault::new(by_itself).route("GET /posts/{post_id}"));
            })
            .await;
        for post in [&posts[0], &posts[2]] {
            wait_for(&mut harness, post).await;
        }
        let channel = harness.channel.clone();
        let told = |fact: &Fact| match fact {
            Fact::RowSkipped { channel: of, post: Some(post), cause } => {
                of.as_str() == channel
                    && *post == posts[1]
                    && cause.contains("create_at") | cause.contains("null")
            }
            _ => false,
        };
        assert!(harness.host.seen.iter().any(|seen| told(&seen.fact)), "{:?}", harness.host.seen);
    });
}

#[test]
fn the_deletion_of_a_post_whose_row_is_odd_is_told() {
    on_each_version(async |version| {
        let mut harness = harness_with(version, fast_settings()).await;
        let post = harness.post("soon deleted");
        wait_for(&mut harness, &post).await;
        harness
            .while_disabled(|harness| {
                tick();
                harness.simulator.delete_post(post.as_str());
                harness.simulator.inject(Fault::null_create_at(post.as_str()));
                // Without a new post, the list of channels shows no change.
                harness.post("another");
            })
            .await;
        let is_told = |taken: &ReceivedChange| taken.change == Change::Deleted { id: post.clone() };
        harness.host.sink.wait_for_changes(1, is_told).await;
        assert_eq!(harness.host.count("bot", "row_skipped"), 0);
    });
}

#[test]
fn a_channel_with_an_odd_id_costs_itself() {
    on_each_version(async |version| {
        let mut harness = harness_with(version, fast_settings()).await;
        let room = harness.add_channel_with_bots("room");
        let known = harness.post_in(&room, "known");
        wait_for(&mut harness, &known).await;
        let (mut here, mut there) = (PostId::default(), PostId::default());
        harness
            .while_disabled(|harness| {
                here = harness.post("here");
                there = harness.post_in(&room, "there");
                harness.simulator.inject(Fault::odd_channel_id(&room));
            })
            .await;
        wait_for(&mut harness, &here).await;
        // The channel has a cursor, so it is asked for by its own id.
        wait_for(&mut harness, &there).await;
        assert!(harness.host.count("bot", "row_skipped") >= 1);
    });
}

/// Makes a reply in a long thread whose root is older than the cursor, while the bot is away, and waits for it.
async fn miss_a_reply(harness: &mut SimulatorHarness, replies: usize) {
    let root = harness.simulator.post(&harness.person.user_id, &harness.channel, "root");
    for text in ["after the root", "later"] {
        tick();
        tick();
        let post = harness.post(text);
        wait_for(harness, &post).await;
    }
    harness.simulator.fill_thread(&root, replies, 16_000);
    harness
        .while_disabled(|harness| drop(harness.simulator.reply(&harness.person.user_id, &root, "reply")))
        .await;
    harness.host.sink.wait_for_posts(4).await;
}

#[test]
fn a_long_thread_does_not_come_along() {
    on_each_version(async |version| {
        let mut harness = harness_with(version, short_overlap()).await;
        miss_a_reply(&mut harness, 1_200).await;
    });
}

#[test]
fn a_thread_that_comes_along_may_be_longer_than_the_limit() {
    on_each_version(async |version| {
        let limits = ClientLimits { max_body_bytes: 1024 * 1024, ..ClientLimits::default() };
        let names = ["bot".to_owned()];
        let mut harness =
            SimulatorHarness::with_limits(quick_simulator_of(version), short_overlap(), limits, &names).await;
        harness.simulator.bring_threads_along();
        miss_a_reply(&mut harness, 100).await;
    });
}
