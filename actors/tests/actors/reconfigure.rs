//! Tests of changes while accounts run: the sockets that end for a change, and those that do not.

mod leaks;
mod settings;

use std::{sync::Arc, time::Duration};

use matterhost_actors::{
    hosting::{
        AccountSpec, AddAccount, AddServer, ChangeAccount, ChangeServer, RemoveAccount, RemoveServer,
        ServerSpec, SinkReleased, StopAccount, Supervisor, SupervisorError,
    },
    model::{AccountState, CloseReason, Fact, Generation, ServerName, Token},
    policy::GateLimits,
    ports::{ApiFactory, EventSink},
};

use crate::{
    catch_up::tick,
    harness::{
        CollectingSink, FakeServer, Harness, SECOND, SinkBehavior, UserReply, name, run_paused, settings,
        unlimited_rate,
    },
    simulator_harness::{SimulatorHarness, config, run},
};

fn server(name: &str) -> ServerName {
    ServerName::new(name).unwrap()
}

fn spec(account: &str, token: &str, on: &str, sink: Arc<dyn EventSink>) -> AccountSpec {
    AccountSpec {
        name: name(account),
        server: server(on),
        token: Token::new(token).unwrap(),
        sink,
        settings: None,
    }
}

/// Gives a hosted account another sink.
async fn change_sink(harness: &Harness, account: &str, sink: Arc<dyn EventSink>) -> SinkReleased {
    harness.send(ChangeAccount(spec(account, account, "test", sink))).await.unwrap()
}

fn server_spec(name: &str, api: Arc<dyn ApiFactory>, limits: GateLimits) -> ServerSpec {
    ServerSpec { name: server(name), api, limits }
}

#[test]
fn another_sink_cuts_no_socket_and_keeps_the_order() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.sink.set_behavior(SinkBehavior::Delayed(10 * SECOND));
        harness.fake.server_socket("bot").post("c1", "p1");
        harness.fake.server_socket("bot").post("c1", "p2");
        harness.fake.server_socket("bot").post("c2", "p3");
        harness.advance(SECOND).await;
        let new = Arc::new(CollectingSink::default());
        let released = change_sink(harness, "bot", new.clone()).await;
        harness.fake.server_socket("bot").post("c2", "p4");
        harness.advance(SECOND).await;
        assert_eq!(new.received_labels(), [""; 0], "the old sink has not answered the earlier posts");
        let since = tokio::time::Instant::now();
        released.wait().await;
        assert_eq!(since.elapsed().as_secs(), 8, "the old sink is released with its last answer");
        let mut first = harness.sink.wait_for_posts(2).await;
        first.sort();
        assert_eq!(first, ["p1", "p3"]);
        let mut next = new.wait_for_posts(2).await;
        next.sort();
        assert_eq!(next, ["p2", "p4"]);
        harness.advance(SECOND).await;
        assert_eq!(
            (harness.count("bot", "closed"), harness.snapshot("bot").await.generation),
            (0, Generation(1))
        );
    });
}

#[test]
fn a_sink_is_released_at_once_if_it_stays_or_is_idle() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.sink.set_behavior(SinkBehavior::Never);
        harness.fake.server_socket("bot").post("c1", "p1");
        harness.sink.wait_until_offered(1).await;
        let same = harness.sink.clone();
        let since = tokio::time::Instant::now();
        change_sink(harness, "bot", same).await.wait().await;
        harness.host_with("other", Arc::new(CollectingSink::default())).await.unwrap();
        harness.wait_until_ready("other").await;
        change_sink(harness, "other", Arc::new(CollectingSink::default())).await.wait().await;
        assert!(since.elapsed() < SECOND);
    });
}

#[test]
fn an_event_that_waited_for_a_busy_sink_goes_to_the_new_one_at_once() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.sink.set_behavior(SinkBehavior::Retry);
        harness.fake.server_socket("bot").post("c1", "p1");
        harness.wait_for("bot", |fact| matches!(fact, Fact::Stalled { .. })).await;
        let (new, since) = (Arc::new(CollectingSink::default()), tokio::time::Instant::now());
        change_sink(harness, "bot", new.clone()).await;
        assert_eq!(new.wait_for_posts(1).await, ["p1"]);
        assert!(since.elapsed() < SECOND / 2, "waited for the old sink's retry delay");
        harness.wait_for("bot", |fact| *fact == Fact::Unstalled).await;
    });
}

#[test]
fn an_account_with_a_broken_sink_restarts_at_once_with_the_new_one() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.sink.set_behavior(SinkBehavior::Broken);
        harness.fake.server_socket("bot").post("c1", "p1");
        harness.wait_for("bot", |fact| matches!(fact, Fact::Tripped { .. })).await;
        let (new, since) = (Arc::new(CollectingSink::default()), tokio::time::Instant::now());
        change_sink(harness, "bot", new.clone()).await;
        harness.wait_until_ready("bot").await;
        assert!(since.elapsed() < SECOND, "waited for {:?}", since.elapsed());
        assert_eq!(new.wait_for_posts(1).await, ["p1"]);
    });
}

#[test]
fn trouble_of_a_replaced_sink_is_not_that_of_the_new_one() {
    for behavior in [SinkBehavior::BrokenAfter(10 * SECOND), SinkBehavior::RefusedAfter(10 * SECOND)] {
        run_paused(settings(), unlimited_rate(), async |harness| {
            harness.ready("bot").await;
            harness.sink.set_behavior(behavior);
            harness.fake.server_socket("bot").post("c1", "p1");
            harness.advance(SECOND).await;
            let (new, since) = (Arc::new(CollectingSink::default()), tokio::time::Instant::now());
            change_sink(harness, "bot", new.clone()).await;
            assert_eq!(new.wait_for_posts(1).await, ["p1"], "{behavior:?}");
            assert!(since.elapsed() < 10 * SECOND, "waited for {:?}: {behavior:?}", since.elapsed());
            let ended = (harness.count("bot", "closed"), harness.count("bot", "stalled"));
            assert_eq!(ended, (0, 0), "{behavior:?}");
        });
    }
}

#[test]
fn an_account_that_an_operator_stopped_stays_stopped() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.send(StopAccount(name("bot"))).await.unwrap();
        harness.wait_for("bot", |fact| *fact == Fact::Stopped).await;
        harness.fake.add_user("other-token");
        let sink = harness.sink.clone();
        harness.send(ChangeAccount(spec("bot", "other-token", "test", sink))).await.unwrap();
        harness.advance(60 * SECOND).await;
        assert_eq!(harness.state("bot").await, AccountState::Stopped);
    });
}

#[test]
fn a_token_of_another_user_stops_the_account_and_its_own_starts_it_again() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.fake.add_user("somebody");
        let sink = harness.sink.clone();
        let with = |token: &str| ChangeAccount(spec("bot", token, "test", sink.clone()));
        harness.send(with("somebody")).await.unwrap();
        assert_eq!(harness.wait_until_closed("bot").await, (CloseReason::ConfigChanged, false));
        let (reason, _) = harness.wait_until_closed("bot").await;
        assert!(matches!(reason, CloseReason::IdentityChanged { .. }), "{reason:?}");
        harness.wait_for("bot", |fact| *fact == Fact::Stopped).await;
        harness.send(with("bot")).await.unwrap();
        harness.wait_until_ready("bot").await;
    });
}

#[test]
fn another_token_is_used_and_no_post_is_lost_or_duplicated() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        harness.post_and_wait(1).await;
        let bot = harness.bots[0].clone();
        let (_, token) = harness.simulator.create_token(&bot.user_id);
        harness.simulator.revoke_token(&bot.token_id);
        let missed = harness.post("while the token is revoked");
        let sink = harness.host.sink.clone();
        harness.host.send(ChangeAccount(spec("bot", &token, "test", sink))).await.unwrap();
        harness.host.wait_until_ready("bot").await;
        harness.host.sink.wait_for_changes(1, |change| change.id == missed).await;
        harness.post("with the new token");
        harness.host.sink.wait_for_posts(3).await;
        assert_eq!(harness.host.sink.posts().len(), 3, "each post once");
        assert_eq!(harness.host.snapshot("bot").await.restarts_in_window, 0);
    });
}

/// The reason of the last ending has no influence: a Connection may notice its revoked token at the same time.
#[test]
fn a_new_token_of_a_blocked_account_is_tried_at_once() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.fake.disable("bot");
        harness.wait_for("bot", |fact| *fact == Fact::Blocked).await;
        harness.fake.enable("bot");
        harness.advance(SECOND / 2).await;
        let since = tokio::time::Instant::now();
        harness.fake.add_user("unused");
        let sink = harness.sink.clone();
        // The fake server takes a user's name as the token.
        harness.send(ChangeAccount(spec("bot", "unused", "test", sink))).await.unwrap();
        harness.wait_until_closed("bot").await;
        assert!(since.elapsed() < SECOND, "{:?}", since.elapsed());
    });
}

#[test]
fn limits_of_a_server_apply_at_once_and_another_address_restarts_only_its_accounts() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("near").await;
        let other = FakeServer::default();
        let far = Arc::new(other.clone());
        harness.send(AddServer(server_spec("far", far.clone(), unlimited_rate()))).await;
        other.add_user("far-bot");
        let sink = harness.sink.clone();
        let far_bot = spec("far-bot", "far-bot", "far", sink);
        harness.send(AddAccount(far_bot)).await.unwrap();
        harness.wait_until_ready("far-bot").await;
        let slower = GateLimits { requests_per_second: 0.1, dial_slots: 1, sharers: 1 };
        let change =
            |api: Arc<FakeServer>, restart| ChangeServer { spec: server_spec("far", api, slower), restart };
        harness.send(change(far, false)).await.unwrap();
        harness.advance(SECOND).await;
        assert_eq!(harness.count("far-bot", "closed"), 0);
        harness.send(change(Arc::new(other), true)).await.unwrap();
        assert_eq!(harness.wait_until_closed("far-bot").await, (CloseReason::ConfigChanged, false));
        harness.wait_until_ready("far-bot").await;
        assert_eq!(
            (harness.count("near", "closed"), harness.snapshot("far-bot").await.restarts_in_window),
            (0, 0)
        );
    });
}

#[test]
fn a_server_that_is_down_and_moves_is_asked_at_once() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.fake.stop();
        harness.wait_for_server_fact(|fact| *fact == Fact::ServerDown).await;
        harness.advance(60 * SECOND).await;
        let moved = FakeServer::default();
        moved.add_user("bot");
        let since = tokio::time::Instant::now();
        let spec = server_spec("test", Arc::new(moved), unlimited_rate());
        harness.send(ChangeServer { spec, restart: true }).await.unwrap();
        harness.wait_for_server_fact(|fact| *fact == Fact::ServerUp).await;
        harness.wait_until_ready("bot").await;
        assert!(since.elapsed() < SECOND, "waited for the next probe: {:?}", since.elapsed());
    });
}

#[test]
fn a_server_without_accounts_is_removed_and_its_gate_ends() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        let in_use = SupervisorError::ServerInUse { server: server("test"), accounts: 1 };
        assert_eq!(harness.send(RemoveServer(server("test"))).await, Err(in_use));
        harness.send(RemoveAccount(name("bot"))).await.unwrap();
        harness.fake.stop();
        harness.send(RemoveServer(server("test"))).await.unwrap();
        assert_eq!(
            harness.send(RemoveServer(server("test"))).await,
            Err(SupervisorError::UnknownServer(server("test")))
        );
        let probes = harness.fake.ping_requests();
        harness.advance(600 * SECOND).await;
        assert_eq!(harness.fake.ping_requests(), probes, "no probes after the removal");
        let refused = harness.host_with("bot", harness.sink.clone()).await;
        assert!(matches!(refused, Err(SupervisorError::ServerNotAdded { .. })), "{refused:?}");
    });
}

#[test]
fn an_account_moves_to_another_server_and_only_that_one_counts_it() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        let same_server = Arc::new(harness.fake.clone());
        harness.send(AddServer(server_spec("other-door", same_server, unlimited_rate()))).await;
        let sink = harness.sink.clone();
        harness.send(ChangeAccount(spec("bot", "bot", "other-door", sink))).await.unwrap();
        assert_eq!(harness.wait_until_closed("bot").await, (CloseReason::ConfigChanged, false));
        harness.wait_until_ready("bot").await;
        assert_eq!(harness.snapshot("bot").await.server, server("other-door"));
        harness.send(RemoveServer(server("test"))).await.unwrap();
        harness.fake.server_socket("bot").post("c1", "p1");
        assert_eq!(harness.sink.wait_for_posts(1).await, ["p1"]);
    });
}

#[test]
fn a_removed_account_continues_where_it_was_when_it_is_added_again() {
    run(async || {
        let harness = SimulatorHarness::with_one_bot().await;
        harness.host.sink.set_behavior(SinkBehavior::Delayed(Duration::from_millis(50)));
        let first = harness.post("first");
        harness.host.sink.wait_for_posts(1).await;
        harness.post("handed over during the removal");
        harness.host.send(RemoveAccount(name("bot"))).await.unwrap();
        tick();
        let missed = harness.post("missed");
        let (bot, sink) = (harness.bots[0].clone(), harness.host.sink.clone());
        harness.host.add("bot", &bot.token, sink).await.unwrap();
        harness.host.sink.wait_for_changes(1, |change| change.id == missed).await;
        let posts = harness.host.sink.posts();
        assert_eq!((posts.len(), &posts[0].id), (3, &first), "each post once: {posts:#?}");
    });
}

#[test]
fn another_address_of_a_real_server_is_used() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        let api = Arc::new(matterhost_actors::ports::HttpApi::new(config(&harness.simulator)));
        let spec = server_spec("test", api, unlimited_rate());
        harness.host.send(ChangeServer { spec, restart: true }).await.unwrap();
        assert_eq!(harness.host.wait_until_closed("bot").await, (CloseReason::ConfigChanged, false));
        harness.host.wait_until_ready("bot").await;
        harness.post_and_wait(1).await;
    });
}

/// The Connection may be ending already, if the old token is revoked when the new one arrives.
#[test]
fn the_next_connection_after_a_change_begins_at_once_for_any_ending() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.fake.add_user("somebody");
        harness.fake.server_socket("bot").drop_connection();
        harness.fake.disable("bot");
        let sink = harness.sink.clone();
        // Sent before the Connection has reported its end.
        harness.supervisor.do_send(ChangeAccount(spec("bot", "somebody", "test", sink.clone())));
        harness.supervisor.do_send(ChangeAccount(spec("bot", "bot", "test", sink)));
        harness.wait_until_closed("bot").await;
        let (wait, resume) = harness.wait_until_scheduled("bot").await;
        assert_eq!((wait, resume), (Duration::ZERO, false));
        assert_eq!(harness.snapshot("bot").await.restarts_in_window, 0, "not charged");
    });
}

/// The next Connection is due at the moment of the removal. It must not start, because nothing would end it.
#[test]
fn an_account_that_is_removed_as_its_next_connection_is_due_leaves_no_socket() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        for before in [true, false] {
            harness.ready("bot").await;
            let due = tokio::time::Instant::now() + SECOND;
            // The removal is woken before the start, or after it.
            if before {
                actix::spawn(remove_at(harness.supervisor.clone(), due));
                tokio::task::yield_now().await;
            }
            harness.fake.server_socket("bot").drop_connection();
            assert_eq!(harness.wait_until_scheduled("bot").await.0, SECOND);
            if !before {
                actix::spawn(remove_at(harness.supervisor.clone(), due));
            }
            harness.wait_for("bot", |fact| *fact == Fact::Removed).await;
            let seen = harness.seen.len();
            harness.advance(60 * SECOND).await;
            assert_eq!(
                harness.seen[seen..].iter().map(|seen| &seen.fact).collect::<Vec<_>>(),
                [&Fact::Stopped; 0]
            );
        }
    });
}

/// A changed server starts accounts that stopped as another user, but not one that waits for its sink to be removed.
#[test]
fn an_account_that_is_being_removed_does_not_start_for_a_changed_server() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.sink.set_behavior(SinkBehavior::Never);
        harness.fake.server_socket("bot").post("c1", "p1");
        harness.sink.wait_until_offered(1).await;
        harness.fake.script_user_replies([UserReply::OtherUser]);
        harness.wait_for("bot", |fact| *fact == Fact::Stopped).await;
        harness.supervisor.do_send(RemoveAccount(name("bot")));
        let spec = server_spec("test", Arc::new(harness.fake.clone()), unlimited_rate());
        harness.send(ChangeServer { spec, restart: true }).await.unwrap();
        harness.wait_for("bot", |fact| *fact == Fact::Removed).await;
        assert_eq!(harness.count("bot", "connecting"), 1);
    });
}

async fn remove_at(supervisor: actix::Addr<Supervisor>, due: tokio::time::Instant) {
    tokio::time::sleep_until(due).await;
    supervisor.do_send(RemoveAccount(name("bot")));
}
