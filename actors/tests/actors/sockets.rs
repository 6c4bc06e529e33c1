//! The whole over real sockets: the actors, the client, and the simulated server.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use matterhost_actors::{
    hosting::RestartAccount,
    mattermost::{ClientConfig, ClientLimits, Tls},
    model::{AccountState, CloseReason, Fact},
    ports::HttpApi,
};
use matterhost_simulator::{Fault, FaultKind, Simulator};

use crate::{
    harness::{TestHost, bots, name},
    simulator_harness::{SimulatorHarness, config, fast_settings, quick_simulator, run},
};

#[test]
fn a_post_reaches_the_sink() {
    run(async || SimulatorHarness::with_one_bot().await.post_and_wait(1).await);
}

#[test]
fn a_disabled_and_enabled_bot_receives_events_again() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        let bot = harness.bots[0].user_id.clone();
        harness.simulator.disable(&bot);
        harness.host.wait_for("bot", |fact| *fact == Fact::Blocked).await;
        harness.simulator.enable(&bot);
        harness.host.wait_until_ready("bot").await;
        harness.post_and_wait(1).await;
        harness.simulator.cycle(&bot);
        let (reason, charged) = harness.host.wait_until_closed("bot").await;
        assert!(
            matches!(reason, CloseReason::Stale { .. } | CloseReason::Deaf { .. }) && !charged,
            "{reason}"
        );
        harness.host.wait_until_ready("bot").await;
        harness.post_and_wait(2).await;
    });
}

#[test]
fn the_time_that_a_bot_may_have_been_deaf_is_reported() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        let before = Instant::now();
        harness.simulator.cycle(&harness.bots[0].user_id);
        let hears_again = |fact: &Fact| matches!(fact, Fact::HearsAgain { .. });
        let Fact::HearsAgain { after } = harness.host.wait_for("bot", hears_again).await else {
            unreachable!()
        };
        // The server counts in whole milliseconds.
        assert!(!after.is_zero() && after <= before.elapsed() + Duration::from_millis(1), "{after:?}");
    });
}

#[test]
fn a_disabled_and_enabled_token_is_deaf_without_drift_and_recovers() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        harness.simulator.toggle_token(&harness.bots[0].token_id);
        assert!(matches!(harness.host.wait_until_closed("bot").await.0, CloseReason::Deaf { .. }));
        harness.host.wait_until_ready("bot").await;
        harness.post_and_wait(1).await;
    });
}

#[test]
fn a_bad_token_is_blocked_though_the_server_says_101() {
    run(async || {
        let simulator = quick_simulator();
        let mut host = TestHost::real_time(fast_settings(), Arc::new(HttpApi::new(config(&simulator))));
        host.add("bot", "nobodys-token", host.sink.clone()).await.unwrap();
        host.wait_for("bot", |fact| *fact == Fact::Blocked).await;
    });
}

#[test]
fn a_bot_recovers_from_every_network_fault() {
    let once = |kind| Fault::new(kind).times(1);
    let faults = [
        once(FaultKind::Reset),
        once(FaultKind::Drop),
        once(FaultKind::GarbageFrame),
        once(FaultKind::GarbageText),
        once(FaultKind::HugeFrame(300 * 1024)),
        once(FaultKind::FrameHeaderOnly(400 << 20)),
        once(FaultKind::FragmentedEvent(7)),
        once(FaultKind::Close(1001)),
        once(FaultKind::ServerPing),
        Fault::new(FaultKind::Silence).lasting(Duration::from_millis(700)),
        Fault::new(FaultKind::Slow(Duration::from_millis(50))).lasting(Duration::from_millis(300)),
    ];
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        for fault in faults {
            let kind = format!("{fault:?}");
            harness.simulator.inject(fault);
            // Whatever it does, at its end stands a Connection that is ready and whose ping is answered.
            harness.host.wait_for("bot", |fact| matches!(fact, Fact::ProbeGood { .. })).await;
            while harness.host.state("bot").await != AccountState::Ready {
                harness.host.wait_until_ready("bot").await;
            }
            assert_eq!(harness.host.count("bot", "tripped"), 0, "{kind}");
            harness.simulator.clear_faults();
        }
        harness.post_and_wait(1).await;
    });
}

#[test]
fn a_bot_recovers_from_every_fault_while_connecting() {
    let faults = [
        FaultKind::Refuse,
        FaultKind::Unauthorized,
        FaultKind::TooManyRequests { retry_after: 1 },
        FaultKind::ServerError,
        FaultKind::Garbage,
        FaultKind::Html,
        FaultKind::Redirect("http://127.0.0.1:1/".into()),
        FaultKind::HelloWithheld,
        FaultKind::DropBeforeHello,
    ];
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        for fault in faults {
            let before = harness.host.seen.len();
            let id = harness.simulator.inject(Fault::new(fault));
            harness.host.send(RestartAccount(name("bot"))).await.unwrap();
            harness.host.wait_until_closed("bot").await;
            // The next one fails too, unless the gate already knows that the server does not respond.
            if !harness.host.seen[before..].iter().any(|seen| seen.fact == Fact::ServerDown) {
                let failed = |fact: &Fact| matches!(fact, Fact::Closed { .. } | Fact::ServerDown);
                harness.host.wait_for_any_fact(failed).await;
            }
            harness.simulator.clear_fault(id);
            harness.host.send(RestartAccount(name("bot"))).await.unwrap();
            harness.host.wait_until_ready("bot").await;
        }
        harness.post_and_wait(1).await;
    });
}

#[test]
fn a_restart_of_the_server_brings_all_its_bots_back() {
    run(async || {
        let names = bots(50);
        let mut harness = SimulatorHarness::new(quick_simulator(), &names).await;
        harness.simulator.stop_server();
        harness.host.wait_for_server_fact(|fact| *fact == Fact::ServerDown).await;
        harness.simulator.start_server().unwrap();
        harness.host.wait_until_all_ready(&names).await;
        harness.post_and_wait(1).await;
        for name in &names {
            assert_eq!(harness.host.snapshot(name).await.restarts_in_window, 0, "{name}");
        }
    });
}

#[test]
fn a_bot_recovers_over_tls_below_a_path_with_a_private_authority() {
    run(async || {
        let simulator = Simulator::builder().tls(true).sub_path("/chat").start().unwrap();
        let mut harness = SimulatorHarness::new(simulator, &["bot".into()]).await;
        harness.post_and_wait(1).await;
        harness.simulator.reset_connections(&harness.bots[0].user_id);
        harness.host.wait_until_ready("bot").await;
        harness.post_and_wait(2).await;
    });
}

#[test]
fn an_untrusted_certificate_is_misconfigured() {
    run(async || {
        let simulator = Simulator::builder().tls(true).start().unwrap();
        let bot = simulator.create_bot("bot");
        let tls = Tls::load(None).unwrap();
        let config = ClientConfig::new(
            simulator.url().parse().unwrap(),
            Some(tls),
            ClientLimits::default(),
            "matterhost/test",
        );
        let mut host = TestHost::real_time(fast_settings(), Arc::new(HttpApi::new(config)));
        host.add("bot", &bot.token, host.sink.clone()).await.unwrap();
        host.wait_for("bot", |fact| *fact == Fact::Misconfigured).await;
    });
}
