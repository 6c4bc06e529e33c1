//! Tests of what an account's own socket shows about the account, and of how soon a lone account hears again.

use std::time::Duration;

use matterhost_actors::{
    hosting::{HealthSettings, HostSettings},
    model::{CloseReason, Fact},
    policy::PingSettings,
};
use tokio::time::Instant;

use crate::harness::{Harness, PING, SECOND, bots, run_paused, settings, unlimited_rate};

/// Returns settings with the default rate of pings.
fn pinging() -> HostSettings {
    let settings = settings();
    let health = HealthSettings { ping_limits: PingSettings::default(), ..settings.health };
    HostSettings { health, ..settings }
}

fn pings(harness: &Harness, bot: &str) -> usize {
    harness.fake.server_socket(bot).received().iter().filter(|text| text.contains(PING)).count()
}

#[test]
fn a_lone_account_hears_again_within_a_second_of_a_cycle_or_a_token_toggle() {
    run_paused(pinging(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        for cycle in [true, false] {
            harness.advance(90 * SECOND + SECOND / 3).await;
            let since = Instant::now();
            if cycle {
                harness.fake.disable("bot");
                harness.fake.enable("bot");
            } else {
                harness.fake.toggle_token("bot");
            }
            assert!(matches!(harness.wait_until_closed("bot").await.0, CloseReason::Deaf { .. }));
            assert_eq!(harness.wait_until_scheduled("bot").await, (Duration::ZERO, false));
            harness.wait_until_ready("bot").await;
            assert!(since.elapsed() <= SECOND, "{:?}", since.elapsed());
        }
    });
}

#[test]
fn a_cycle_around_a_ping_costs_a_second_and_not_five() {
    run_paused(pinging(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.advance(90 * SECOND).await;
        harness.fake.disable("bot");
        harness.wait_for("bot", |fact| *fact == Fact::Blocked).await;
        harness.fake.enable("bot");
        let since = Instant::now();
        harness.wait_until_ready("bot").await;
        assert!(since.elapsed() <= SECOND, "{:?}", since.elapsed());
    });
}

#[test]
fn many_accounts_share_the_rate_of_pings() {
    let mut settings = pinging();
    settings.health.ping_limits.per_second = 2.0;
    run_paused(settings, unlimited_rate(), async |harness| {
        let bots = bots(8);
        for bot in &bots {
            harness.ready(bot).await;
        }
        harness.advance(10 * SECOND).await;
        let before: usize = bots.iter().map(|bot| pings(harness, bot)).sum();
        harness.advance(60 * SECOND).await;
        let sent = bots.iter().map(|bot| pings(harness, bot)).sum::<usize>() - before;
        assert!((112..=128).contains(&sent), "{sent} in a minute at two a second");
    });
}

#[test]
fn the_accounts_own_offline_status_is_looked_into_at_once_and_at_most_once_a_second() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.advance(10 * SECOND).await;
        let (asked, pinged) = (harness.fake.me_requests(), pings(harness, "bot"));
        let socket = harness.fake.server_socket("bot");
        for (status, user) in [("away", "id-bot"), ("offline", "id-somebody")] {
            socket.event("status_change", "", &format!(r#"{{"status":"{status}","user_id":"{user}"}}"#));
        }
        harness.advance(SECOND / 10).await;
        assert_eq!((harness.fake.me_requests(), pings(harness, "bot")), (asked, pinged), "no news");
        for _ in 0..20 {
            socket.event("status_change", "", r#"{"status":"offline","user_id":"id-bot"}"#);
        }
        harness.advance(SECOND / 10).await;
        assert_eq!((harness.fake.me_requests(), pings(harness, "bot")), (asked + 1, pinged + 1));
        harness.advance(2 * SECOND).await;
        assert_eq!((harness.fake.me_requests(), pings(harness, "bot")), (asked + 2, pinged + 2));
    });
}

#[test]
fn a_quick_cycle_that_shows_only_as_offline_is_noticed_at_once() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.advance(10 * SECOND).await;
        let since = Instant::now();
        let offline = r#"{"status":"offline","user_id":"id-bot"}"#;
        harness.fake.server_socket("bot").event("status_change", "", offline);
        harness.fake.disable("bot");
        harness.fake.enable("bot");
        harness.wait_until_closed("bot").await;
        harness.wait_until_ready("bot").await;
        assert!(since.elapsed() < SECOND / 10, "{:?}", since.elapsed());
    });
}

#[test]
fn a_bot_that_changes_itself_at_every_post_keeps_its_socket() {
    run_paused(pinging(), unlimited_rate(), async |harness| {
        harness.ready("sibling").await;
        harness.ready("bot").await;
        for _ in 0..240 {
            harness.fake.change_itself("bot");
            harness.advance(SECOND).await;
        }
        assert_eq!(harness.count("bot", "closed"), 0);
        assert_eq!(harness.count("bot", "own_change"), 240);
        harness.fake.server_socket("bot").drop_connection();
        harness.wait_until_ready("bot").await;
        assert!(harness.fake.resumes("bot")[1].is_some(), "the raised baseline allows a resume");
        harness.fake.touch("bot");
        let (reason, _) = harness.wait_until_closed("bot").await;
        assert_eq!(reason, CloseReason::Stale { baseline: 1_240, seen: 1_241 }, "what it did not announce");
    });
}

#[test]
fn a_change_of_its_own_that_a_poll_sees_first_is_put_to_a_ping() {
    run_paused(pinging(), unlimited_rate(), async |harness| {
        harness.ready("sibling").await;
        harness.ready("bot").await;
        harness.fake.change_itself("bot");
        harness.advance(SECOND).await;
        // The server answers the poll before it announces the change.
        harness.fake.touch("bot");
        harness.fake.announce("bot");
        harness.advance(60 * SECOND).await;
        assert_eq!(harness.count("bot", "closed"), 0);
        harness.fake.disable("bot");
        harness.fake.enable("bot");
        harness.wait_until_closed("bot").await;
    });
}

#[test]
fn the_drift_after_a_new_team_is_put_to_a_ping_and_the_next_is_not() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("sibling").await;
        harness.ready("bot").await;
        let added = r#"{"team_id":"t","user_id":"id-bot"}"#;
        harness.fake.server_socket("bot").event("added_to_team", "", added);
        harness.fake.touch("bot");
        harness.advance(120 * SECOND).await;
        assert_eq!((harness.count("bot", "closed"), harness.count("bot", "own_change")), (0, 1));
        harness.fake.touch("bot");
        let (reason, _) = harness.wait_until_closed("bot").await;
        assert_eq!(reason, CloseReason::Stale { baseline: 1_001, seen: 1_002 });
    });
}

#[test]
fn a_cycle_after_a_new_team_is_found_by_that_ping() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        harness.ready("sibling").await;
        harness.ready("bot").await;
        let added = r#"{"team_id":"t","user_id":"id-bot"}"#;
        harness.fake.server_socket("bot").event("added_to_team", "", added);
        harness.advance(SECOND).await;
        let since = Instant::now();
        harness.fake.disable("bot");
        harness.fake.enable("bot");
        assert!(matches!(harness.wait_until_closed("bot").await.0, CloseReason::Deaf { .. }));
        assert!(since.elapsed() <= SECOND, "{:?}", since.elapsed());
    });
}
