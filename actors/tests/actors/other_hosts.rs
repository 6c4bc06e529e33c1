//! Tests of hosts that tell each other what their accounts hear about users.

use std::{sync::Arc, time::Duration};

use matterhost_actors::{
    hosting::{
        AccountSettings, AccountSpec, ChangeAccount, HealthSettings, HeardElsewhere, HostSettings,
        RemoveAccount,
    },
    model::{AccountState, CloseReason, ServerName, Token, UserChange},
    ports::WitnessRelay,
};
use parking_lot::Mutex;

use crate::{
    harness::{Harness, SECOND, name, run_paused, run_paused_with_relay, server, unlimited_rate},
    witnesses::{assert_woken_at_once, with_witnesses},
};

/// The other hosts, which remember what they are told.
#[derive(Default)]
struct OtherHosts(Mutex<Vec<UserChange>>);

impl WitnessRelay for OtherHosts {
    fn pass_on(&self, change: UserChange) {
        self.0.lock().push(change);
    }
}

/// Returns settings with which only siblings find a change.
fn only_siblings() -> HostSettings {
    with_witnesses(false, false, true)
}

fn change(user: &str, update_at: i64) -> UserChange {
    UserChange { server: server(), user: user.into(), update_at }
}

/// Lets an account hear of a change of a user.
fn hears(harness: &Harness, account: &str, user: &str, update_at: i64) {
    let text = format!(r#"{{"user":{{"id":"{user}","update_at":{update_at}}}}}"#);
    harness.fake.server_socket(account).event("user_updated", "", &text);
}

#[test]
fn what_accounts_hear_about_a_user_of_another_host_is_passed_on_once() {
    let others = Arc::new(OtherHosts::default());
    run_paused_with_relay(only_siblings(), others.clone(), async |harness| {
        harness.fake.add_user("guest");
        harness.fake.make_guest("guest");
        for account in ["guest", "a", "b"] {
            harness.ready(account).await;
        }
        hears(harness, "guest", "far", 5_000);
        for (user, update_at) in
            [("far", 2_000), ("far", 2_000), ("far", 1_999), ("id-b", 2_000), ("far", 2_001)]
        {
            for account in ["a", "b"] {
                hears(harness, account, user, update_at);
            }
            harness.advance(SECOND).await;
        }
        harness.send(HeardElsewhere(vec![change("far", 3_000)])).await;
        hears(harness, "a", "far", 3_000);
        harness.advance(SECOND).await;
        assert_eq!(
            *others.0.lock(),
            [change("far", 2_000), change("far", 2_001)],
            "neither from a guest, nor about an account here, nor what the others know"
        );
    });
}

#[test]
fn an_account_that_another_host_saw_change_is_polled_within_a_second() {
    run_paused(only_siblings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.fake.disable("bot");
        harness.fake.enable("bot");
        harness.advance(3_600 * SECOND).await;
        assert_eq!(harness.count("bot", "closed"), 0, "nothing else finds it");
        let elsewhere = UserChange { server: ServerName::new("other").unwrap(), ..change("id-bot", 9_000) };
        let old = change("id-bot", 1_000);
        harness.send(HeardElsewhere(vec![elsewhere, old, change("stranger", 9_000)])).await;
        harness.advance(SECOND).await;
        assert_eq!(harness.count("bot", "prompted"), 0);
        for _ in 0..3 {
            harness.send(HeardElsewhere(vec![change("id-bot", 1_002)])).await;
        }
        harness.wait_until_closed("bot").await;
        harness.wait_until_ready("bot").await;
        assert_eq!((harness.count("bot", "prompted"), harness.count("bot", "connecting")), (1, 2));
    });
}

#[test]
fn a_blocked_account_is_woken_by_another_host() {
    run_paused(only_siblings(), unlimited_rate(), async |harness| {
        harness.ready("bot").await;
        harness.fake.disable("bot");
        harness.send(HeardElsewhere(vec![change("id-bot", 1_001)])).await;
        let enable = async |harness: &Harness| {
            harness.fake.enable("bot");
            harness.send(HeardElsewhere(vec![change("id-bot", 1_002)])).await;
        };
        assert_woken_at_once(harness, enable).await;
    });
}

#[test]
fn an_account_that_was_blocked_when_it_came_is_woken_by_a_sibling() {
    run_paused(only_siblings(), unlimited_rate(), async |harness| {
        harness.ready("sibling").await;
        harness.ready("bot").await;
        harness.send(RemoveAccount(name("bot"))).await.unwrap();
        harness.fake.disable("bot");
        harness.pass_observations();
        harness.host.add("bot", "bot", harness.sink.clone()).await.unwrap();
        assert_woken_at_once(harness, async |harness| harness.fake.enable("bot")).await;
    });
}

#[test]
fn the_user_of_an_account_that_has_another_token_now_is_hosted_elsewhere() {
    let others = Arc::new(OtherHosts::default());
    run_paused_with_relay(only_siblings(), others.clone(), async |harness| {
        harness.ready("sibling").await;
        harness.ready("bot").await;
        harness.send(RemoveAccount(name("bot"))).await.unwrap();
        harness.fake.add_user("another");
        harness.pass_observations();
        harness.host.add("bot", "another", harness.sink.clone()).await.unwrap();
        let (reason, _) = harness.wait_until_closed("bot").await;
        assert!(matches!(reason, CloseReason::IdentityChanged { .. }), "{reason}");
        hears(harness, "sibling", "id-bot", 2_000);
        harness.advance(SECOND).await;
        assert_eq!(*others.0.lock(), [change("id-bot", 2_000)]);
    });
}

#[test]
fn an_account_that_uses_no_witnesses_is_not_prompted_by_them() {
    run_paused(only_siblings(), unlimited_rate(), async |harness| {
        harness.ready("sibling").await;
        harness.ready("bot").await;
        let HostSettings { restart, delivery, catch_up, replies, health, .. } = only_siblings();
        let health = HealthSettings { witness: false, ..health };
        let settings = Some(Arc::new(AccountSettings { restart, health, delivery, catch_up, replies }));
        let (sink, token) = (harness.sink.clone(), Token::new("bot").unwrap());
        let spec = AccountSpec { name: name("bot"), server: server(), token, sink, settings };
        harness.send(ChangeAccount(spec)).await.unwrap();
        harness.fake.touch("bot");
        harness.send(HeardElsewhere(vec![change("id-bot", 5_000)])).await;
        harness.advance(Duration::from_secs(10)).await;
        assert_eq!(harness.count("bot", "prompted"), 0);
        assert_eq!(harness.state("bot").await, AccountState::Ready);
    });
}
