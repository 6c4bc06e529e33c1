//! Panics and broken parts: a fault of one account, and of nothing else.

use std::sync::Arc;

use matterhost_actors::{
    hosting::{ResetAccount, RestartAccount},
    model::{CloseReason, Event, Fact},
    policy::RestartSettings,
    ports::{Delivered, EventSink},
};

use crate::{
    harness::{
        CollectingSink, FakeServer, Harness, SECOND, SinkBehavior, UserReply, name, run_paused, settings,
        unlimited_rate, with_restart,
    },
    simulator_harness::run,
};

#[test]
fn a_panic_ends_that_connection_with_a_fault_and_nothing_else() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("other").await;
        harness.fake.script_dial_panic();
        harness.host("bot").await;
        assert_eq!(harness.wait_until_closed("bot").await, (CloseReason::Panicked, true));
        harness.wait_until_ready("bot").await;
        assert_eq!(harness.snapshot("bot").await.restarts_in_window, 1);
        assert_eq!(harness.count("other", "closed"), 0);
    });
}

#[test]
fn a_health_check_that_dies_takes_its_connection_along() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.fake.script_user_replies([UserReply::Panic]);
        assert_eq!(harness.wait_until_closed("bot").await, (CloseReason::HealthCheckDied, true));
        harness.wait_until_ready("bot").await;
    });
}

#[test]
fn a_delivery_that_dies_restarts_with_its_connection() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.sink.set_behavior(SinkBehavior::Panic);
        harness.fake.server_socket("bot").post("c1", "p1");
        assert_eq!(harness.wait_until_closed("bot").await, (CloseReason::DeliveryDied, true));
        harness.sink.set_behavior(SinkBehavior::Immediate);
        assert!(!harness.wait_until_scheduled("bot").await.1, "no resume");
        harness.wait_until_ready("bot").await;
        harness.fake.server_socket("bot").post("c1", "p2");
        assert_eq!(harness.sink.wait_for_posts(1).await, ["p2"]);
    });
}

#[test]
fn a_broken_sink_is_a_fault_and_its_event_is_handed_over_again() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.sink.set_behavior(SinkBehavior::Broken);
        harness.fake.server_socket("bot").post("c1", "p1");
        let (reason, charged) = harness.wait_until_closed("bot").await;
        assert_eq!((reason, charged), (CloseReason::SinkBroken { cause: "scripted".into() }, true));
        harness.sink.set_behavior(SinkBehavior::Immediate);
        assert_eq!(harness.sink.wait_for_posts(1).await, ["p1"]);
    });
}

/// Trips a bot by faults.
async fn trip(harness: &mut Harness) {
    harness.ready("bot").await;
    harness.fake.server_socket("bot").send_garbage();
    harness.wait_for("bot", |fact| matches!(fact, Fact::Tripped { .. })).await;
}

fn no_budget() -> matterhost_actors::hosting::HostSettings {
    with_restart(RestartSettings { max_restarts: 0, ..Default::default() })
}

#[test]
fn a_tripped_account_tries_again_after_its_cooldown_and_is_whole_after_a_settled_run() {
    run_paused(no_budget(), unlimited_rate(), async |harness| {
        trip(harness).await;
        let since = tokio::time::Instant::now();
        harness.wait_for("bot", |fact| *fact == Fact::HalfOpen).await;
        assert_eq!(since.elapsed().as_secs(), 300);
        harness.wait_until_ready("bot").await;
        harness.fake.server_socket("bot").send_garbage();
        let again = harness.wait_for("bot", |fact| matches!(fact, Fact::Tripped { .. })).await;
        assert_eq!(again, Fact::Tripped { cooldown: 600 * SECOND });
        harness.wait_until_ready("bot").await;
        harness.wait_for("bot", |fact| *fact == Fact::Settled).await;
        harness.fake.server_socket("bot").send_garbage();
        let after_settling = harness.wait_for("bot", |fact| matches!(fact, Fact::Tripped { .. })).await;
        assert_eq!(after_settling, Fact::Tripped { cooldown: 300 * SECOND });
    });
}

#[test]
fn an_operator_can_reset_a_tripped_account() {
    let one = with_restart(RestartSettings { max_restarts: 1, ..Default::default() });
    run_paused(one, unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.fake.server_socket("bot").send_garbage();
        harness.wait_until_ready("bot").await;
        harness.fake.server_socket("bot").send_garbage();
        harness.wait_for("bot", |fact| matches!(fact, Fact::Tripped { .. })).await;
        harness.send(ResetAccount(name("bot"))).await.unwrap();
        harness.wait_until_ready("bot").await;
        assert_eq!(harness.snapshot("bot").await.budget_left, 1);
    });
}

#[test]
fn an_operators_restart_of_a_tripped_account_is_half_open() {
    run_paused(no_budget(), unlimited_rate(), async |harness| {
        trip(harness).await;
        harness.send(RestartAccount(name("bot"))).await.unwrap();
        harness.wait_for("bot", |fact| *fact == Fact::HalfOpen).await;
        harness.wait_until_ready("bot").await;
    });
}

/// Ends the Arbiter it is called on, once.
struct Deadly(std::sync::atomic::AtomicBool, Arc<CollectingSink>);

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
    run(async || {
        let mut harness = Harness::real_time(settings);
        let sink = Arc::new(Deadly(false.into(), Arc::default()));
        harness.host_with("bot", sink.clone()).await.unwrap();
        harness.wait_until_ready("bot").await;
        harness.ready("other").await;
        harness.fake.server_socket("bot").post("c1", "p1");
        assert_eq!(harness.wait_until_closed("bot").await, (CloseReason::ArbiterDied, false));
        harness.wait_until_ready("bot").await;
        harness.fake.server_socket("bot").post("c1", "p2");
        sink.1.wait_for_posts(1).await;
        assert_eq!(harness.count("other", "closed"), 0);
    });
}

/// The fake's state is shared between threads where Arbiters are real.
const _: fn() = || {
    fn send<T: Send + Sync>() {}
    send::<FakeServer>();
};
