//! The audit finds losses that no other check notices, and raises no false alarms.

use std::time::Duration;

use matterhost_actors::{
    hosting::{AuditSettings, CatchUpSettings, HealthSettings, HostSettings},
    mattermost::RestErrorKind,
    model::{CloseReason, Fact},
    policy::PingSettings,
};
use matterhost_simulator::{Fault, FaultKind};

use crate::{
    catch_up::tick,
    harness::{Harness, SECOND, SinkBehavior, run_paused, settings, unlimited_rate},
    simulator_harness::{SimulatorHarness, fast_settings, quick_simulator, run},
};

const HOUR: Duration = Duration::from_secs(3_600);

/// Makes a bot ready in one channel, with one post received.
async fn listening(harness: &mut Harness) {
    harness.fake.add_channel("c", &["bot"]);
    harness.ready("bot").await;
    say(harness, 1_000_000);
    harness.sink.wait_for_posts(1).await;
}

/// Makes a post that the bot receives live.
fn say(harness: &Harness, create_at: i64) -> String {
    let id = harness.fake.post("c", create_at).to_string();
    harness.fake.server_socket("bot").post_at("c", &id, create_at.unsigned_abs());
    id
}

#[test]
fn a_post_that_the_server_never_sent_is_found_and_fetched() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        listening(harness).await;
        let lost = harness.fake.post("c", 1_000_500);
        let (reason, charged) = harness.wait_until_closed("bot").await;
        assert_eq!(reason, CloseReason::AuditHole { channel: "c".into(), post: lost.clone() });
        assert!(!charged);
        let (_, resume) = harness.wait_until_scheduled("bot").await;
        assert!(!resume, "a resumed connection would lose the same events again");
        harness.sink.wait_for_posts(2).await;
        assert_eq!(harness.sink.posts()[1].id, lost);
    });
}

#[test]
fn a_lost_post_is_found_though_the_post_before_it_exists_no_more() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        listening(harness).await;
        let anchor = say(harness, 1_020_000);
        say(harness, 1_040_000);
        harness.sink.wait_for_posts(3).await;
        harness.fake.purge_post(&anchor);
        let lost = harness.fake.post("c", 1_060_000);
        let (reason, _) = harness.wait_until_closed("bot").await;
        assert_eq!(reason, CloseReason::AuditHole { channel: "c".into(), post: lost }, "fact 11");
    });
}

#[test]
fn events_that_are_dropped_while_ping_and_sequence_are_right_are_found_over_sockets() {
    run(async || {
        let audit = AuditSettings {
            interval: Duration::from_millis(200),
            grace: Duration::from_millis(50),
            ..AuditSettings::default()
        };
        let catch_up = CatchUpSettings { overlap: Duration::from_millis(300), ..CatchUpSettings::default() };
        // No bot may count as silent here, however busy the machine is.
        let ping_limits = PingSettings { interval: SECOND, timeout: 20 * SECOND, ..PingSettings::default() };
        let health = HealthSettings { ping_limits, ..fast_settings().health };
        let settings = HostSettings { audit, catch_up, health, ..fast_settings() };
        let mut harness = SimulatorHarness::with_settings(quick_simulator(), settings, &["bot".into()]).await;
        harness.post_and_wait(1).await;
        // One of the same millisecond moves nothing in the list.
        tick();
        harness.simulator.inject(Fault::new(FaultKind::LostEvent));
        let lost = harness.post("lost");
        let (reason, _) = harness.host.wait_until_closed("bot").await;
        assert!(matches!(reason, CloseReason::AuditHole { .. }), "{reason}");
        harness.host.sink.wait_for_changes(1, |taken| taken.id == lost && taken.recovered).await;
    });
}

#[test]
fn a_channel_joined_without_an_event_is_found() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        listening(harness).await;
        harness.fake.add_channel("new", &["bot"]);
        let lost = harness.fake.post("new", 1_000_500);
        let (reason, _) = harness.wait_until_closed("bot").await;
        assert_eq!(reason, CloseReason::AuditHole { channel: "new".into(), post: lost });
        harness.sink.wait_for_posts(2).await;
    });
}

#[test]
fn an_hour_of_edits_pins_deletions_own_posts_and_lists_that_lag_is_quiet() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        listening(harness).await;
        let mut last = String::new();
        for minute in 1..=60 {
            let at = 1_000_000 + minute * 60_000;
            harness.fake.lag_lists(minute % 3 == 0);
            let post = say(harness, at);
            match minute % 4 {
                0 => harness.fake.edit_post(&post, at + 20_000),
                1 => harness.fake.pin_post(&post, at + 20_000),
                2 => harness.fake.delete_post(&post, at + 20_000),
                _ => {
                    let own = harness.fake.post_of_kind("c", at + 1, "", "id-bot").to_string();
                    harness.fake.server_socket("bot").post_by("id-bot", "c", &own, (at + 1).unsigned_abs());
                }
            }
            last = post;
            harness.advance(60 * SECOND).await;
        }
        assert!(harness.sink.received_labels().contains(&last));
        assert!(harness.count("bot", "audited") >= 11, "{}", harness.count("bot", "audited"));
        assert_eq!(harness.count("bot", "closed"), 0);
    });
}

#[test]
fn an_hour_of_a_slow_sink_is_quiet() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        listening(harness).await;
        harness.sink.set_behavior(SinkBehavior::Delayed(7 * SECOND));
        for second in 1..=3_600 {
            if second % 5 == 0 {
                say(harness, 1_000_000 + second * 1_000);
            }
            harness.advance(SECOND).await;
        }
        assert_eq!(harness.count("bot", "closed"), 0, "what waits for the sink is received");
    });
}

#[test]
fn a_post_whose_event_is_late_is_no_hole() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        listening(harness).await;
        for n in 1..=12 {
            // Whenever the audit looks, the newest post is there and its event is not, for another nine seconds.
            let at = 1_000_000 + n * 300_000;
            let id = harness.fake.post("c", at).to_string();
            harness.advance(9 * SECOND).await;
            harness.fake.server_socket("bot").post_at("c", &id, at.unsigned_abs());
            harness.advance(291 * SECOND).await;
        }
        assert_eq!(harness.count("bot", "closed"), 0);
        assert!(harness.count("bot", "audited") > 0);
    });
}

#[test]
fn an_audit_that_fails_is_counted_and_cuts_nothing() {
    run_paused(settings(), unlimited_rate(), async |harness| {
        listening(harness).await;
        harness.fake.fail_lists(Some(RestErrorKind::Server(500)));
        let failed = |fact: &Fact| matches!(fact, Fact::ProbeFailed { cause } if cause.contains("audit"));
        harness.wait_for("bot", failed).await;
        harness.fake.fail_lists(None);
        harness.wait_for("bot", |fact| matches!(fact, Fact::Audited { .. })).await;
        assert_eq!(harness.count("bot", "closed"), 0);
    });
}

#[test]
fn the_audit_can_be_turned_off() {
    let audit = AuditSettings { enabled: false, ..AuditSettings::default() };
    run_paused(HostSettings { audit, ..settings() }, unlimited_rate(), async |harness| {
        listening(harness).await;
        harness.fake.post("c", 1_000_500);
        harness.advance(HOUR).await;
        assert_eq!((harness.count("bot", "audited"), harness.count("bot", "closed")), (0, 0));
    });
}
