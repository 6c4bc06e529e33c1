//! The audit: what nothing else notices, and what it must not mistake for that.

use std::time::Duration;

use matterhost_actors::{
    hosting::{AuditSettings, CatchUpSettings, HealthSettings, HostSettings},
    mattermost::RestErrorKind,
    model::{CloseReason, Fact},
    policy::PingSettings,
};
use matterhost_simulator::{Fault, FaultKind};

use crate::{
    catching_up::tick,
    scene::{Scene, hurried, quick_simulator, run},
    stage::{Manner, SECOND, Stage, play, settings, wide_open},
};

const HOUR: Duration = Duration::from_secs(3_600);

/// A bot in one channel that has heard one post.
async fn listening(stage: &mut Stage) {
    stage.world.add_channel("c", &["bot"]);
    stage.ready("bot").await;
    say(stage, 1_000_000);
    stage.sink.until_posts(1).await;
}

/// A post that the bot hears live.
fn say(stage: &Stage, create_at: i64) -> String {
    let id = stage.world.post("c", create_at).to_string();
    stage.world.peer("bot").post_at("c", &id, create_at.unsigned_abs());
    id
}

#[test]
fn a_post_that_the_server_never_sent_is_found_and_fetched() {
    play(settings(), wide_open(), async |stage| {
        listening(stage).await;
        let lost = stage.world.post("c", 1_000_500);
        let (reason, charged) = stage.until_closed("bot").await;
        assert_eq!(reason, CloseReason::AuditHole { channel: "c".into(), post: lost.clone() });
        assert!(!charged);
        let (_, resume) = stage.until_scheduled("bot").await;
        assert!(!resume, "what the old connection lost it would lose again");
        stage.sink.until_posts(2).await;
        assert_eq!(stage.sink.posts()[1].id, lost);
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
        // Nobody is to be silent here, however busy the machine is.
        let ping_limits = PingSettings { interval: SECOND, timeout: 20 * SECOND };
        let health = HealthSettings { ping_limits, ..hurried().health };
        let settings = HostSettings { audit, catch_up, health, ..hurried() };
        let mut scene = Scene::with(quick_simulator(), settings, &["bot".into()]).await;
        scene.hears(1).await;
        // One of the same millisecond moves nothing in the list.
        tick();
        scene.simulator.inject(Fault::new(FaultKind::LostEvent));
        let lost = scene.post("lost");
        let (reason, _) = scene.host.until_closed("bot").await;
        assert!(matches!(reason, CloseReason::AuditHole { .. }), "{reason}");
        scene.host.sink.until_taken(1, |taken| taken.id == lost && taken.recovered).await;
    });
}

#[test]
fn a_channel_that_the_account_was_put_in_unheard_is_found() {
    play(settings(), wide_open(), async |stage| {
        listening(stage).await;
        stage.world.add_channel("new", &["bot"]);
        let lost = stage.world.post("new", 1_000_500);
        let (reason, _) = stage.until_closed("bot").await;
        assert_eq!(reason, CloseReason::AuditHole { channel: "new".into(), post: lost });
        stage.sink.until_posts(2).await;
    });
}

#[test]
fn an_hour_of_edits_pins_deletions_own_posts_and_lists_that_lag_is_quiet() {
    play(settings(), wide_open(), async |stage| {
        listening(stage).await;
        let mut last = String::new();
        for minute in 1..=60 {
            let at = 1_000_000 + minute * 60_000;
            stage.world.lag_lists(minute % 3 == 0);
            let post = say(stage, at);
            match minute % 4 {
                0 => stage.world.edit_post(&post, at + 20_000),
                1 => stage.world.pin_post(&post, at + 20_000),
                2 => stage.world.delete_post(&post, at + 20_000),
                _ => {
                    let own = stage.world.post_of_kind("c", at + 1, "", "id-bot").to_string();
                    stage.world.peer("bot").post_by("id-bot", "c", &own, (at + 1).unsigned_abs());
                }
            }
            last = post;
            stage.pass(60 * SECOND).await;
        }
        assert!(stage.sink.taken().contains(&last));
        assert!(stage.count("bot", "audited") >= 11, "{}", stage.count("bot", "audited"));
        assert_eq!(stage.count("bot", "closed"), 0);
    });
}

#[test]
fn an_hour_of_a_slow_sink_is_quiet() {
    play(settings(), wide_open(), async |stage| {
        listening(stage).await;
        stage.sink.behave(Manner::After(7 * SECOND));
        for second in 1..=3_600 {
            if second % 5 == 0 {
                say(stage, 1_000_000 + second * 1_000);
            }
            stage.pass(SECOND).await;
        }
        assert_eq!(stage.count("bot", "closed"), 0, "what waits for the sink is received");
    });
}

#[test]
fn a_post_whose_event_is_late_is_no_hole() {
    play(settings(), wide_open(), async |stage| {
        listening(stage).await;
        for n in 1..=12 {
            // Whenever the audit looks, the newest post is there and its event is not, for another nine seconds.
            let at = 1_000_000 + n * 300_000;
            let id = stage.world.post("c", at).to_string();
            stage.pass(9 * SECOND).await;
            stage.world.peer("bot").post_at("c", &id, at.unsigned_abs());
            stage.pass(291 * SECOND).await;
        }
        assert_eq!(stage.count("bot", "closed"), 0);
        assert!(stage.count("bot", "audited") > 0);
    });
}

#[test]
fn an_audit_that_fails_is_counted_and_cuts_nothing() {
    play(settings(), wide_open(), async |stage| {
        listening(stage).await;
        stage.world.fail_lists(Some(RestErrorKind::Server(500)));
        let failed = |fact: &Fact| matches!(fact, Fact::ProbeFailed { cause } if cause.contains("audit"));
        stage.until("bot", failed).await;
        stage.world.fail_lists(None);
        stage.until("bot", |fact| matches!(fact, Fact::Audited { .. })).await;
        assert_eq!(stage.count("bot", "closed"), 0);
    });
}

#[test]
fn it_can_be_turned_off() {
    let audit = AuditSettings { enabled: false, ..AuditSettings::default() };
    play(HostSettings { audit, ..settings() }, wide_open(), async |stage| {
        listening(stage).await;
        stage.world.post("c", 1_000_500);
        stage.pass(HOUR).await;
        assert_eq!((stage.count("bot", "audited"), stage.count("bot", "closed")), (0, 0));
    });
}
