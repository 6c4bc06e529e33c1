//! Panics and broken parts: a fault of one account, and of nothing else.

use std::sync::Arc;

use matterhost_actors::{
    hosting::{ResetAccount, RestartAccount},
    model::{CloseReason, Event, Fact},
    policy::RestartSettings,
    ports::{Delivered, EventSink},
};

use crate::stage::{
    Answer, Collector, Manner, SECOND, Stage, World, name, play, settings, wide_open, with_restart,
};

#[test]
fn a_panic_ends_that_connection_with_a_fault_and_nothing_else() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("other").await;
        stage.world.next_dial_panics();
        stage.host("bot").await;
        assert_eq!(stage.until_closed("bot").await, (CloseReason::Panicked, true));
        stage.until_ready("bot").await;
        assert_eq!(stage.snapshot("bot").await.restarts_in_window, 1);
        assert_eq!(stage.count("other", "closed"), 0);
    });
}

#[test]
fn a_health_check_that_dies_takes_its_connection_along() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.world.next_answers([Answer::Panic]);
        assert_eq!(stage.until_closed("bot").await, (CloseReason::HealthCheckDied, true));
        stage.until_ready("bot").await;
    });
}

#[test]
fn a_delivery_that_dies_restarts_with_its_connection() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.sink.behave(Manner::Panic);
        stage.world.peer("bot").post("c1", "p1");
        assert_eq!(stage.until_closed("bot").await, (CloseReason::DeliveryDied, true));
        stage.sink.behave(Manner::AtOnce);
        assert!(!stage.until_scheduled("bot").await.1, "no resume");
        stage.until_ready("bot").await;
        stage.world.peer("bot").post("c1", "p2");
        assert_eq!(stage.sink.until_posts(1).await, ["p2"]);
    });
}

#[test]
fn a_broken_sink_is_a_fault_and_its_event_is_handed_over_again() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.sink.behave(Manner::Broken);
        stage.world.peer("bot").post("c1", "p1");
        let (reason, charged) = stage.until_closed("bot").await;
        assert_eq!((reason, charged), (CloseReason::SinkBroken { cause: "told to".into() }, true));
        stage.sink.behave(Manner::AtOnce);
        assert_eq!(stage.sink.until_posts(1).await, ["p1"]);
    });
}

/// Trips a bot by faults.
async fn trip(stage: &mut Stage) {
    stage.ready("bot").await;
    stage.world.peer("bot").babble();
    stage.until("bot", |fact| matches!(fact, Fact::Tripped { .. })).await;
}

fn no_budget() -> matterhost_actors::hosting::HostSettings {
    with_restart(RestartSettings { max_restarts: 0, ..Default::default() })
}

#[test]
fn a_tripped_account_tries_again_after_its_cooldown_and_is_whole_after_a_settled_run() {
    play(no_budget(), wide_open(), async |stage| {
        trip(stage).await;
        let since = tokio::time::Instant::now();
        stage.until("bot", |fact| *fact == Fact::HalfOpen).await;
        assert_eq!(since.elapsed().as_secs(), 300);
        stage.until_ready("bot").await;
        stage.world.peer("bot").babble();
        let again = stage.until("bot", |fact| matches!(fact, Fact::Tripped { .. })).await;
        assert_eq!(again, Fact::Tripped { cooldown: 600 * SECOND });
        stage.until_ready("bot").await;
        stage.until("bot", |fact| *fact == Fact::Settled).await;
        stage.world.peer("bot").babble();
        let anew = stage.until("bot", |fact| matches!(fact, Fact::Tripped { .. })).await;
        assert_eq!(anew, Fact::Tripped { cooldown: 300 * SECOND });
    });
}

#[test]
fn an_operator_can_reset_a_tripped_account() {
    let one = with_restart(RestartSettings { max_restarts: 1, ..Default::default() });
    play(one, wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.world.peer("bot").babble();
        stage.until_ready("bot").await;
        stage.world.peer("bot").babble();
        stage.until("bot", |fact| matches!(fact, Fact::Tripped { .. })).await;
        stage.ask(ResetAccount(name("bot"))).await.unwrap();
        stage.until_ready("bot").await;
        assert_eq!(stage.snapshot("bot").await.budget_left, 1);
    });
}

#[test]
fn an_operators_restart_of_a_tripped_account_is_half_open() {
    play(no_budget(), wide_open(), async |stage| {
        trip(stage).await;
        stage.ask(RestartAccount(name("bot"))).await.unwrap();
        stage.until("bot", |fact| *fact == Fact::HalfOpen).await;
        stage.until_ready("bot").await;
    });
}

/// Ends the Arbiter it is called on, once.
struct Deadly(std::sync::atomic::AtomicBool, Arc<Collector>);

impl EventSink for Deadly {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        if &*event.body.event == "posted" && !self.0.swap(true, std::sync::atomic::Ordering::SeqCst) {
            actix::Arbiter::current().stop();
        }
        self.1.deliver(event)
    }
}

#[test]
fn the_accounts_of_an_arbiter_that_died_move_to_another() {
    let mut settings = settings();
    settings.arbiters = 2;
    actix::System::new().block_on(async {
        let mut stage = Stage::live(settings);
        let sink = Arc::new(Deadly(false.into(), Arc::default()));
        stage.host_with("bot", sink.clone()).await.unwrap();
        stage.until_ready("bot").await;
        stage.ready("other").await;
        stage.world.peer("bot").post("c1", "p1");
        assert_eq!(stage.until_closed("bot").await, (CloseReason::ArbiterDied, false));
        stage.until_ready("bot").await;
        stage.world.peer("bot").post("c1", "p2");
        sink.1.until_posts(1).await;
        assert_eq!(stage.count("other", "closed"), 0);
    });
}

/// The fake's state is shared between threads where Arbiters are real.
const _: fn() = || {
    fn send<T: Send + Sync>() {}
    send::<World>();
};
