//! The number of requests that an account costs per hour.

use std::time::Duration;

use matterhost_actors::{
    hosting::{HealthSettings, HostSettings},
    policy::{GateLimits, PingSettings},
};

use matterhost_simulator::{Fault, FaultKind};

use crate::{
    catch_up::tick,
    harness::{PING, bots, run_paused, settings},
    simulator_harness::{SimulatorHarness, run},
};

const ACCOUNTS: u32 = 100;

/// Two polls of an account, and enough pings to tell a rate.
const MEASURED: Duration = Duration::from_secs(600);

/// 100 accounts share 5 requests per second: as many for each as a thousand accounts have of 50 per second.
#[test]
fn polls_fit_half_the_rate_and_an_audit_is_one_list_in_five_minutes() {
    let limits = GateLimits { requests_per_second: 5.0, dial_slots: 100, ..GateLimits::default() };
    run_paused(settings(), limits, async |harness| {
        let names = bots(ACCOUNTS as usize);
        for name in &names {
            harness.host(name).await;
        }
        harness.wait_until_all_ready(&names).await;
        harness.fake.add_channel("c", &names.iter().map(String::as_str).collect::<Vec<_>>());
        harness.advance_discarding(Duration::from_secs(600)).await;
        let before = (harness.fake.me_requests(), harness.fake.list_requests());
        harness.advance_discarding(Duration::from_secs(3_600)).await;
        let polls = (harness.fake.me_requests() - before.0) / u64::from(ACCOUNTS);
        let lists = (harness.fake.list_requests() - before.1) / u64::from(ACCOUNTS);
        println!("per account and hour: {polls} polls, {lists} lists");
        assert!((80..=90).contains(&polls), "{polls} polls, expected one every 40 s instead of 30");
        assert!((11..=12).contains(&lists), "{lists} audits");
    });
}

/// The adaptive ping costs no request: an account asks as often whether it is one or one of a thousand.
#[test]
fn pings_cost_no_request_and_keep_to_their_rate() {
    for (accounts, expected) in [(1, 600), (100, 60_000), (1_000, 60_000)] {
        let health = HealthSettings { ping_limits: PingSettings::default(), ..settings().health };
        let settings = HostSettings { health, ..settings() };
        run_paused(settings, GateLimits { dial_slots: 100, ..GateLimits::default() }, async |harness| {
            let names = bots(accounts);
            for name in &names {
                harness.host(name).await;
            }
            harness.wait_until_all_ready(&names).await;
            harness.advance_discarding(Duration::from_secs(30)).await;
            let fake = harness.fake.clone();
            let sent = || -> usize {
                let pings = |name: &String| fake.server_socket(name).received();
                names.iter().map(|name| pings(name).iter().filter(|text| text.contains(PING)).count()).sum()
            };
            let before = (fake.me_requests() + fake.list_requests(), sent());
            harness.advance_discarding(MEASURED).await;
            let requests = harness.fake.me_requests() + harness.fake.list_requests() - before.0;
            let pings = sent() - before.1;
            let hourly = requests * 6 / names.len() as u64;
            println!("{accounts} accounts: {hourly} requests per account and hour, {pings} pings in 10 min");
            assert!(pings.abs_diff(expected) <= expected / 10, "{pings} pings, not {expected}");
            assert!(hourly <= 140, "{hourly} requests per account and hour");
        });
    }
}

#[test]
fn teams_are_asked_for_again_once_the_account_was_added_to_one() {
    run(async || {
        let mut harness = SimulatorHarness::with_one_bot().await;
        harness.post_and_wait(1).await;
        let asked = |harness: &SimulatorHarness| {
            harness.simulator.counters().requests_to("GET /users/{user_id}/teams")
        };
        let before = asked(&harness);
        assert!(before > 0, "the server lists the channels by team");
        harness.drop_and_reconnect().await;
        assert_eq!(asked(&harness), before);
        let bot = harness.bots[0].user_id.clone();
        let refusing = harness.simulator.inject(Fault::new(FaultKind::Refuse));
        harness.simulator.drop_sockets(&bot);
        harness.host.wait_until_closed("bot").await;
        let team = harness.simulator.create_team("another");
        harness.simulator.add_to_team(&team, &bot);
        let room = harness.simulator.create_channel(&team, "room");
        harness.simulator.add_to_channel(&room, &bot);
        tick();
        let missed = harness.post_in(&room, "missed");
        harness.simulator.clear_fault(refusing);
        harness.host.wait_until_ready("bot").await;
        assert!(asked(&harness) > before, "fact 7");
        harness.host.sink.wait_for_changes(1, |change| change.id == missed).await;
    });
}
