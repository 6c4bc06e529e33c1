//! What meets what: commands and endings at the same moment, threads that hang or die, messages of the dead.

use std::{
    sync::{
        Arc, Mutex, OnceLock,
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

use crate::stage::{Answer, Collector, Manner, SECOND, Stage, bots, name, play, settings, wide_open};

#[test]
fn a_stop_right_after_a_restart_is_kept() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.supervisor.do_send(RestartAccount(name("bot")));
        stage.supervisor.do_send(StopAccount(name("bot")));
        stage.pass(60 * SECOND).await;
        assert_eq!(stage.state("bot").await, AccountState::Stopped);
    });
}

#[test]
fn a_start_right_after_a_stop_is_kept() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.supervisor.do_send(StopAccount(name("bot")));
        stage.supervisor.do_send(StartAccount(name("bot")));
        stage.pass(60 * SECOND).await;
        assert_eq!(stage.state("bot").await, AccountState::Ready);
    });
}

/// Is broken at the first post, and has the account removed at the same moment.
#[derive(Default)]
struct BreaksAtRemoval(OnceLock<Addr<Supervisor>>);

impl EventSink for BreaksAtRemoval {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        if &*event.body.event == "posted" {
            self.0.get().unwrap().do_send(RemoveAccount(name("bot")));
            return Delivered::Now(Outcome::Broken { cause: "told to".into() });
        }
        Delivered::Now(Outcome::Acknowledged)
    }
}

#[test]
fn an_account_that_is_removed_as_it_ends_is_gone() {
    play(settings(), wide_open(), async |stage| {
        let sink = Arc::new(BreaksAtRemoval::default());
        sink.0.set(stage.supervisor.clone()).ok();
        stage.host_with("bot", sink).await.unwrap();
        stage.until_ready("bot").await;
        stage.world.peer("bot").post("c1", "p1");
        stage.pass(600 * SECOND).await;
        assert!(stage.ask(ListAccounts).await.is_empty());
    });
}

#[test]
fn a_retry_after_of_ages_is_a_mistake_and_parks_nobody() {
    for ages in [u64::MAX, 365 * 86_400] {
        play(settings(), wide_open(), async |stage| {
            let retry_after = Some(Duration::from_secs(ages));
            stage.world.next_answers([Answer::Fail(RestErrorKind::RateLimited { retry_after })]);
            stage.host("bot").await;
            stage.pass(3_600 * SECOND).await;
            assert_eq!(stage.state("bot").await, AccountState::Ready);
        });
    }
}

#[test]
fn a_stalled_account_that_loses_its_socket_waits_and_churns_not() {
    let mut settings = settings();
    settings.delivery.queue = 4;
    play(settings, wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.sink.behave(Manner::Retry);
        for n in 0..30 {
            stage.world.peer("bot").post("c1", &format!("p{n}"));
        }
        stage.until("bot", |fact| *fact == Fact::Stalled).await;
        stage.ask(RestartAccount(name("bot"))).await.unwrap();
        stage.pass(3_600 * SECOND).await;
        assert_eq!((stage.count("bot", "closed"), stage.count("bot", "stalled")), (1, 1));
        assert_eq!(stage.state("bot").await, AccountState::Stalled);
        stage.sink.behave(Manner::AtOnce);
        stage.until_ready("bot").await;
    });
}

#[test]
fn stalled_accounts_hold_no_dial_slots() {
    let mut settings = settings();
    settings.delivery.queue = 4;
    play(settings, GateLimits { dial_slots: 2, ..wide_open() }, async |stage| {
        let stuck = Arc::new(Collector::default());
        let stalled = bots(6);
        for bot in &stalled {
            stage.host_with(bot, stuck.clone()).await.unwrap();
        }
        stage.until_all_ready(&stalled).await;
        stage.ready("well").await;
        stuck.behave(Manner::Retry);
        for bot in &stalled {
            (0..30).for_each(|n| stage.world.peer(bot).post("c1", &format!("p{n}")));
        }
        stage.pass(5 * SECOND).await;
        for bot in &stalled {
            stage.ask(RestartAccount(name(bot))).await.unwrap();
        }
        stage.pass(SECOND).await;
        let since = tokio::time::Instant::now();
        stage.ask(RestartAccount(name("well"))).await.unwrap();
        stage.until_ready("well").await;
        assert!(since.elapsed() < SECOND, "{:?}", since.elapsed());
    });
}

#[test]
fn a_pause_that_is_still_on_is_no_ready_time() {
    let mut settings = settings();
    settings.delivery.queue = 2;
    play(settings, wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.sink.behave(Manner::Retry);
        for n in 0..9 {
            stage.world.peer("bot").post("c1", &format!("p{n}"));
        }
        stage.pass(100 * SECOND).await;
        stage.ask(RestartAccount(name("bot"))).await.unwrap();
        let closed = stage.until("bot", |fact| matches!(fact, Fact::Closed { .. })).await;
        assert!(matches!(closed, Fact::Closed { ready_for: Some(time), .. } if time < SECOND), "{closed:?}");
        assert_eq!(stage.count("bot", "settled"), 0);
    });
}

#[test]
fn a_silent_socket_has_the_gate_look_at_the_server() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.world.peer("bot").mute();
        stage.until_closed("bot").await;
        stage.pass(SECOND / 10).await;
        assert_eq!(stage.world.knocks(), 1);
    });
}

/// Panics at a post in channel `c2`.
struct Panics;

impl EventSink for Panics {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        assert_ne!(event.body.channel_id.as_str(), "c2", "the sink was told to panic");
        Delivered::Now(Outcome::Acknowledged)
    }
}

#[test]
fn a_delivery_that_dies_on_another_thread_is_noticed_every_time() {
    let mut settings = settings();
    settings.arbiters = 1;
    for _ in 0..20 {
        actix::System::new().block_on(async {
            let mut stage = Stage::live(settings.clone());
            stage.host_with("bot", Arc::new(Panics)).await.unwrap();
            stage.until_ready("bot").await;
            stage.world.peer("bot").post("c2", "p1");
            assert_eq!(stage.until_closed("bot").await.0, CloseReason::DeliveryDied);
        });
    }
}

/// Blocks its whole thread at the first post, until it is let go.
struct Hanging {
    reached: mpsc::Sender<()>,
    release: Mutex<mpsc::Receiver<()>>,
}

impl EventSink for Hanging {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        if &*event.body.event == "posted" {
            self.reached.send(()).ok();
            self.release.lock().unwrap().recv().ok();
        }
        Delivered::Now(Outcome::Acknowledged)
    }
}

/// A stage with a bot whose thread hangs until the sender given back is used.
async fn hanging(arbiters: usize) -> (Stage, mpsc::Sender<()>) {
    let mut settings = settings();
    settings.arbiters = arbiters;
    settings.stop_deadline = Duration::from_millis(50);
    let mut stage = Stage::live(settings);
    let (reached, hangs) = mpsc::channel();
    let (let_go, release) = mpsc::channel();
    stage.host_with("bot", Arc::new(Hanging { reached, release: release.into() })).await.unwrap();
    stage.until_ready("bot").await;
    stage.world.peer("bot").post("c1", "p1");
    actix_rt::task::spawn_blocking(move || hangs.recv()).await.unwrap().unwrap();
    (stage, let_go)
}

#[test]
fn a_stop_that_hangs_is_abandoned_at_its_deadline() {
    actix::System::new().block_on(async {
        let (mut stage, let_go) = hanging(1).await;
        stage.ask(StopAccount(name("bot"))).await.unwrap();
        stage.until("bot", |fact| *fact == Fact::Abandoned).await;
        assert_eq!(stage.state("bot").await, AccountState::Stopped);
        let_go.send(()).unwrap();
    });
}

#[test]
fn an_abandoned_account_goes_on_elsewhere() {
    actix::System::new().block_on(async {
        let (mut stage, let_go) = hanging(2).await;
        stage.ask(RestartAccount(name("bot"))).await.unwrap();
        stage.until("bot", |fact| *fact == Fact::Abandoned).await;
        stage.until_ready("bot").await;
        let_go.send(()).unwrap();
    });
}

#[test]
fn the_late_end_of_an_abandoned_connection_is_not_taken_for_its_successors() {
    actix::System::new().block_on(async {
        let (mut stage, let_go) = hanging(1).await;
        stage.ask(RemoveAccount(name("bot"))).await.unwrap();
        stage.until("bot", |fact| *fact == Fact::Removed).await;
        stage.host("bot").await;
        stage.until_ready("bot").await;
        let_go.send(()).unwrap();
        stage.ready("other").await;
        stage.world.peer("bot").post("c1", "p9");
        stage.sink.until_posts(1).await;
        assert_eq!(stage.state("bot").await, AccountState::Ready);
    });
}

/// Ends the Arbiter it is called on, once, at a post.
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
fn all_accounts_of_an_arbiter_that_dies_move_for_nothing() {
    let mut settings = settings();
    settings.arbiters = 1;
    actix::System::new().block_on(async {
        let mut stage = Stage::live(settings);
        let sink = Arc::new(Deadly(false.into()));
        let bots = bots(100);
        for bot in &bots {
            stage.host_with(bot, sink.clone()).await.unwrap();
        }
        stage.until_all_ready(&bots).await;
        stage.world.peer("bot-0").post("c1", "p1");
        stage.until_all_ready(&bots).await;
        let charged =
            stage.seen.iter().filter(|seen| matches!(seen.fact, Fact::Closed { charged: true, .. }));
        assert_eq!(charged.count(), 0);
    });
}
