//! Losses and duplicates of real installations, case by case, over sockets.

mod dated_back;
mod odd;
mod rejoined;
mod scenarios;

use std::time::Duration;

use matterhost_actors::{
    hosting::{CatchUpSettings, HostSettings},
    model::{Change, Fact, PostId, Truncation},
};
use matterhost_simulator::{Fault, FaultKind, ServerVersion};

use crate::{
    catch_up::{catching_up, post_at, received_summary, server_now, tick},
    simulator_harness::{SimulatorHarness, fast_settings, quick_simulator_of, run},
};

const POSTS: &str = "GET /channels/{channel_id}/posts";
const YEAR_MS: i64 = 365 * 24 * 3_600_000;

/// Cursors that move on within a test.
fn short_overlap() -> HostSettings {
    let overlap = Duration::from_millis(1);
    catching_up(CatchUpSettings { overlap, ..CatchUpSettings::default() })
}

/// Runs a test with each version of the server.
fn on_each_version(test: impl AsyncFn(ServerVersion)) {
    for version in ServerVersion::ALL {
        run(async || test(version).await);
    }
}

async fn harness_with(version: ServerVersion, settings: HostSettings) -> SimulatorHarness {
    SimulatorHarness::with_settings(quick_simulator_of(version), settings, &["bot".into()]).await
}

/// Asserts that each of the posts came exactly once.
fn assert_once(harness: &SimulatorHarness, posts: &[PostId]) {
    let heard = received_summary(harness);
    for post in posts {
        assert_eq!(heard.iter().filter(|id| **id == post.to_string()).count(), 1, "{post} in {heard:?}");
    }
}

async fn wait_for(harness: &mut SimulatorHarness, post: &PostId) {
    harness.host.sink.wait_for_changes(1, |taken| taken.id == *post).await;
}

#[test]
fn a_channel_that_was_refused_keeps_its_hole_until_it_was_read() {
    on_each_version(async |version| {
        for refusal in [FaultKind::Forbidden, FaultKind::NotFound] {
            let mut harness = harness_with(version, short_overlap()).await;
            harness.post_and_wait(1).await;
            let mut posts = Vec::new();
            harness
                .while_disabled(|harness| {
                    posts.push(harness.post("missed"));
                    harness.simulator.inject(Fault::new(refusal.clone()).route(POSTS).times(1));
                })
                .await;
            for text in ["live", "later"] {
                tick();
                tick();
                posts.push(harness.post(text));
                wait_for(&mut harness, posts.last().unwrap()).await;
            }
            assert!(!received_summary(&harness).contains(&posts[0].to_string()), "it was refused");
            assert_eq!(harness.host.count("bot", "channel_skipped"), 1);
            harness.wait_until_stored(&posts[2]).await;
            // A kill in between changes nothing.
            let before = harness.kill().await.remove("bot").unwrap();
            assert!(before.len() >= 3);
            harness.start_without_waiting().await;
            let missed = &posts[0];
            harness.sinks["bot"].wait_for_changes(1, |taken| taken.id == *missed).await;
            let again: Vec<_> = harness.sinks["bot"].posts().into_iter().map(|post| post.id).collect();
            assert!(
                again.iter().filter(|id| **id != *missed).count() <= 1,
                "known posts stay known: {again:?}"
            );
        }
    });
}

#[test]
fn a_refusal_by_a_proxy_passes_and_is_not_the_channels_word() {
    on_each_version(async |version| {
        for status in [403, 404] {
            let mut harness = harness_with(version, short_overlap()).await;
            harness.post_and_wait(1).await;
            let mut missed = PostId::default();
            harness
                .while_disabled(|harness| {
                    missed = harness.post("missed");
                    harness.simulator.inject(Fault::new(FaultKind::ProxyPage(status)).route(POSTS).times(1));
                })
                .await;
            wait_for(&mut harness, &missed).await;
            assert_eq!(harness.host.count("bot", "channel_skipped"), 0);
            assert_eq!(harness.host.count("bot", "misconfigured"), 0);
        }
    });
}

#[test]
fn a_post_dated_into_the_future_moves_nothing_outside_its_channel() {
    on_each_version(async |version| {
        for max_age in [None, Some(Duration::from_secs(3_600))] {
            let settings = CatchUpSettings { max_age, ..CatchUpSettings::default() };
            let mut harness = harness_with(version, catching_up(settings)).await;
            let room = harness.simulator.create_channel(&harness.team, "room");
            let bot = harness.bots[0].user_id.clone();
            let future = post_at(&harness, server_now(&harness) + YEAR_MS);
            harness.host.sink.wait_for_posts(2).await;
            harness.drop_and_reconnect().await;
            let mut posts = vec![future];
            harness
                .while_disabled(|harness| {
                    harness.simulator.add_to_channel(&room, &bot);
                    posts.push(harness.post_in(&room, "in the new room"));
                    posts.push(harness.post("beside the future one"));
                })
                .await;
            for post in &posts {
                wait_for(&mut harness, post).await;
            }
            harness.while_disabled(|harness| posts.push(harness.post_in(&room, "a later outage"))).await;
            wait_for(&mut harness, &posts[3].clone()).await;
            harness.drop_and_reconnect().await;
            assert_once(&harness, &posts);
        }
    });
}

#[test]
fn two_posts_dated_into_the_future_do_not_lose_their_channel() {
    on_each_version(async |version| {
        let mut harness = harness_with(version, short_overlap()).await;
        let now = server_now(&harness);
        let mut posts = vec![post_at(&harness, now + YEAR_MS), post_at(&harness, now + YEAR_MS + 11_000)];
        harness.host.sink.wait_for_posts(3).await;
        for text in ["first", "second"] {
            harness.drop_and_reconnect().await;
            harness.while_disabled(|harness| posts.push(harness.post(text))).await;
            wait_for(&mut harness, &posts.last().unwrap().clone()).await;
        }
        assert_once(&harness, &posts);
    });
}

#[test]
fn a_server_clock_that_was_ahead_for_a_while_loses_nothing_when_it_is_right_again() {
    on_each_version(async |version| {
        let mut harness = harness_with(version, short_overlap()).await;
        harness.post_and_wait(1).await;
        harness.simulator.shift_clock(3_600_000);
        harness.drop_and_reconnect().await;
        for text in ["ahead", "still ahead"] {
            tick();
            let post = harness.post(text);
            wait_for(&mut harness, &post).await;
        }
        harness.drop_and_reconnect().await;
        let mut missed = PostId::default();
        harness
            .while_disabled(|harness| {
                harness.simulator.shift_clock(0);
                missed = harness.post("by the right clock");
            })
            .await;
        wait_for(&mut harness, &missed).await;
    });
}

#[test]
fn a_short_page_is_not_the_last_one() {
    on_each_version(async |version| {
        for (rows, times) in [(150, 3), (1, 3), (0, 1)] {
            let mut harness = harness_with(version, fast_settings()).await;
            post_at(&harness, server_now(&harness) - 60_000);
            harness.host.sink.wait_for_posts(2).await;
            let mut posts = Vec::new();
            harness
                .while_disabled(|harness| {
                    let now = server_now(harness);
                    posts = (0..450).map(|n| post_at(harness, now + n / 2)).collect();
                    harness.simulator.inject(Fault::new(FaultKind::ShortPage(rows)).times(times));
                })
                .await;
            for post in posts.iter().rev() {
                wait_for(&mut harness, post).await;
            }
            assert_once(&harness, &posts);
        }
    });
}

#[test]
fn posts_that_the_plan_hides_are_told_of() {
    run(async || {
        let mut harness = harness_with(ServerVersion::V11_1, short_overlap()).await;
        let now = server_now(&harness);
        harness.host.sink.wait_for_posts(1).await;
        let mut posts = Vec::new();
        harness
            .while_disabled(|harness| {
                posts = (0..500).map(|n| post_at(harness, now + 10 + n)).collect();
                harness.simulator.hide_posts_before(Some(now + 10 + 250));
            })
            .await;
        wait_for(&mut harness, &posts[499].clone()).await;
        assert_once(&harness, &posts[250..]);
        let told = |fact: &Fact| {
            matches!(fact, Fact::CatchUpTruncated { what: Truncation::Inaccessible { .. }, .. })
        };
        assert!(harness.host.seen.iter().any(|seen| told(&seen.fact)), "fact 34");
    });
}

#[test]
fn edits_and_deletions_behind_a_thousand_new_posts_come() {
    on_each_version(async |version| {
        for new in [1_104, 2_500] {
            let mut harness = harness_with(version, fast_settings()).await;
            let old: Vec<PostId> = (0..7).map(|n| harness.post(&format!("old {n}"))).collect();
            harness.host.sink.wait_for_posts(7).await;
            harness
                .while_disabled(|harness| {
                    (0..new).for_each(|n| drop(harness.post(&format!("new {n}"))));
                    tick();
                    old[..5]
                        .iter()
                        .for_each(|post| drop(harness.simulator.edit_post(post.as_str(), "edited")));
                    old[5..].iter().for_each(|post| harness.simulator.delete_post(post.as_str()));
                })
                .await;
            let is_change = |change: &Change| !matches!(change, Change::Posted(_));
            harness.host.sink.wait_for_changes(7, |taken| is_change(&taken.change)).await;
            assert_eq!(received_summary(&harness).len(), 7 + new + 7);
        }
    });
}

#[test]
fn changes_that_the_server_leaves_out_are_told_of_as_what_they_are() {
    on_each_version(async |version| {
        let mut harness = harness_with(version, fast_settings()).await;
        let old = harness.post("old");
        wait_for(&mut harness, &old).await;
        let at = server_now(&harness) + 60_000;
        let mut posts = Vec::new();
        harness
            .while_disabled(|harness| {
                // No time lies between them, from which the rest could be asked for.
                posts = (0..1_200).map(|_| post_at(harness, at)).collect();
                harness.simulator.shift_clock(120_000);
                harness.simulator.edit_post(old.as_str(), "edited");
            })
            .await;
        harness.host.sink.wait_for_posts(2 + posts.len()).await;
        assert_once(&harness, &posts);
        harness.host.pass_observations();
        let told = |fact: &Fact| {
            matches!(fact, Fact::CatchUpTruncated { what: Truncation::Changes { limit: 1_000 }, .. })
        };
        assert!(harness.host.seen.iter().any(|seen| told(&seen.fact)), "fact 25");
    });
}

#[test]
fn what_was_said_while_the_bot_was_out_is_not_told_though_it_left_and_came_back_while_away() {
    on_each_version(async |version| {
        let mut harness = harness_with(version, fast_settings()).await;
        let room = harness.add_channel_with_bots("room");
        let bot = harness.bots[0].user_id.clone();
        let known = harness.post_in(&room, "known");
        wait_for(&mut harness, &known).await;
        let (mut told, mut out) = (vec![known], Vec::new());
        harness
            .while_disabled(|harness| {
                told.push(harness.post_in(&room, "still in"));
                tick();
                harness.simulator.remove_from_channel(&room, &bot);
                tick();
                out = (0..5).map(|n| harness.post_in(&room, &format!("out {n}"))).collect();
                tick();
                harness.simulator.add_to_channel(&room, &bot);
                tick();
                told.push(harness.post_in(&room, "back in"));
            })
            .await;
        wait_for(&mut harness, &told[2].clone()).await;
        harness.drop_and_reconnect().await;
        harness.while_disabled(|harness| told.push(harness.post_in(&room, "later"))).await;
        wait_for(&mut harness, &told[3].clone()).await;
        assert_once(&harness, &told);
        let heard = received_summary(&harness);
        assert!(out.iter().all(|post| !heard.contains(&post.to_string())), "{heard:?}");
    });
}
