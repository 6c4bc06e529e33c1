//! What is shown to whoever asks.

use matterhost_actors::{
    hosting::{
        AuditAccount, AuditSettings, GetAccount, HostSettings, ListServers, StopAccount, SupervisorError,
    },
    model::{CloseReason, DeliveryQueueStats, Fact, Generation},
};

use crate::stage::{Manner, SECOND, name, play, settings, wide_open};

#[test]
fn the_last_endings_are_told_newest_first_with_how_long_it_was_away() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.ready("other").await;
        stage.world.touch("bot");
        stage.until_closed("bot").await;
        stage.until_ready("bot").await;
        stage.pass(120 * SECOND).await;
        stage.world.peer("bot").cut();
        stage.until_closed("bot").await;
        let detail = stage.ask(GetAccount(name("bot"))).await.unwrap();
        let [dropped, stale] = &detail.endings[..] else { panic!("{:?}", detail.endings) };
        assert!(matches!(dropped.reason, CloseReason::Dropped { .. }), "{dropped:?}");
        assert_eq!((dropped.generation, dropped.witnessed, dropped.back_after), (Generation(2), false, None));
        assert!(matches!(stale.reason, CloseReason::Stale { .. }), "{stale:?}");
        assert_eq!((stale.generation, stale.witnessed, stale.charged), (Generation(1), true, false));
        assert!(stale.back_after.is_some() && stale.ready_for.is_some(), "{stale:?}");
        assert_eq!(detail.snapshot.last_ending.as_ref(), Some(dropped));
    });
}

#[test]
fn no_more_than_ten_endings_are_remembered() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        for _ in 0..12 {
            stage.world.peer("bot").deafen();
            stage.until_closed("bot").await;
            stage.until_ready("bot").await;
        }
        let detail = stage.ask(GetAccount(name("bot"))).await.unwrap();
        let generations: Vec<_> = detail.endings.iter().map(|ending| ending.generation.0).collect();
        assert_eq!(generations, (3..=12).rev().collect::<Vec<_>>());
    });
}

#[test]
fn each_witness_tells_what_it_said_last() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.pass(65 * SECOND).await;
        let witnesses = stage.ask(GetAccount(name("bot"))).await.unwrap().witnesses;
        assert!(witnesses.poll.as_ref().is_some_and(|poll| poll.cause.is_none()), "{witnesses:?}");
        assert!(witnesses.ping.as_ref().is_some_and(|ping| ping.cause.is_none()), "{witnesses:?}");
        assert_eq!(witnesses.prompted, None);
        stage.world.peer("bot").deafen();
        stage.until_closed("bot").await;
        let ping = stage.ask(GetAccount(name("bot"))).await.unwrap().witnesses.ping.unwrap();
        assert!(ping.cause.is_some(), "{ping:?}");
    });
}

#[test]
fn what_a_sink_holds_and_what_waits_behind_it_is_told() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        let quiet = stage.ask(GetAccount(name("bot"))).await.unwrap();
        assert_eq!(quiet.waiting.map(|waiting| waiting.unacknowledged), Some(0));
        stage.sink.behave(Manner::After(60 * SECOND));
        for post in ["p1", "p2", "p3"] {
            stage.world.peer("bot").post("c", post);
        }
        stage.pass(SECOND).await;
        let detail = stage.ask(GetAccount(name("bot"))).await.unwrap();
        let Some(DeliveryQueueStats { unacknowledged: 1, waiting: 2, oldest: Some(_) }) = detail.waiting
        else {
            panic!("{:?}", detail.waiting)
        };
        assert!(detail.snapshot.queued >= 3, "{}", detail.snapshot.queued);
    });
}

#[test]
fn a_server_tells_whether_it_is_up_and_who_is_on_it() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("a").await;
        stage.ready("b").await;
        let servers = stage.ask(ListServers).await;
        let [server] = &servers[..] else { panic!("{servers:?}") };
        assert_eq!((server.up, server.accounts, server.down_for), (true, 2, None));
        stage.world.stop();
        stage.until_server(|fact| *fact == Fact::ServerDown).await;
        stage.pass(3 * SECOND).await;
        let server = stage.ask(ListServers).await.remove(0);
        assert!(!server.up && server.down_for.is_some_and(|down| down >= 3 * SECOND), "{server:?}");
    });
}

#[test]
fn an_audit_can_be_asked_for_while_the_account_is_ready() {
    play(settings(), wide_open(), async |stage| {
        stage.world.add_channel("c", &["bot"]);
        stage.ready("bot").await;
        stage.pass(40 * SECOND).await;
        let before = stage.count("bot", "audited");
        stage.ask(AuditAccount(name("bot"))).await.unwrap();
        stage.until("bot", |fact| matches!(fact, Fact::Audited { .. })).await;
        assert_eq!(before, 0, "its own would have come much later");
        let audit = stage.ask(GetAccount(name("bot"))).await.unwrap().witnesses.audit;
        assert!(audit.is_some_and(|audit| audit.cause.is_none()));
        stage.ask(StopAccount(name("bot"))).await.unwrap();
        stage.until("bot", |fact| *fact == Fact::Stopped).await;
        let refused = stage.ask(AuditAccount(name("bot"))).await;
        assert_eq!(refused, Err(SupervisorError::NotReady(name("bot"))));
        let unknown = stage.ask(AuditAccount(name("x"))).await;
        assert_eq!(unknown, Err(SupervisorError::UnknownAccount(name("x"))));
    });
}

#[test]
fn the_time_in_which_an_account_was_ready_is_told_over_all_its_connections() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.pass(100 * SECOND).await;
        stage.world.stop();
        stage.world.peer("bot").cut();
        stage.until_closed("bot").await;
        let before = stage.snapshot("bot").await.ready_for;
        assert!(before >= 100 * SECOND && before < 101 * SECOND, "{before:?}");
        stage.pass(50 * SECOND).await;
        assert_eq!(stage.snapshot("bot").await.ready_for, before);
        stage.world.start();
        stage.until_ready("bot").await;
        stage.pass(10 * SECOND).await;
        let after = stage.snapshot("bot").await.ready_for;
        assert!(after >= before + 10 * SECOND && after < before + 11 * SECOND, "{after:?}");
    });
}

#[test]
fn an_audit_that_was_asked_for_comes_where_none_is_set_and_as_soon_as_it_can_tell() {
    let audit = AuditSettings { enabled: false, ..AuditSettings::default() };
    play(HostSettings { audit, ..settings() }, wide_open(), async |stage| {
        stage.world.add_channel("c", &["bot"]);
        stage.ready("bot").await;
        stage.ask(AuditAccount(name("bot"))).await.unwrap();
        stage.until("bot", |fact| matches!(fact, Fact::Audited { .. })).await;
        stage.pass(3_600 * SECOND).await;
        assert_eq!(stage.count("bot", "audited"), 1, "once");
    });
}
