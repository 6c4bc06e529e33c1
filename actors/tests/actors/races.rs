//! Tests of races: commands and endings at the same moment, threads that hang or die, late messages of dead actors.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use actix::Addr;
use matterhost_actors::{
    hosting::{ListAccounts, RemoveAccount, RestartAccount, StartAccount, StopAccount, Supervisor},
    mattermost::RestErrorKind,
    model::{AccountState, CloseReason, Event, Fact},
    policy::GateLimits,
    ports::{Delivered, EventSink, Outcome},
};
use parking_lot::Mutex;

use crate::{
    harness::{
        CollectingSink, Harness, SECOND, SinkBehavior, UserReply, bots, name, run_paused, settings,
        unlimited_rate,
    },
    simulator_harness::run,
};

#[test]
fn a_stop_right_after_a_restart_is_kept() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.supervisor.do_send(RestartAccount(name("bot")));
        harness.supervisor.do_send(StopAccount(name("bot")));
        harness.advance(60 * SECOND).await;
        assert_eq!(harness.state("bot").await, AccountState::Stopped);
    });
}

#[test]
fn a_start_right_after_a_stop_is_kept() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.supervisor.do_send(StopAccount(name("bot")));
        harness.supervisor.do_send(StartAccount(name("bot")));
        harness.advance(60 * SECOND).await;
        assert_eq!(harness.state("bot").await, AccountState::Ready);
    });
}

/// A sink that breaks at the first post and removes its account at the same moment.
#[derive(Default)]
struct BreaksAtRemoval(OnceLock<Addr<Supervisor>>);

impl EventSink for BreaksAtRemoval {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        if &*event.body.event == "posted" {
            self.0.get().unwrap().do_send(RemoveAccount(name("bot")));
            return Delivered::Now(Outcome::Broken { cause: "broken by the test".into() });
        }
        Delivered::Now(Outcome::Acknowledged)
    }
}

#[test]
fn an_account_that_is_removed_as_it_ends_is_gone() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        let sink = Arc::new(BreaksAtRemoval::default());
        sink.0.set(harness.supervisor.clone()).ok();
        harness.host_with("bot", sink).await.unwrap();
        harness.wait_until_ready("bot").await;
        harness.fake.server_socket("bot").post("c1", "p1");
        harness.advance(600 * SECOND).await;
        assert!(harness.send(ListAccounts).await.is_empty());
    });
}

#[test]
fn an_absurd_retry_after_is_limited() {
    for seconds in [u64::MAX, 365 * 86_400] {
        run_paused(settings(), unlimited_rate(), async |harness| {
            let retry_after = Some(Duration::from_secs(seconds));
            harness.fake.script_user_replies([UserReply::Fail(RestErrorKind::RateLimited { retry_after })]);
            harness.host("bot").await;
            harness.advance(3_600 * SECOND).await;
            assert_eq!(harness.state("bot").await, AccountState::Ready);
        });
    }
}

#[test]
fn a_stalled_account_that_loses_its_socket_waits_without_reconnecting() {
    let mut settings = settings();
    settings.delivery.queue = 4;
    run_paused(settings, unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.sink.set_behavior(SinkBehavior::Retry);
        for n in 0..30 {
            harness.fake.server_socket("bot").post("c1", &format!("p{n}"));
        }
        harness.wait_for("bot", |fact| matches!(fact, Fact::Stalled { .. })).await;
        harness.send(RestartAccount(name("bot"))).await.unwrap();
        harness.advance(3_600 * SECOND).await;
        assert_eq!((harness.count("bot", "closed"), harness.count("bot", "stalled")), (1, 1));
        assert_eq!(harness.state("bot").await, AccountState::Stalled);
        harness.sink.set_behavior(SinkBehavior::Immediate);
        harness.wait_until_ready("bot").await;
    });
}

#[test]
fn stalled_accounts_hold_no_dial_slots() {
    let mut settings = settings();
    settings.delivery.queue = 4;
    run_paused(settings, GateLimits { dial_slots: 2, ..unlimited_rate() }, async |harness| {
        let stuck = Arc::new(CollectingSink::default());
        let stalled = bots(6);
        for bot in &stalled {
            harness.host_with(bot, stuck.clone()).await.unwrap();
        }
        harness.wait_until_all_ready(&stalled).await;
        harness.ready("well").await;
        stuck.set_behavior(SinkBehavior::Retry);
        for bot in &stalled {
            (0..30).for_each(|n| harness.fake.server_socket(bot).post("c1", &format!("p{n}")));
        }
        harness.advance(5 * SECOND).await;
        for bot in &stalled {
            harness.send(RestartAccount(name(bot))).await.unwrap();
        }
        harness.advance(SECOND).await;
        let since = tokio::time::Instant::now();
        harness.send(RestartAccount(name("well"))).await.unwrap();
        harness.wait_until_ready("well").await;
        assert!(since.elapsed() < SECOND, "{:?}", since.elapsed());
    });
}

#[test]
fn a_pause_that_has_not_ended_is_not_counted_as_ready_time() {
    let mut settings = settings();
    settings.delivery.queue = 2;
    run_paused(settings, unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.sink.set_behavior(SinkBehavior::Retry);
        for n in 0..9 {
            harness.fake.server_socket("bot").post("c1", &format!("p{n}"));
        }
        harness.advance(100 * SECOND).await;
        harness.send(RestartAccount(name("bot"))).await.unwrap();
        let closed = harness.wait_for("bot", |fact| matches!(fact, Fact::Closed { .. })).await;
        assert!(matches!(closed, Fact::Closed { ready_for: Some(time), .. } if time < SECOND), "{closed:?}");
        assert_eq!(harness.count("bot", "settled"), 0);
    });
}

#[test]
fn a_silent_socket_makes_the_gate_probe_the_server() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.fake.server_socket("bot").stop_answering();
        harness.wait_until_closed("bot").await;
        harness.advance(SECOND / 10).await;
        assert_eq!(harness.fake.ping_requests(), 1);
    });
}

/// A sink that panics at a post in channel `c2`.
struct Panics;

impl EventSink for Panics {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        assert_ne!(event.body.channel_id.as_str(), "c2", "a post in c2 makes this sink panic");
        Delivered::Now(Outcome::Acknowledged)
    }
}

#[test]
fn a_delivery_that_dies_on_another_thread_is_noticed_every_time() {
    let mut settings = settings();
    settings.arbiters = 1;
    for _ in 0..20 {
        run(async || {
            let mut harness = Harness::real_time(settings.clone());
            harness.host_with("bot", Arc::new(Panics)).await.unwrap();
            harness.wait_until_ready("bot").await;
            harness.fake.server_socket("bot").post("c2", "p1");
            assert_eq!(harness.wait_until_closed("bot").await.0, CloseReason::DeliveryDied);
        });
    }
}

/// A sink that blocks its thread at the first post until it is released.
struct Hanging {
    reached: mpsc::Sender<()>,
    release: Mutex<mpsc::Receiver<()>>,
}

impl EventSink for Hanging {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        if &*event.body.event == "posted" {
            self.reached.send(()).ok();
            self.release.lock().recv().ok();
        }
        Delivered::Now(Outcome::Acknowledged)
    }
}

/// Returns a harness with a bot whose thread hangs until a message is sent on the returned sender.
async fn hanging_harness(arbiters: usize) -> (Harness, mpsc::Sender<()>) {
    let mut settings = settings();
    settings.arbiters = arbiters;
    settings.stop_deadline = Duration::from_millis(50);
    let mut harness = Harness::real_time(settings);
    let (reached, hangs) = mpsc::channel();
    let (release_sender, release) = mpsc::channel();
    harness.host_with("bot", Arc::new(Hanging { reached, release: release.into() })).await.unwrap();
    harness.wait_until_ready("bot").await;
    harness.fake.server_socket("bot").post("c1", "p1");
    actix_rt::task::spawn_blocking(move || hangs.recv()).await.unwrap().unwrap();
    (harness, release_sender)
}

#[test]
fn a_stop_that_hangs_is_abandoned_at_its_deadline() {
    run(async || {
        let (mut harness, release) = hanging_harness(1).await;
        harness.send(StopAccount(name("bot"))).await.unwrap();
        harness.wait_for("bot", |fact| *fact == Fact::Abandoned).await;
        assert_eq!(harness.state("bot").await, AccountState::Stopped);
        release.send(()).unwrap();
    });
}

#[test]
fn an_abandoned_account_goes_on_elsewhere() {
    run(async || {
        let (mut harness, release) = hanging_harness(2).await;
        harness.send(RestartAccount(name("bot"))).await.unwrap();
        harness.wait_for("bot", |fact| *fact == Fact::Abandoned).await;
        harness.wait_until_ready("bot").await;
        release.send(()).unwrap();
    });
}

#[test]
fn the_late_end_of_an_abandoned_connection_is_not_taken_for_its_successors() {
    run(async || {
        let (mut harness, release) = hanging_harness(1).await;
        harness.send(RemoveAccount(name("bot"))).await.unwrap();
        harness.wait_for("bot", |fact| *fact == Fact::Removed).await;
        harness.host("bot").await;
        harness.wait_until_ready("bot").await;
        release.send(()).unwrap();
        harness.ready("other").await;
        harness.fake.server_socket("bot").post("c1", "p9");
        harness.sink.wait_for_posts(1).await;
        assert_eq!(harness.state("bot").await, AccountState::Ready);
    });
}

/// A sink that blocks its thread at the first post until it is released, and then refuses that post.
struct HangingThenRefusing {
    hanging: Hanging,
    has_hung: AtomicBool,
}

impl EventSink for HangingThenRefusing {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        if &*event.body.event != "posted" || self.has_hung.swap(true, Ordering::SeqCst) {
            return Delivered::Now(Outcome::Acknowledged);
        }
        self.hanging.deliver(event);
        Delivered::Now(Outcome::Retry { after: Duration::from_secs(3_600), cause: "late".into() })
    }
}

#[test]
fn an_abandoned_delivery_stalls_its_successor_no_more() {
    run(async || {
        let mut settings = settings();
        (settings.arbiters, settings.stop_deadline) = (2, Duration::from_millis(50));
        let mut harness = Harness::real_time(settings);
        let (reached, hangs) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let hanging = Hanging { reached, release: released.into() };
        let sink = Arc::new(HangingThenRefusing { hanging, has_hung: false.into() });
        harness.host_with("bot", sink).await.unwrap();
        harness.wait_until_ready("bot").await;
        harness.fake.server_socket("bot").post("c1", "p1");
        actix_rt::task::spawn_blocking(move || hangs.recv()).await.unwrap().unwrap();
        harness.send(RestartAccount(name("bot"))).await.unwrap();
        harness.wait_for("bot", |fact| *fact == Fact::Abandoned).await;
        harness.wait_until_ready("bot").await;
        release.send(()).unwrap();
        harness.wait_for("bot", |fact| matches!(fact, Fact::Stalled { .. })).await;
        // The late report follows its fact at once; the start of another account takes longer.
        harness.ready("other").await;
        assert_eq!(harness.state("bot").await, AccountState::Ready);
    });
}

/// A sink that stops the Arbiter it runs on at the first post.
struct Deadly(AtomicBool);

impl EventSink for Deadly {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        if &*event.body.event == "posted" && !self.0.swap(true, Ordering::SeqCst) {
            actix::Arbiter::current().stop();
        }
        Delivered::Now(Outcome::Acknowledged)
    }
}

#[test]
fn all_accounts_of_an_arbiter_that_dies_move_without_a_charge() {
    let mut settings = settings();
    settings.arbiters = 1;
    run(async || {
        let mut harness = Harness::real_time(settings);
        let sink = Arc::new(Deadly(false.into()));
        let bots = bots(100);
        for bot in &bots {
            harness.host_with(bot, sink.clone()).await.unwrap();
        }
        harness.wait_until_all_ready(&bots).await;
        harness.fake.server_socket("bot-0").post("c1", "p1");
        harness.wait_until_all_ready(&bots).await;
        let charged =
            harness.seen.iter().filter(|seen| matches!(seen.fact, Fact::Closed { charged: true, .. }));
        assert_eq!(charged.count(), 0);
    });
}
