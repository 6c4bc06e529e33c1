//! Look-ups of channels, users and posts, and actions on posts that are gone.

use matterhost_actors::{
    hosting::LookUp,
    mattermost::RestErrorKind,
    model::{Found, Lookup, OutgoingAction, ReplyError, Target, UserRef},
};

use super::{draft, perform, post, with_a_bot};
use crate::{
    harness::{SECOND, TestHost, name, settings},
    simulator_harness::{SimulatorHarness, run},
};

async fn look_up(host: &TestHost, lookup: Lookup) -> Result<Found, ReplyError> {
    host.send(LookUp { account: name("bot"), lookup }).await
}

fn channel(target: &str) -> Lookup {
    Lookup::Channel(target.parse::<Target>().unwrap())
}

#[test]
fn a_channel_is_looked_up_once_in_five_minutes() {
    with_a_bot(settings(), async |harness| {
        for _ in 0..3 {
            assert_eq!(look_up(harness, channel("staff/town")).await.unwrap().id(), "id-town");
        }
        assert_eq!(harness.fake.request_count("look-up"), 1);
        assert_eq!(look_up(harness, channel("@ann")).await.unwrap().id(), "direct-id-ann");
        assert_eq!(harness.fake.request_count("look-up"), 3, "a user, and the direct channel with them");
        harness.advance(300 * SECOND).await;
        look_up(harness, channel("staff/town")).await.unwrap();
        assert_eq!(harness.fake.request_count("look-up"), 4);
    });
}

#[test]
fn something_missing_is_named_and_asked_for_again() {
    with_a_bot(settings(), async |harness| {
        for asked in 1..=2 {
            let missing = look_up(harness, channel("@nobody")).await.unwrap_err().to_string();
            assert_eq!(missing, "channel @nobody was not found on the server, or account bot may not see it");
            assert_eq!(harness.fake.request_count("look-up"), asked);
        }
        let unknown = LookUp { account: name("who"), lookup: channel("@ann") };
        assert_eq!(harness.send(unknown).await.unwrap_err(), ReplyError::UnknownAccount(name("who")));
    });
}

#[test]
fn a_look_up_that_takes_too_long_names_its_own_limit() {
    with_a_bot(settings(), async |harness| {
        harness.fake.fail_lists(Some(RestErrorKind::Unreachable));
        let late = look_up(harness, channel("staff/town")).await.unwrap_err();
        assert!(matches!(late, ReplyError::TimedOut { waited, .. } if waited == 30 * SECOND), "{late}");
    });
}

#[test]
fn a_post_that_is_gone_counts_as_deleted() {
    with_a_bot(settings(), async |harness| {
        let gone = OutgoingAction::Delete { post: "gone".into() };
        perform(harness, gone).await.unwrap();
        assert_eq!(harness.fake.request_count("delete"), 1);
        let own = post(harness, draft("town", "x")).await.unwrap().ids[0].clone();
        perform(harness, OutgoingAction::Delete { post: own }).await.unwrap();
        let theirs = harness.fake.post("town", 2_000);
        let refused = perform(harness, OutgoingAction::Delete { post: theirs }).await.unwrap_err();
        assert!(matches!(refused, ReplyError::Refused { .. }), "{refused}");
    });
}

/// Every look-up over a real socket.
#[test]
fn the_server_answers_each_look_up() {
    run(async || {
        let harness = SimulatorHarness::with_one_bot().await;
        let simulator = &harness.simulator;
        let named = |name: &str| Lookup::User(UserRef::Name(name.into()));
        let person = simulator.create_user("ann.lee");
        simulator.add_to_channel(&harness.channel, &person.user_id);
        let found = look_up(&harness.host, named("ann.lee")).await.unwrap();
        assert_eq!(found.id(), person.user_id);
        let by_id = Lookup::User(UserRef::Id(person.user_id.as_str().into()));
        assert!(look_up(&harness.host, by_id).await.unwrap().json().get().contains("\"ann.lee\""));

        let by_id = look_up(&harness.host, channel(&harness.channel)).await.unwrap();
        assert_eq!(by_id.id(), harness.channel);
        let direct = look_up(&harness.host, channel("@ann.lee")).await.unwrap();
        assert!(direct.json().get().contains("\"type\":\"D\""));

        let root = simulator.post(&person.user_id, &harness.channel, "root");
        let thread = look_up(&harness.host, Lookup::Thread(root.id.as_str().into())).await.unwrap();
        assert!(thread.json().get().contains(&*root.id));
        let newest = Lookup::Posts { channel: harness.channel.as_str().into(), count: 1 };
        assert!(look_up(&harness.host, newest).await.unwrap().json().get().contains(&*root.id));
        let missing = look_up(&harness.host, channel("no-team/no-channel")).await.unwrap_err();
        assert!(matches!(missing, ReplyError::NotFound { .. }), "{missing}");
    });
}
