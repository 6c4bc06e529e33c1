//! What an operator changes while accounts run: what ends for it, and what does not.

mod leftovers;
mod settings;

use std::{sync::Arc, time::Duration};

use matterhost_actors::{
    hosting::{
        AccountSpec, AddServer, ChangeAccount, ChangeServer, RemoveAccount, RemoveServer, ServerSpec,
        SinkReleased, StopAccount, Supervisor, SupervisorError,
    },
    model::{AccountState, CloseReason, Fact, Generation, ServerName, Token},
    policy::GateLimits,
    ports::{ApiFactory, EventSink},
};

use crate::{
    scene::{Scene, config, run},
    stage::{Collector, Manner, SECOND, Stage, World, name, play, settings, wide_open},
};

fn server(name: &str) -> ServerName {
    ServerName::new(name).unwrap()
}

fn spec(account: &str, token: &str, on: &str, sink: Arc<dyn EventSink>) -> AccountSpec {
    AccountSpec { name: name(account), server: server(on), token: Token::new(token).unwrap(), sink }
}

/// Another sink for an account of the stage.
async fn change_sink(stage: &Stage, account: &str, sink: Arc<dyn EventSink>) -> SinkReleased {
    stage.ask(ChangeAccount(spec(account, account, "test", sink))).await.unwrap()
}

fn server_spec(name: &str, api: Arc<dyn ApiFactory>, limits: GateLimits) -> ServerSpec {
    ServerSpec { name: server(name), api, limits }
}

#[test]
fn another_sink_cuts_no_socket_and_keeps_the_order() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.sink.behave(Manner::After(10 * SECOND));
        stage.world.peer("bot").post("c1", "p1");
        stage.world.peer("bot").post("c1", "p2");
        stage.world.peer("bot").post("c2", "p3");
        stage.pass(SECOND).await;
        let new = Arc::new(Collector::default());
        let released = change_sink(stage, "bot", new.clone()).await;
        stage.world.peer("bot").post("c2", "p4");
        stage.pass(SECOND).await;
        assert_eq!(new.taken(), [""; 0], "the old sink has not answered what came before");
        let since = tokio::time::Instant::now();
        released.wait().await;
        assert_eq!(since.elapsed().as_secs(), 8, "when the last of it is answered");
        let mut first = stage.sink.until_posts(2).await;
        first.sort();
        assert_eq!(first, ["p1", "p3"]);
        let mut next = new.until_posts(2).await;
        next.sort();
        assert_eq!(next, ["p2", "p4"]);
        stage.pass(SECOND).await;
        assert_eq!(
            (stage.count("bot", "closed"), stage.snapshot("bot").await.generation),
            (0, Generation(1))
        );
    });
}

#[test]
fn the_same_sink_is_released_at_once_and_one_with_nothing_open_too() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.sink.behave(Manner::Never);
        stage.world.peer("bot").post("c1", "p1");
        stage.sink.until_offered(1).await;
        let same = stage.sink.clone();
        let since = tokio::time::Instant::now();
        change_sink(stage, "bot", same).await.wait().await;
        stage.host_with("other", Arc::new(Collector::default())).await.unwrap();
        stage.until_ready("other").await;
        change_sink(stage, "other", Arc::new(Collector::default())).await.wait().await;
        assert!(since.elapsed() < SECOND);
    });
}

#[test]
fn what_waited_for_a_busy_sink_goes_to_the_new_one_at_once() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.sink.behave(Manner::Retry);
        stage.world.peer("bot").post("c1", "p1");
        stage.until("bot", |fact| *fact == Fact::Stalled).await;
        let (new, since) = (Arc::new(Collector::default()), tokio::time::Instant::now());
        change_sink(stage, "bot", new.clone()).await;
        assert_eq!(new.until_posts(1).await, ["p1"]);
        assert!(since.elapsed() < SECOND / 2, "the second that the old one wanted is not waited for");
        stage.until("bot", |fact| *fact == Fact::Unstalled).await;
    });
}

#[test]
fn an_account_that_its_sink_broke_begins_with_the_new_one_at_once() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.sink.behave(Manner::Broken);
        stage.world.peer("bot").post("c1", "p1");
        stage.until("bot", |fact| matches!(fact, Fact::Tripped { .. })).await;
        let (new, since) = (Arc::new(Collector::default()), tokio::time::Instant::now());
        change_sink(stage, "bot", new.clone()).await;
        stage.until_ready("bot").await;
        assert!(since.elapsed() < SECOND, "it did not rest to the end: {:?}", since.elapsed());
        assert_eq!(new.until_posts(1).await, ["p1"]);
    });
}

#[test]
fn one_that_an_operator_stopped_stays_stopped() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.ask(StopAccount(name("bot"))).await.unwrap();
        stage.until("bot", |fact| *fact == Fact::Stopped).await;
        stage.world.add_user("other-token");
        let sink = stage.sink.clone();
        stage.ask(ChangeAccount(spec("bot", "other-token", "test", sink))).await.unwrap();
        stage.pass(60 * SECOND).await;
        assert_eq!(stage.state("bot").await, AccountState::Stopped);
    });
}

#[test]
fn a_token_of_somebody_else_stops_it_and_its_own_starts_it_again() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.world.add_user("somebody");
        let sink = stage.sink.clone();
        let with = |token: &str| ChangeAccount(spec("bot", token, "test", sink.clone()));
        stage.ask(with("somebody")).await.unwrap();
        assert_eq!(stage.until_closed("bot").await, (CloseReason::ConfigChanged, false));
        let (reason, _) = stage.until_closed("bot").await;
        assert!(matches!(reason, CloseReason::IdentityChanged { .. }), "{reason:?}");
        stage.until("bot", |fact| *fact == Fact::Stopped).await;
        stage.ask(with("bot")).await.unwrap();
        stage.until_ready("bot").await;
    });
}

#[test]
fn another_token_is_taken_up_and_no_post_is_lost_or_doubled() {
    run(async || {
        let mut scene = Scene::with_one_bot().await;
        scene.hears(1).await;
        let bot = scene.bots[0].clone();
        let (_, token) = scene.simulator.create_token(&bot.user_id);
        scene.simulator.revoke_token(&bot.token_id);
        let missed = scene.post("while nobody hears");
        let sink = scene.host.sink.clone();
        scene.host.ask(ChangeAccount(spec("bot", &token, "test", sink))).await.unwrap();
        scene.host.until_ready("bot").await;
        scene.host.sink.until_taken(1, |taken| taken.id == missed).await;
        scene.post("with the new one");
        scene.host.sink.until_posts(3).await;
        assert_eq!(scene.host.sink.posts().len(), 3, "each once");
        assert_eq!(scene.host.snapshot("bot").await.restarts_in_window, 0);
    });
}

/// Whatever ended the last one: a token that was revoked is seen by its Connection at about the same time.
#[test]
fn a_new_token_does_not_wait_as_one_that_is_blocked_does() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.world.disable("bot");
        stage.until("bot", |fact| *fact == Fact::Blocked).await;
        stage.world.enable("bot");
        stage.pass(SECOND / 2).await;
        let since = tokio::time::Instant::now();
        stage.world.add_user("unused");
        let sink = stage.sink.clone();
        // The fake server takes a name for a token: this one is another text for nobody, and asked for at once.
        stage.ask(ChangeAccount(spec("bot", "unused", "test", sink))).await.unwrap();
        stage.until_closed("bot").await;
        assert!(since.elapsed() < SECOND, "{:?}", since.elapsed());
    });
}

#[test]
fn limits_of_a_server_hold_at_once_and_another_address_restarts_its_accounts_alone() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("near").await;
        let other: World = World::default();
        let far = Arc::new(other.clone());
        stage.ask(AddServer(server_spec("far", far.clone(), wide_open()))).await;
        other.add_user("far-bot");
        let sink = stage.sink.clone();
        let far_bot = spec("far-bot", "far-bot", "far", sink);
        stage.ask(matterhost_actors::hosting::AddAccount(far_bot)).await.unwrap();
        stage.until_ready("far-bot").await;
        let slower = GateLimits { requests_per_second: 0.1, dial_slots: 1 };
        let change =
            |api: Arc<World>, restart| ChangeServer { spec: server_spec("far", api, slower), restart };
        stage.ask(change(far, false)).await.unwrap();
        stage.pass(SECOND).await;
        assert_eq!(stage.count("far-bot", "closed"), 0);
        stage.ask(change(Arc::new(other), true)).await.unwrap();
        assert_eq!(stage.until_closed("far-bot").await, (CloseReason::ConfigChanged, false));
        stage.until_ready("far-bot").await;
        assert_eq!(
            (stage.count("near", "closed"), stage.snapshot("far-bot").await.restarts_in_window),
            (0, 0)
        );
    });
}

#[test]
fn a_server_that_moved_away_from_where_it_is_down_is_asked_at_once() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.world.stop();
        stage.until_server(|fact| *fact == Fact::ServerDown).await;
        stage.pass(60 * SECOND).await;
        let there = World::default();
        there.add_user("bot");
        let since = tokio::time::Instant::now();
        let spec = server_spec("test", Arc::new(there), wide_open());
        stage.ask(ChangeServer { spec, restart: true }).await.unwrap();
        stage.until_server(|fact| *fact == Fact::ServerUp).await;
        stage.until_ready("bot").await;
        assert!(since.elapsed() < SECOND, "no knock was waited for: {:?}", since.elapsed());
    });
}

#[test]
fn a_server_is_removed_when_nobody_is_on_it_and_its_gate_ends() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        let in_use = SupervisorError::ServerInUse { server: server("test"), accounts: 1 };
        assert_eq!(stage.ask(RemoveServer(server("test"))).await, Err(in_use));
        stage.ask(RemoveAccount(name("bot"))).await.unwrap();
        stage.world.stop();
        stage.ask(RemoveServer(server("test"))).await.unwrap();
        assert_eq!(
            stage.ask(RemoveServer(server("test"))).await,
            Err(SupervisorError::UnknownServer(server("test")))
        );
        let knocks = stage.world.knocks();
        stage.pass(600 * SECOND).await;
        assert_eq!(stage.world.knocks(), knocks, "nobody asks any more");
        // The factory is the gate's, the Supervisor's and ours: nobody else holds the world.
        let refused = stage.host_with("bot", stage.sink.clone()).await;
        assert!(matches!(refused, Err(SupervisorError::ServerNotAdded { .. })), "{refused:?}");
    });
}

#[test]
fn an_account_moves_to_another_server_and_only_that_one_counts_it() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        let there = stage.world.clone();
        stage.ask(AddServer(server_spec("other-door", Arc::new(there), wide_open()))).await;
        let sink = stage.sink.clone();
        stage.ask(ChangeAccount(spec("bot", "bot", "other-door", sink))).await.unwrap();
        assert_eq!(stage.until_closed("bot").await, (CloseReason::ConfigChanged, false));
        stage.until_ready("bot").await;
        assert_eq!(stage.snapshot("bot").await.server, server("other-door"));
        stage.ask(RemoveServer(server("test"))).await.unwrap();
        stage.world.peer("bot").post("c1", "p1");
        assert_eq!(stage.sink.until_posts(1).await, ["p1"]);
    });
}

#[test]
fn a_removed_account_goes_on_where_it_was_when_it_comes_again() {
    run(async || {
        let scene = Scene::with_one_bot().await;
        scene.host.sink.behave(Manner::After(Duration::from_millis(50)));
        let first = scene.post("first");
        scene.host.sink.until_posts(1).await;
        scene.post("handed over on the way out");
        scene.host.ask(RemoveAccount(name("bot"))).await.unwrap();
        let missed = scene.post("missed");
        let (bot, sink) = (scene.bots[0].clone(), scene.host.sink.clone());
        scene.host.add("bot", &bot.token, sink).await.unwrap();
        scene.host.sink.until_taken(1, |taken| taken.id == missed).await;
        let posts = scene.host.sink.posts();
        assert_eq!((posts.len(), &posts[0].id), (3, &first), "each once: {posts:#?}");
    });
}

#[test]
fn another_address_of_a_real_server_is_used() {
    run(async || {
        let mut scene = Scene::with_one_bot().await;
        let api = Arc::new(matterhost_actors::ports::HttpApi::new(config(&scene.simulator)));
        let spec = server_spec("test", api, wide_open());
        scene.host.ask(ChangeServer { spec, restart: true }).await.unwrap();
        assert_eq!(scene.host.until_closed("bot").await, (CloseReason::ConfigChanged, false));
        scene.host.until_ready("bot").await;
        scene.hears(1).await;
    });
}

/// The old token is revoked and the new one comes at about the same moment: the Connection may be on its way down already.
#[test]
fn whatever_ends_a_connection_that_has_changed_the_next_begins_at_once() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.world.add_user("somebody");
        stage.world.peer("bot").cut();
        stage.world.disable("bot");
        let sink = stage.sink.clone();
        // Sent before the Supervisor hears of the end.
        stage.supervisor.do_send(ChangeAccount(spec("bot", "somebody", "test", sink.clone())));
        stage.supervisor.do_send(ChangeAccount(spec("bot", "bot", "test", sink)));
        stage.until_closed("bot").await;
        let (wait, resume) = stage.until_scheduled("bot").await;
        assert_eq!((wait, resume), (Duration::ZERO, false));
        assert_eq!(stage.snapshot("bot").await.restarts_in_window, 0, "it owes nothing");
    });
}

/// Its next Connection is due in the very moment in which it is to go: it must not begin, for nobody would end it.
#[test]
fn an_account_that_is_removed_as_its_next_connection_is_due_leaves_no_socket() {
    play(settings(), wide_open(), async |stage| {
        for before in [true, false] {
            stage.ready("bot").await;
            let due = tokio::time::Instant::now() + SECOND;
            // Whichever of the two is woken first.
            if before {
                actix::spawn(remove_at(stage.supervisor.clone(), due));
                tokio::task::yield_now().await;
            }
            stage.world.peer("bot").cut();
            assert_eq!(stage.until_scheduled("bot").await.0, SECOND);
            if !before {
                actix::spawn(remove_at(stage.supervisor.clone(), due));
            }
            stage.until("bot", |fact| *fact == Fact::Removed).await;
            let seen = stage.seen.len();
            stage.pass(60 * SECOND).await;
            assert_eq!(
                stage.seen[seen..].iter().map(|seen| &seen.fact).collect::<Vec<_>>(),
                [&Fact::Stopped; 0]
            );
        }
    });
}

async fn remove_at(supervisor: actix::Addr<Supervisor>, due: tokio::time::Instant) {
    tokio::time::sleep_until(due).await;
    supervisor.do_send(RemoveAccount(name("bot")));
}
