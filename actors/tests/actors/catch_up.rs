//! Catching up after a time away, case by case, over sockets.

use std::{collections::BTreeSet, time::Duration};

use matterhost_actors::{
    hosting::{CatchUpSettings, DeliverySettings, HostSettings},
    mattermost::ClientLimits,
    model::{Change, Fact, PostId, Truncation},
    policy::StartFrom,
};
use matterhost_simulator::{Fault, FaultKind, PostOptions};

use crate::{
    harness::ReceivedChange,
    simulator_harness::{SimulatorHarness, fast_settings, quick_simulator, run},
};

fn is_post(taken: &ReceivedChange) -> bool {
    matches!(taken.change, Change::Posted(_))
}

/// The ids of the received changes, in order; an edit's begins with `edited`, a deletion's with `deleted`.
pub(crate) fn received_summary(harness: &SimulatorHarness) -> Vec<String> {
    let tell = |taken: ReceivedChange| match taken.change {
        Change::Posted(post) => post.id.to_string(),
        Change::Edited { id, .. } => format!("edited {id}"),
        Change::Deleted { id } => format!("deleted {id}"),
        Change::Left => "left".into(),
    };
    harness.sinks["bot"].received_changes().into_iter().map(tell).collect()
}

pub(crate) fn catching_up(catch_up: CatchUpSettings) -> HostSettings {
    HostSettings { catch_up, ..fast_settings() }
}

/// Posts by the person with a time of its own.
pub(crate) fn post_at(harness: &SimulatorHarness, create_at: i64) -> PostId {
    let post = harness.simulator.post_with(&PostOptions {
        user_id: harness.person.user_id.clone(),
        channel_id: harness.channel.clone(),
        message: "back then".into(),
        create_at: Some(create_at),
        ..PostOptions::default()
    });
    post.id.as_str().into()
}

/// Lets the server's clock go on: what shares a millisecond has no order in it.
pub(crate) fn tick() {
    std::thread::sleep(Duration::from_millis(2));
}

pub(crate) fn server_now(harness: &SimulatorHarness) -> i64 {
    let id = harness.post("what time is it?");
    let posts = harness.simulator.posts_in(&harness.channel);
    posts.iter().find(|post| post.id == id.as_str()).unwrap().create_at
}

#[test]
fn posts_made_while_a_bot_is_disabled_come_when_it_is_enabled() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        harness.post_and_wait(1).await;
        let mut missed = BTreeSet::new();
        harness
            .while_disabled(|harness| {
                missed = (0..300).map(|n| harness.post(&format!("missed {n}"))).collect();
            })
            .await;
        let live = harness.post("live");
        harness.host.sink.wait_for_posts(302).await;
        let received = harness.host.sink.posts();
        let recovered = &received[1..301];
        assert_eq!(recovered.iter().map(|post| post.id.clone()).collect::<BTreeSet<_>>(), missed);
        assert!(recovered.is_sorted_by_key(|post| (post.create_at, post.id.clone())));
        assert!(recovered.iter().all(|post| post.recovered));
        assert_eq!((received[301].id.clone(), received[301].recovered), (live, false));
        assert_eq!(harness.host.snapshot("bot").await.recovered, 300);
    });
}

#[test]
fn ten_thousand_posts_of_one_channel_come_in_order_with_a_request_for_each_two_hundred() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        // One that is older than the overlap is the anchor to begin at.
        post_at(&harness, server_now(&harness) - 60_000);
        harness.host.sink.wait_for_posts(2).await;
        let before = harness.simulator.counters().requests_to("GET /channels/{channel_id}/posts");
        harness.while_disabled(|harness| (0..10_000).for_each(|_| drop(harness.post("m")))).await;
        harness.host.sink.wait_for_posts(10_002).await;
        let received = harness.host.sink.posts().split_off(2);
        let times: Vec<_> = received.into_iter().map(|post| (post.create_at, post.id)).collect();
        assert!(times.len() == 10_000 && times.is_sorted(), "by create_at and id");
        let asked = harness.simulator.counters().requests_to("GET /channels/{channel_id}/posts") - before;
        assert!((52..=64).contains(&asked), "{asked} requests: the pages, how far it is, and edits since");
    });
}

#[test]
fn pages_that_were_read_on_the_way_back_are_not_fetched_again() {
    run(async || {
        let mut asked = 0;
        // On a busy machine a catch-up may be interrupted, and is begun again.
        for _ in 0..5 {
            let mut harness = SimulatorHarness::with_one_bot().await;
            let before = harness.simulator.counters().requests_to("GET /channels/{channel_id}/posts");
            harness.while_disabled(|harness| (0..2_000).for_each(|_| drop(harness.post("m")))).await;
            harness.host.sink.wait_for_posts(2_000).await;
            let received = harness.host.sink.posts();
            let times: Vec<_> = received.into_iter().map(|post| (post.create_at, post.id)).collect();
            assert!(times.len() == 2_000 && times.is_sorted(), "by create_at and id");
            asked = harness.simulator.counters().requests_to("GET /channels/{channel_id}/posts") - before;
            if (11..=15).contains(&asked) {
                return;
            }
        }
        panic!("{asked} requests: the pages, what follows them, and edits since");
    });
}

#[test]
fn edits_and_deletions_come_after_the_posts_and_each_once() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        let [edited, deleted, both] = ["a", "b", "c"].map(|text| harness.post(text));
        harness.host.sink.wait_for_posts(3).await;
        let mut new = PostId::default();
        harness
            .while_disabled(|harness| {
                harness.simulator.edit_post(edited.as_str(), "changed");
                harness.simulator.edit_post(both.as_str(), "changed");
                harness.simulator.delete_post(both.as_str());
                harness.simulator.delete_post(deleted.as_str());
                new = harness.post("new");
            })
            .await;
        harness.host.sink.wait_for_changes(3, |taken| !is_post(taken)).await;
        let received = received_summary(&harness);
        assert_eq!(received[3], new.to_string());
        let changes: BTreeSet<&str> = received[4..].iter().map(String::as_str).collect();
        let wanted = [format!("edited {edited}"), format!("deleted {deleted}"), format!("deleted {both}")];
        assert_eq!(changes, wanted.iter().map(String::as_str).collect(), "fact 25: history is no deletion");

        harness.simulator.edit_post(edited.as_str(), "changed live");
        harness.simulator.pin_post(edited.as_str());
        harness.host.sink.wait_for_changes(2, |taken| matches!(taken.change, Change::Edited { .. })).await;
        harness.drop_and_reconnect().await;
        harness.while_disabled(|harness| drop(harness.post("last"))).await;
        harness.host.sink.wait_for_posts(5).await;
        assert_eq!(
            received_summary(&harness).len(),
            9,
            "nothing came twice: {:?}",
            received_summary(&harness)
        );
    });
}

#[test]
fn a_deletion_alone_comes_from_a_channel_that_was_active() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        let post = harness.post("soon deleted");
        harness.host.sink.wait_for_posts(1).await;
        harness.while_disabled(|harness| harness.simulator.delete_post(post.as_str())).await;
        let is_told = |taken: &ReceivedChange| taken.change == Change::Deleted { id: post.clone() };
        harness.host.sink.wait_for_changes(1, is_told).await;
    });
}

#[test]
fn a_reply_to_an_old_root_comes_without_the_root() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        let root = harness.simulator.post(&harness.person.user_id, &harness.channel, "root");
        harness.host.sink.wait_for_posts(1).await;
        harness
            .while_disabled(|harness| drop(harness.simulator.reply(&harness.person.user_id, &root, "reply")))
            .await;
        harness.host.sink.wait_for_posts(2).await;
        harness.post_and_wait(3).await;
        assert_eq!(received_summary(&harness).len(), 3, "fact 11: roots come along and are no news");
    });
}

#[test]
fn more_posts_of_one_millisecond_than_a_page_holds_all_come() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        harness.post_and_wait(1).await;
        harness
            .while_disabled(|harness| {
                let now = server_now(harness) + 1;
                (0..450).for_each(|_| drop(post_at(harness, now)));
                (0..10).for_each(|n| drop(post_at(harness, now + 1 + n)));
            })
            .await;
        harness.host.sink.wait_for_posts(462).await;
        assert_eq!(received_summary(&harness).iter().collect::<BTreeSet<_>>().len(), 462, "fact 23");
    });
}

#[test]
fn a_lagging_list_is_corrected_by_the_next_one() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        harness.post_and_wait(1).await;
        harness.simulator.freeze_channel_lists();
        let quiet = harness.add_channel_with_bots("quiet");
        harness.drop_and_reconnect().await;
        let mut missed = PostId::default();
        harness.while_disabled(|harness| missed = harness.post_in(&quiet, "not in the list yet")).await;
        harness.simulator.unfreeze_channel_lists();
        harness.drop_and_reconnect().await;
        harness.host.sink.wait_for_changes(1, |taken| taken.id == missed).await;
    });
}

#[test]
fn a_gap_on_a_live_socket_is_filled_without_ending_it() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        harness.post_and_wait(1).await;
        harness.simulator.inject(Fault::new(FaultKind::SequenceGap).times(1));
        let lost = harness.post("lost");
        tick();
        let seen = harness.post("seen");
        harness.host.sink.wait_for_posts(3).await;
        harness.host.wait_for("bot", |fact| matches!(fact, Fact::CaughtUp { recovered: 2, .. })).await;
        assert_eq!(
            received_summary(&harness)[1..],
            [lost.to_string(), seen.to_string()],
            "before what came after it"
        );
        assert_eq!(harness.host.count("bot", "closed"), 0);
    });
}

#[test]
fn beyond_the_limit_only_the_newest_posts_come_and_this_is_reported() {
    let few = CatchUpSettings { max_posts_per_channel: 40, ..CatchUpSettings::default() };
    run(async || {
        let mut harness =
            SimulatorHarness::with_settings(quick_simulator(), catching_up(few), &["bot".into()]).await;
        harness.post_and_wait(1).await;
        let mut missed = Vec::new();
        let now = server_now(&harness);
        harness
            .while_disabled(|harness| {
                missed = (0..300).map(|n| post_at(harness, now + n).to_string()).collect();
            })
            .await;
        harness.host.sink.wait_for_changes(1, |taken| taken.id.as_str() == missed[299]).await;
        assert_eq!(received_summary(&harness)[2..], missed[260..]);
        let truncated = |fact: &Fact| {
            matches!(fact, Fact::CatchUpTruncated { what: Truncation::Posts { limit: 40 }, .. })
        };
        assert!(harness.host.seen.iter().any(|seen| truncated(&seen.fact)));
    });
}

#[test]
fn posts_that_are_too_old_are_skipped_and_this_is_reported() {
    let young = CatchUpSettings { max_age: Some(Duration::from_secs(60)), ..CatchUpSettings::default() };
    run(async || {
        let simulator = quick_simulator();
        simulator.shift_clock(-600_000);
        let mut harness =
            SimulatorHarness::with_settings(simulator, catching_up(young), &["bot".into()]).await;
        let now = server_now(&harness) + 600_000;
        harness.host.sink.wait_for_posts(1).await;
        harness
            .while_disabled(|harness| {
                harness.simulator.shift_clock(0);
                for age in [120_000, 30_000, 20_000] {
                    post_at(harness, now - age);
                }
            })
            .await;
        harness.host.sink.wait_for_posts(3).await;
        harness.host.wait_for("bot", |fact| matches!(fact, Fact::ProbeGood { .. })).await;
        assert_eq!(received_summary(&harness).len(), 3);
        let truncated =
            |fact: &Fact| matches!(fact, Fact::CatchUpTruncated { what: Truncation::Age { .. }, .. });
        assert!(harness.host.seen.iter().any(|seen| truncated(&seen.fact)));
    });
}

#[test]
fn a_first_start_can_begin_with_all_posts_or_at_a_time() {
    run(async || {
        for (posts, from) in [(453, StartFrom::At(0)), (3, StartFrom::At(2_000)), (0, StartFrom::Now)] {
            let simulator = quick_simulator();
            let settings = catching_up(CatchUpSettings { from, ..CatchUpSettings::default() });
            let mut harness = SimulatorHarness::with_settings(simulator, settings, &[]).await;
            (0..450).for_each(|n| drop(post_at(&harness, 1_000 + n)));
            (0..3).for_each(|n| drop(post_at(&harness, 3_000 + n)));
            harness.add_bot("bot").await;
            harness.host.sink.wait_for_posts(posts).await;
            assert_eq!(received_summary(&harness).len(), posts, "{from:?}");
        }
    });
}

#[test]
fn a_bots_own_posts_are_skipped_unless_configured() {
    run(async || {
        for skip_own in [true, false] {
            let delivery = DeliverySettings { skip_own, ..DeliverySettings::default() };
            let settings = HostSettings { delivery, ..fast_settings() };
            let mut harness =
                SimulatorHarness::with_settings(quick_simulator(), settings, &["bot".into()]).await;
            let bot = harness.bots[0].user_id.clone();
            harness.simulator.post(&bot, &harness.channel, "live");
            harness
                .while_disabled(|harness| drop(harness.simulator.post(&bot, &harness.channel, "recovered")))
                .await;
            harness.post("a post of another user");
            let posts = if skip_own { 1 } else { 3 };
            harness.host.sink.wait_for_posts(posts).await;
            assert_eq!(received_summary(&harness).len(), posts);
        }
    });
}

#[test]
fn a_frame_over_the_limit_comes_by_rest() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        let filler = serde_json::Value::from("y".repeat(400 * 1024));
        let post = harness.simulator.post_with(&PostOptions {
            user_id: harness.person.user_id.clone(),
            channel_id: harness.channel.clone(),
            message: "x".repeat(16_000),
            props: [("filler".to_owned(), filler)].into_iter().collect(),
            ..Default::default()
        });
        harness.host.wait_for("bot", |fact| matches!(fact, Fact::Closed { .. })).await;
        harness.host.sink.wait_for_posts(1).await;
        let received = harness.host.sink.posts();
        assert_eq!((received[0].id.as_str(), received[0].recovered), (post.id.as_str(), true));
    });
}

#[test]
fn pages_that_are_too_large_are_asked_for_in_smaller_ones() {
    run(async || {
        let limits = ClientLimits { max_body_bytes: 64 * 1024, ..ClientLimits::default() };
        let mut harness =
            SimulatorHarness::with_limits(quick_simulator(), fast_settings(), limits, &["bot".into()]).await;
        harness.post_and_wait(1).await;
        harness
            .while_disabled(|harness| {
                (0..100).for_each(|n| drop(harness.post(&format!("{n} {}", "long ".repeat(400)))));
            })
            .await;
        harness.host.sink.wait_for_posts(101).await;
    });
}

#[test]
fn a_channel_without_news_costs_no_request() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        let channels: Vec<String> =
            (0..500).map(|n| harness.add_channel_with_bots(&format!("room-{n}"))).collect();
        // The channels are listed once, so that they are known.
        harness.drop_and_reconnect().await;
        let mut before = 0;
        harness
            .while_disabled(|harness| {
                before = harness.simulator.counters().requests_to("GET /channels/{channel_id}/posts");
                channels[..3].iter().for_each(|channel| drop(harness.post_in(channel, "news")));
            })
            .await;
        harness.host.sink.wait_for_posts(3).await;
        let asked = harness.simulator.counters().requests_to("GET /channels/{channel_id}/posts") - before;
        assert!(
            (6..=8).contains(&asked),
            "{asked} requests for 3 channels with news: posts, and edits since"
        );
    });
}
