//! Tests of stored state: graceful stops, kills at every step, and stores that fail.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use matterhost_actors::{
    hosting::{CatchUpSettings, RemoveAccount, Shutdown},
    model::{AccountState, CloseReason, Event, Fact, PostId},
    ports::CursorStore as _,
};
use matterhost_simulator::{Fault, FaultKind, ServerVersion};

use crate::{
    catch_up::{catching_up, tick},
    harness::{
        CollectingSink, REAL_TIMEOUT, ReceivedChange, SECOND, SinkBehavior, run_paused, settings,
        unlimited_rate,
    },
    simulator_harness::{SimulatorHarness, quick_simulator_of, run},
};

const MS: Duration = Duration::from_millis(1);

/// The routes by which the versions list the channels.
const LISTS: [&str; 2] = ["GET /users/me/teams/{team_id}/channels", "GET /users/me/channels"];

/// Counts how often each post was received in all runs of a host.
fn count_receipts(runs: &[Vec<ReceivedChange>]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for change in runs.iter().flatten() {
        *counts.entry(change.id.to_string()).or_default() += 1;
    }
    counts
}

#[test]
fn posts_made_while_no_host_ran_arrive_once_when_one_starts() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        harness.post_and_wait(1).await;
        let mut first = harness.stop().await;
        let missed = harness.post("missed");
        harness.start().await;
        harness.host.sink.wait_for_changes(1, |change| change.id == missed).await;
        harness.post("live");
        harness.host.sink.wait_for_posts(2).await;
        let runs = [first.remove("bot").unwrap(), harness.host.sink.received_changes()];
        assert_eq!(count_receipts(&runs).into_values().collect::<Vec<_>>(), [1, 1, 1]);
    });
}

#[test]
fn a_graceful_stop_stores_a_resume_point_that_brings_reactions() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        let post = harness.post("to be liked");
        harness.host.sink.wait_for_posts(1).await;
        harness.stop().await;
        harness.simulator.add_reaction(&harness.person.user_id, post.as_str(), "+1");
        harness.start().await;
        assert!(harness.host.seen.iter().any(|seen| seen.fact == Fact::Connected { resumed: true }));
        harness.host.sink.wait_for_event("reaction_added").await;
    });
}

/// Counts how often each change and each reaction was received in all runs of a host, and asserts that all came once.
fn assert_all_once(runs: &[Arc<CollectingSink>], posts: &[PostId]) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let is_told = |event: &&Arc<Event>| event.body.change.is_some() || &*event.body.event == "reaction_added";
    for event in runs.iter().flat_map(|run| run.events()).collect::<Vec<_>>().iter().filter(is_told) {
        *counts.entry(format!("{} {}", event.body.event, event.id())).or_default() += 1;
    }
    assert!(counts.values().all(|count| *count == 1), "{counts:#?}");
    let told: Vec<PostId> = runs.iter().flat_map(|run| run.posts()).map(|post| post.id).collect();
    assert!(posts.iter().all(|post| told.contains(post)), "missing in {told:?}");
}

/// Cursors that forget what is older than the newest post by a millisecond.
async fn forgetful_harness(version: ServerVersion) -> SimulatorHarness {
    let overlap = Duration::from_millis(1);
    let settings = catching_up(CatchUpSettings { overlap, ..CatchUpSettings::default() });
    SimulatorHarness::with_settings(quick_simulator_of(version), settings, &["bot".into()]).await
}

#[test]
fn a_stop_repeats_nothing_that_was_told_after_what_still_waits() {
    run(async || {
        for version in ServerVersion::ALL {
            let mut harness = forgetful_harness(version).await;
            let room = harness.add_channel_with_bots("room");
            harness.sinks["bot"].set_behavior(SinkBehavior::Hold(harness.channel.clone().leak()));
            let mut posts = vec![harness.post("waits")];
            for text in ["a", "b", "c"] {
                tick();
                posts.push(harness.post_in(&room, text));
            }
            harness.simulator.edit_post(posts[1].as_str(), "edited");
            harness.simulator.add_reaction(&harness.person.user_id, posts[1].as_str(), "+1");
            let first = harness.sinks["bot"].clone();
            first.wait_for_event("reaction_added").await;
            harness.host.send(Shutdown { deadline: REAL_TIMEOUT }).await;
            harness.start().await;
            posts.push(harness.post("live"));
            let second = harness.sinks["bot"].clone();
            second.wait_for_changes(1, |change| change.id == posts[4]).await;
            assert_all_once(&[first, second], &posts);
        }
    });
}

#[test]
fn a_stop_during_a_catch_up_repeats_nothing_that_was_fetched() {
    run(async || {
        for (version, list) in ServerVersion::ALL.into_iter().zip(LISTS) {
            let mut harness = forgetful_harness(version).await;
            let room = harness.add_channel_with_bots("room");
            // The list is late, so that the posts come on the socket too; one channel's page never comes.
            let slow = |time, route| Fault::new(FaultKind::Slow(time)).route(route).times(1);
            harness.simulator.inject(slow(300 * MS, list));
            harness.simulator.inject(slow(REAL_TIMEOUT, "GET /channels/{channel_id}/posts"));
            harness.host.pass_observations();
            harness.simulator.drop_sockets(&harness.bots[0].user_id);
            harness.host.wait_for("bot", |fact| matches!(fact, Fact::Connected { .. })).await;
            let mut posts = Vec::new();
            for _ in 0..3 {
                tick();
                posts.extend([harness.post("town"), harness.post_in(&room, "room")]);
            }
            let first = harness.sinks["bot"].clone();
            first.wait_for_posts(3).await;
            harness.stop().await;
            harness.simulator.clear_faults();
            harness.start().await;
            posts.push(harness.post("live"));
            let second = harness.sinks["bot"].clone();
            second.wait_for_changes(1, |change| change.id == posts[6]).await;
            assert_all_once(&[first, second], &posts);
        }
    });
}

#[test]
fn a_resume_beyond_the_servers_last_event_is_lost_without_harm() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        harness.post_and_wait(1).await;
        let mut first = harness.stop().await;
        let missed = harness.post("missed");
        let bot = crate::harness::name("bot");
        let mut kept = harness.store.load(&bot).await.unwrap();
        kept.account.as_mut().unwrap().resume.as_mut().unwrap().next_seq += 50;
        harness.store.commit(&bot, kept.into()).await.unwrap();
        harness.start().await;
        // The server sends two hellos with an old event between them (fact 10).
        assert!(harness.host.seen.iter().any(|seen| seen.fact == Fact::ResumeLost));
        harness.host.sink.wait_for_changes(1, |change| change.id == missed).await;
        harness.post("live");
        harness.host.sink.wait_for_posts(2).await;
        let runs = [first.remove("bot").unwrap(), harness.host.sink.received_changes()];
        assert_eq!(count_receipts(&runs).into_values().collect::<Vec<_>>(), [1, 1, 1]);
        assert_eq!((harness.host.count("bot", "connected"), harness.host.count("bot", "closed")), (1, 0));
    });
}

#[test]
fn an_account_that_was_touched_while_no_host_ran_is_not_resumed() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        harness.post_and_wait(1).await;
        harness.stop().await;
        harness.simulator.cycle(&harness.bots[0].user_id);
        let missed = harness.post("after the cycle");
        harness.start().await;
        assert!(
            harness.host.seen.iter().all(|seen| seen.fact != Fact::Connected { resumed: true }),
            "fact 5"
        );
        harness.host.sink.wait_for_changes(1, |change| change.id == missed).await;
    });
}

#[test]
fn a_kill_between_sink_and_cursor_repeats_those_posts_and_loses_none() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        let kept = harness.post("kept");
        harness.wait_until_stored(&kept).await;
        // The sink has received the posts, and the host is killed before the sink answers.
        harness.sinks["bot"].set_behavior(SinkBehavior::Never);
        let [a, b] = ["a", "b"].map(|text| harness.post(text));
        harness.sinks["bot"].wait_until_offered(1).await;
        harness.kill().await;
        harness.start().await;
        harness.host.sink.wait_for_posts(2).await;
        let received: BTreeSet<_> = harness.host.sink.posts().into_iter().map(|post| post.id).collect();
        assert_eq!(received, [a, b].into(), "both posts, without the stored one");
    });
}

#[test]
fn a_kill_between_cursor_and_commit_repeats_only_that_batch() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        let kept = harness.post("kept");
        harness.wait_until_stored(&kept).await;
        let frozen = harness.store.crash();
        let repeated = harness.post("acknowledged, not committed");
        harness.host.sink.wait_for_posts(2).await;
        harness.kill().await;
        harness.store = frozen;
        harness.start().await;
        harness.post("live");
        harness.host.sink.wait_for_posts(2).await;
        assert_eq!(harness.host.sink.posts()[0].id, repeated, "the stored post does not come again");
    });
}

#[test]
fn a_kill_in_the_middle_of_a_page_loses_none_of_it() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        harness.post_and_wait(1).await;
        harness.stop().await;
        let missed: Vec<_> = (0..50).map(|n| harness.post(&format!("{n}")).to_string()).collect();
        harness.behavior = SinkBehavior::Delayed(Duration::from_millis(2));
        harness.start_without_waiting().await;
        harness.sinks["bot"].wait_for_posts(20).await;
        let mut first = harness.kill().await;
        harness.behavior = SinkBehavior::Immediate;
        harness.start().await;
        harness.host.sink.wait_for_changes(1, |change| change.id.as_str() == missed[49]).await;
        let counts = count_receipts(&[first.remove("bot").unwrap(), harness.host.sink.received_changes()]);
        assert!(missed.iter().all(|post| counts.contains_key(post)), "{counts:?}");
        assert!(counts.values().filter(|count| **count > 1).count() < 50, "no commit before the kill");
    });
}

/// The deadline of a removal ends the wait for the sink; what the sink has answered until then is stored all the same.
#[test]
fn a_removal_at_its_deadline_stores_all_acknowledgements() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.sink.set_behavior(SinkBehavior::Delayed(Duration::from_millis(30)));
        for n in 0..200 {
            harness.fake.server_socket("bot").post("c", &format!("p{n}"));
        }
        harness.sink.wait_for_posts(1).await;
        harness.send(RemoveAccount(crate::harness::name("bot"))).await.unwrap();
        let last = harness.sink.posts().pop().unwrap().id;
        assert!(harness.sink.posts().len() < 200, "the deadline did not end the wait");
        assert!(harness.store.has(&crate::harness::name("bot"), &last).await, "{last} is not stored");
    });
}

#[test]
fn a_store_that_fails_pauses_delivery_and_ends_nothing() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.fake.server_socket("bot").post("c", "p1");
        harness.sink.wait_for_posts(1).await;
        harness.advance(SECOND).await;
        harness.store.set_failing(true);
        harness.fake.server_socket("bot").post("c", "p2");
        let failed = harness.wait_for("bot", |fact| matches!(fact, Fact::StoreFailed { .. })).await;
        assert_eq!(failed, Fact::StoreFailed { cause: "the disk is full".into() });
        harness.advance(SECOND).await;
        assert_eq!(harness.state("bot").await, AccountState::Stalled);
        for n in 3..1_000 {
            harness.fake.server_socket("bot").post("c", &format!("p{n}"));
        }
        harness.advance(3_600 * SECOND).await;
        assert!(harness.sink.posts().len() <= 2, "events were delivered although the store failed");
        assert_eq!(
            (harness.count("bot", "closed"), harness.count("bot", "store_failed")),
            (0, 1),
            "the failure is reported once"
        );
        harness.store.set_failing(false);
        harness.sink.wait_for_posts(999).await;
        assert_eq!(harness.count("bot", "closed"), 0, "the pause ended the Connection");
        harness.advance(SECOND).await;
        assert_eq!(harness.state("bot").await, AccountState::Ready);
    });
}

#[test]
fn an_account_waits_until_its_stored_state_can_be_read() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.store.set_failing(true);
        harness.host("bot").await;
        harness.wait_for("bot", |fact| matches!(fact, Fact::StoreFailed { .. })).await;
        harness.advance(60 * SECOND).await;
        assert_eq!(harness.state("bot").await, AccountState::Stalled);
        assert_eq!(harness.fake.me_requests(), 0, "the account connected without its stored state");
        harness.store.set_failing(false);
        harness.wait_until_ready("bot").await;
        assert_eq!(harness.count("bot", "store_recovered"), 1);
    });
}

#[test]
fn the_user_of_an_account_is_remembered_across_hosts() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        harness.post_and_wait(1).await;
        harness.stop().await;
        harness.bots[0].token = harness.simulator.create_bot("another").token;
        harness.start_without_waiting().await;
        let (reason, charged) = harness.host.wait_until_closed("bot").await;
        assert!(matches!(reason, CloseReason::IdentityChanged { .. }) && !charged, "{reason}");
        harness.store.forget(&crate::harness::name("bot")).await.unwrap();
        harness.kill().await;
        harness.start().await;
    });
}

#[test]
fn commits_of_a_busy_account_are_few() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.advance(SECOND).await;
        let before = harness.store.commits();
        for n in 0..1_000 {
            harness.fake.server_socket("bot").post("c", &format!("p{n}"));
            harness.advance(Duration::from_millis(10)).await;
        }
        harness.sink.wait_for_posts(1_000).await;
        let commits = harness.store.commits() - before;
        assert!((50..=110).contains(&commits), "{commits} commits in ten seconds");
    });
}
