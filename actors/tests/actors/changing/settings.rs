//! Settings that change: what is taken up while sockets are open, and what waits for the next.

use std::time::Duration;

use matterhost_actors::{
    hosting::{ChangeSettings, HealthSettings, HostSettings},
    model::{CloseReason, Fact, Generation},
    policy::RestartSettings,
};

use crate::stage::{Manner, SECOND, play, settings, wide_open, with_restart};

#[test]
fn settings_are_taken_up_without_an_ending() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        let quick = Duration::from_secs(2);
        let health = HealthSettings { poll_interval: quick, ping: false, ..HealthSettings::default() };
        stage.ask(ChangeSettings(HostSettings { health, ..settings() })).await;
        let (polls, pings) = (stage.world.polls(), stage.world.peer("bot").heard().len());
        stage.pass(60 * SECOND).await;
        assert!(stage.world.polls() - polls >= 28, "{} polls", stage.world.polls() - polls);
        assert_eq!(stage.world.peer("bot").heard().len(), pings, "no ping");
        let none = HealthSettings { poll: false, ping: true, ..health };
        stage.ask(ChangeSettings(HostSettings { health: none, ..settings() })).await;
        stage.pass(SECOND).await;
        let polls = stage.world.polls();
        stage.pass(60 * SECOND).await;
        assert_eq!(stage.world.polls(), polls, "no poll");
        assert!(stage.world.peer("bot").heard().len() > pings, "pings again");
        assert_eq!(
            (stage.count("bot", "closed"), stage.snapshot("bot").await.generation),
            (0, Generation(1))
        );
    });
}

#[test]
fn polls_begin_where_there_were_none() {
    let blind = HealthSettings { poll: false, witness: false, ..HealthSettings::default() };
    play(HostSettings { health: blind, ..settings() }, wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.world.touch("bot");
        stage.pass(120 * SECOND).await;
        assert_eq!(stage.count("bot", "closed"), 0, "nobody looks");
        stage.ask(ChangeSettings(settings())).await;
        assert!(matches!(stage.until_closed("bot").await.0, CloseReason::Stale { .. }));
    });
}

#[test]
fn another_budget_counts_what_was_charged_before() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        stage.world.peer("bot").babble();
        stage.until_ready("bot").await;
        let strict = with_restart(RestartSettings { max_restarts: 1, ..RestartSettings::default() });
        stage.ask(ChangeSettings(strict)).await;
        assert_eq!(stage.snapshot("bot").await.budget_left, 0);
        stage.world.peer("bot").babble();
        stage.until("bot", |fact| matches!(fact, Fact::Tripped { .. })).await;
    });
}

#[test]
fn another_queue_holds_from_the_next_connection_on() {
    play(settings(), wide_open(), async |stage| {
        stage.ready("bot").await;
        let mut small = settings();
        small.delivery.queue = 2;
        stage.ask(ChangeSettings(small)).await;
        stage.world.peer("bot").cut();
        stage.until_ready("bot").await;
        stage.sink.behave(Manner::Never);
        for n in 0..6 {
            stage.world.peer("bot").post(&format!("c{n}"), &format!("p{n}"));
        }
        stage.pass(SECOND).await;
        stage.sink.until_offered(2).await;
        stage.pass(600 * SECOND).await;
        assert_eq!(stage.count("bot", "closed"), 1, "it waits, and is not silent");
    });
}
