//! What outlives a host: graceful stops, kills at every point of the way, and stores that fail.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use matterhost_actors::{
    model::{AccountState, CloseReason, Fact},
    ports::CursorStore as _,
};

use crate::{
    scene::{Scene, run},
    stage::{Manner, SECOND, Taken, play, settings, wide_open},
};

/// How often each post was heard, in all lives of a host.
fn times(lives: &[Vec<Taken>]) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for taken in lives.iter().flatten() {
        *times.entry(taken.id.to_string()).or_default() += 1;
    }
    times
}

#[test]
fn what_was_posted_while_no_host_ran_comes_when_one_does_and_nothing_twice() {
    run(async || {
        let mut scene = Scene::with_one_bot().await;
        scene.hears(1).await;
        let mut first = scene.stop().await;
        let missed = scene.post("missed");
        scene.start().await;
        scene.host.sink.until_taken(1, |taken| taken.id == missed).await;
        scene.post("live");
        scene.host.sink.until_posts(2).await;
        let lives = [first.remove("bot").unwrap(), scene.host.sink.taken_so_far()];
        assert_eq!(times(&lives).into_values().collect::<Vec<_>>(), [1, 1, 1]);
    });
}

#[test]
fn a_graceful_stop_leaves_a_resume_that_brings_what_rest_cannot() {
    run(async || {
        let mut scene = Scene::with_one_bot().await;
        let post = scene.post("to be liked");
        scene.host.sink.until_posts(1).await;
        scene.stop().await;
        scene.simulator.react(&scene.person.user_id, post.as_str(), "+1");
        scene.start().await;
        assert!(scene.host.seen.iter().any(|seen| seen.fact == Fact::Connected { resumed: true }));
        scene.host.sink.until_event("reaction_added").await;
    });
}

#[test]
fn a_resume_beyond_what_the_server_reached_confuses_nobody() {
    run(async || {
        let mut scene = Scene::with_one_bot().await;
        scene.hears(1).await;
        let mut first = scene.stop().await;
        let missed = scene.post("missed");
        let bot = crate::stage::name("bot");
        let mut kept = scene.store.load(&bot).await.unwrap();
        kept.account.as_mut().unwrap().resume.as_mut().unwrap().next_seq += 50;
        scene.store.commit(&bot, kept).await.unwrap();
        scene.start().await;
        // Hello comes twice, and an old event between (fact 10).
        assert!(scene.host.seen.iter().any(|seen| seen.fact == Fact::ResumeLost));
        scene.host.sink.until_taken(1, |taken| taken.id == missed).await;
        scene.post("live");
        scene.host.sink.until_posts(2).await;
        let lives = [first.remove("bot").unwrap(), scene.host.sink.taken_so_far()];
        assert_eq!(times(&lives).into_values().collect::<Vec<_>>(), [1, 1, 1]);
        assert_eq!((scene.host.count("bot", "connected"), scene.host.count("bot", "closed")), (1, 0));
    });
}

#[test]
fn an_account_that_was_touched_while_no_host_ran_is_not_resumed() {
    run(async || {
        let mut scene = Scene::with_one_bot().await;
        scene.hears(1).await;
        scene.stop().await;
        scene.simulator.cycle(&scene.bots[0].user_id);
        let missed = scene.post("after the cycle");
        scene.start().await;
        assert!(scene.host.seen.iter().all(|seen| seen.fact != Fact::Connected { resumed: true }), "fact 5");
        scene.host.sink.until_taken(1, |taken| taken.id == missed).await;
    });
}

#[test]
fn a_kill_between_sink_and_cursor_doubles_that_post_and_loses_none() {
    run(async || {
        let mut scene = Scene::with_one_bot().await;
        let kept = scene.post("kept");
        scene.kept(&kept).await;
        // The sink has the posts, and is killed with the host before it answers.
        scene.ears["bot"].behave(Manner::Never);
        let [a, b] = ["a", "b"].map(|text| scene.post(text));
        scene.ears["bot"].until_offered(1).await;
        scene.kill().await;
        scene.start().await;
        scene.host.sink.until_posts(2).await;
        let heard: BTreeSet<_> = scene.host.sink.posts().into_iter().map(|post| post.id).collect();
        assert_eq!(heard, [a, b].into(), "both, and not what was kept");
    });
}

#[test]
fn a_kill_between_cursor_and_commit_doubles_that_batch_alone() {
    run(async || {
        let mut scene = Scene::with_one_bot().await;
        let kept = scene.post("kept");
        scene.kept(&kept).await;
        let frozen = scene.store.crash();
        let doubled = scene.post("acknowledged, not committed");
        scene.host.sink.until_posts(2).await;
        scene.kill().await;
        scene.store = frozen;
        scene.start().await;
        scene.post("live");
        scene.host.sink.until_posts(2).await;
        assert_eq!(scene.host.sink.posts()[0].id, doubled, "and not what was kept");
    });
}

#[test]
fn a_kill_in_the_middle_of_a_page_loses_none_of_it() {
    run(async || {
        let mut scene = Scene::with_one_bot().await;
        scene.hears(1).await;
        scene.stop().await;
        let missed: Vec<_> = (0..50).map(|n| scene.post(&format!("{n}")).to_string()).collect();
        scene.manner = Manner::After(Duration::from_millis(2));
        scene.start_without_waiting().await;
        scene.ears["bot"].until_posts(20).await;
        let mut first = scene.kill().await;
        scene.manner = Manner::AtOnce;
        scene.start().await;
        scene.host.sink.until_taken(1, |taken| taken.id.as_str() == missed[49]).await;
        let times = times(&[first.remove("bot").unwrap(), scene.host.sink.taken_so_far()]);
        assert!(missed.iter().all(|post| times.contains_key(post)), "{times:?}");
        assert!(times.values().filter(|times| **times > 1).count() < 50, "the first half was committed");
    });
}

#[test]
fn a_store_that_fails_stops_the_handing_over_and_ends_nothing() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.world.peer("bot").post("c", "p1");
        stage.sink.until_posts(1).await;
        stage.pass(SECOND).await;
        stage.store.fail(true);
        stage.world.peer("bot").post("c", "p2");
        let failed = stage.until("bot", |fact| matches!(fact, Fact::StoreFailed { .. })).await;
        assert_eq!(failed, Fact::StoreFailed { cause: "the disk is full".into() });
        stage.pass(SECOND).await;
        assert_eq!(stage.state("bot").await, AccountState::Stalled);
        for n in 3..1_000 {
            stage.world.peer("bot").post("c", &format!("p{n}"));
        }
        stage.pass(3_600 * SECOND).await;
        assert!(stage.sink.posts().len() <= 2, "nothing is handed over that could not be kept");
        assert_eq!((stage.count("bot", "closed"), stage.count("bot", "store_failed")), (0, 1), "told once");
        stage.store.fail(false);
        stage.sink.until_posts(999).await;
        assert_eq!(stage.count("bot", "closed"), 0, "whatever waited was read in the end");
        stage.pass(SECOND).await;
        assert_eq!(stage.state("bot").await, AccountState::Ready);
    });
}

#[test]
fn an_account_whose_memory_cannot_be_read_waits_for_it() {
    play(settings(), wide_open(), async |stage| {
        stage.store.fail(true);
        stage.host("bot").await;
        stage.until("bot", |fact| matches!(fact, Fact::StoreFailed { .. })).await;
        stage.pass(60 * SECOND).await;
        assert_eq!(stage.state("bot").await, AccountState::Stalled);
        assert_eq!(stage.world.polls(), 0, "to begin without it would be to begin at now");
        stage.store.fail(false);
        stage.until_ready("bot").await;
        assert_eq!(stage.count("bot", "store_recovered"), 1);
    });
}

#[test]
fn the_user_that_an_account_began_with_outlives_the_host() {
    run(async || {
        let mut scene = Scene::with_one_bot().await;
        scene.hears(1).await;
        scene.stop().await;
        scene.bots[0].token = scene.simulator.create_bot("another").token;
        scene.start_without_waiting().await;
        let (reason, charged) = scene.host.until_closed("bot").await;
        assert!(matches!(reason, CloseReason::IdentityChanged { .. }) && !charged, "{reason}");
        scene.store.forget(&crate::stage::name("bot")).await.unwrap();
        scene.kill().await;
        scene.start().await;
    });
}

#[test]
fn commits_of_a_busy_account_are_few() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.pass(SECOND).await;
        let before = stage.store.commits();
        for n in 0..1_000 {
            stage.world.peer("bot").post("c", &format!("p{n}"));
            stage.pass(Duration::from_millis(10)).await;
        }
        stage.sink.until_posts(1_000).await;
        let commits = stage.store.commits() - before;
        assert!((50..=110).contains(&commits), "{commits} commits in ten seconds");
    });
}
