//! Posts made while the bot is away, with a creation time of their own before the last one heard.

use std::time::Duration;

use matterhost_actors::{
    hosting::{CatchUpSettings, HostSettings},
    model::{Fact, PostId},
};

use matterhost_simulator::ServerVersion;

use super::{assert_once, harness_with, on_each_version, wait_for};
use crate::{
    catch_up::{catching_up, post_at, received_summary, server_now},
    simulator_harness::SimulatorHarness,
};

const SECOND_MS: i64 = 1_000;

fn overlapping(seconds: u64) -> HostSettings {
    let overlap = Duration::from_secs(seconds);
    catching_up(CatchUpSettings { overlap, ..CatchUpSettings::default() })
}

/// Starts a bot that has heard posts of 300, 200, 150 and 30 s ago and of now. Returns the server's time.
async fn with_known_posts(version: ServerVersion, overlap_s: u64) -> (SimulatorHarness, i64) {
    let mut harness = harness_with(version, overlapping(overlap_s)).await;
    let now = server_now(&harness);
    for ago in [300, 200, 150] {
        post_at(&harness, now - ago * SECOND_MS);
    }
    let known = post_at(&harness, now - 30 * SECOND_MS);
    wait_for(&mut harness, &known).await;
    let latest = harness.post("latest");
    wait_for(&mut harness, &latest).await;
    (harness, now)
}

/// Makes five posts dated back by about a minute and one of now, while the bot is away.
async fn miss_posts_dated_back(
    harness: &mut SimulatorHarness,
    now: i64,
    then: impl Fn(&SimulatorHarness, &PostId),
) -> Vec<PostId> {
    let mut posts = Vec::new();
    harness
        .while_disabled(|harness| {
            posts = (0..5).map(|n| post_at(harness, now - 60 * SECOND_MS + n)).collect();
            for post in &posts {
                then(harness, post);
            }
            posts.push(harness.post("now"));
        })
        .await;
    wait_for(harness, &posts[5].clone()).await;
    posts
}

#[test]
fn posts_dated_back_by_less_than_the_overlap_are_told_in_their_place() {
    on_each_version(async |version| {
        let (mut harness, now) = with_known_posts(version, 120).await;
        let posts = miss_posts_dated_back(&mut harness, now, |_, _| {}).await;
        assert_once(&harness, &posts);
        let heard = received_summary(&harness);
        let ids: Vec<String> = posts.iter().map(ToString::to_string).collect();
        assert_eq!(heard[heard.len() - 6..], ids[..]);
        assert_eq!(harness.host.count("bot", "older_posts_untold"), 0);
    });
}

#[test]
fn older_posts_that_changed_without_a_visible_cause_are_counted() {
    on_each_version(async |version| {
        let (mut harness, now) = with_known_posts(version, 10).await;
        let posts = miss_posts_dated_back(&mut harness, now, |harness, post| {
            let person = &harness.person.user_id;
            harness.simulator.add_reaction(person, post.as_str(), "ok");
            harness.simulator.remove_reaction(person, post.as_str(), "ok");
        });
        let posts = posts.await;
        let counted = |fact: &Fact| matches!(fact, Fact::OlderPostsUntold { posts: 5, .. });
        assert!(harness.host.seen.iter().any(|seen| counted(&seen.fact)), "{:?}", harness.host.seen);
        let heard = received_summary(&harness);
        assert!(posts[..5].iter().all(|post| !heard.contains(&post.to_string())), "{heard:?}");
    });
}

#[test]
fn older_posts_with_a_new_reply_reaction_or_pin_are_not_counted() {
    on_each_version(async |version| {
        let (mut harness, _) = with_known_posts(version, 10).await;
        let old: Vec<_> = harness.simulator.posts_in(&harness.channel).into_iter().take(3).collect();
        let mut reply = PostId::default();
        harness
            .while_disabled(|harness| {
                let person = &harness.person.user_id;
                harness.simulator.add_reaction(person, &old[0].id, "ok");
                harness.simulator.pin_post(&old[1].id);
                reply = harness.simulator.reply(person, &old[2], "reply").id.as_str().into();
            })
            .await;
        wait_for(&mut harness, &reply).await;
        assert_eq!(harness.host.count("bot", "older_posts_untold"), 0);
    });
}
