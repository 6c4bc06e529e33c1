//! Replies, sent by messages: order, exactly-once posting, deadlines and limits.

mod files;
mod limits;
mod live;
mod lookups;
mod once;
mod server_limits;
mod threads;
mod updates;

use matterhost_actors::{
    hosting::{HostSettings, RemoveAccount, SendReply, Shutdown, StopAccount},
    model::{AccountState, ChannelId, Draft, Fact, OutgoingAction, PostId, PostedIds, ReplyError, ReplyKey},
};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::harness::{Harness, PostReply, SECOND, TestHost, name, run_paused, settings, unlimited_rate};

fn draft(channel: &str, text: &str) -> Draft {
    Draft { channel: channel.into(), text: text.into(), ..Draft::default() }
}

fn keyed(channel: &str, text: &str, key: &str) -> Draft {
    Draft { key: Some(ReplyKey::new(key).unwrap()), ..draft(channel, text) }
}

type ReplyResult = Result<PostedIds, ReplyError>;

/// Sends an action of the bot without waiting for its result.
fn start(host: &TestHost, action: OutgoingAction) -> JoinHandle<ReplyResult> {
    let request = host.supervisor.send(SendReply { account: name("bot"), action });
    actix::spawn(async move { request.await.unwrap() })
}

async fn perform(host: &TestHost, action: OutgoingAction) -> ReplyResult {
    start(host, action).await.unwrap()
}

async fn post(host: &TestHost, draft: Draft) -> ReplyResult {
    perform(host, OutgoingAction::Post(draft)).await
}

/// Runs a test with a ready bot in two channels.
fn with_a_bot(settings: HostSettings, test: impl AsyncFnOnce(&mut Harness)) {
    run_paused(settings, unlimited_rate(), async |harness| {
        for channel in ["town", "other"] {
            harness.fake.add_channel(channel, &["bot", "twin"]);
        }
        harness.ready("bot").await;
        test(harness).await;
    });
}

/// Returns a reply that is held, and the sender that releases it.
fn hold() -> (oneshot::Sender<()>, PostReply) {
    let (release, held) = oneshot::channel();
    (release, PostReply::Held(held))
}

#[test]
fn posts_keep_their_order_in_a_channel_and_do_not_delay_other_channels() {
    with_a_bot(settings(), async |harness| {
        let (release, held) = hold();
        harness.fake.script_post_replies([held]);
        let first = start(harness, OutgoingAction::Post(draft("town", "first")));
        harness.advance(SECOND).await;
        let second = start(harness, OutgoingAction::Post(draft("town", "second")));
        post(harness, draft("other", "elsewhere")).await.unwrap();
        assert!(!first.is_finished() && !second.is_finished());
        release.send(()).unwrap();
        let [first, second] = [first.await, second.await].map(|result| result.unwrap().unwrap().ids);
        assert_eq!((first.len(), second.len()), (1, 1));
        assert_eq!(harness.fake.rest_messages("town"), ["first", "second"]);
    });
}

#[test]
fn a_refusal_by_the_server_is_reported_at_once() {
    with_a_bot(settings(), async |harness| {
        harness.fake.add_channel("private", &["somebody"]);
        let refused = post(harness, draft("private", "hello")).await.unwrap_err();
        assert!(matches!(&refused, ReplyError::Refused { cause } if cause.contains("403")), "{refused}");
        assert_eq!(harness.fake.request_count("post"), 1);
        let unknown = SendReply { account: name("nobody"), action: OutgoingAction::Post(draft("town", "x")) };
        assert_eq!(harness.send(unknown).await, Err(ReplyError::UnknownAccount(name("nobody"))));
    });
}

#[test]
fn a_reply_of_a_blocked_account_waits_and_then_fails_clearly() {
    with_a_bot(settings(), async |harness| {
        harness.fake.disable("bot");
        harness.wait_for("bot", |fact| *fact == Fact::Blocked).await;
        let waiting = start(harness, OutgoingAction::Post(draft("town", "later")));
        harness.advance(60 * SECOND).await;
        assert!(!waiting.is_finished() && harness.fake.request_count("post") == 0);
        harness.fake.enable("bot");
        assert_eq!(waiting.await.unwrap().unwrap().ids.len(), 1);

        harness.fake.disable("bot");
        harness.wait_for("bot", |fact| *fact == Fact::Blocked).await;
        let late = post(harness, draft("town", "never")).await.unwrap_err();
        let ReplyError::TimedOut { account, state, waited, maybe_done, .. } = &late else { panic!("{late}") };
        assert_eq!((account.as_str(), *state, *waited), ("bot", AccountState::Blocked, 120 * SECOND));
        assert!(!maybe_done && late.to_string().contains("blocked"), "{late}");
        assert_eq!(harness.fake.rest_messages("town"), ["later"]);
    });
}

#[test]
fn a_stopped_account_posts_nothing() {
    with_a_bot(settings(), async |harness| {
        harness.send(StopAccount(name("bot"))).await.unwrap();
        harness.wait_for("bot", |fact| *fact == Fact::Stopped).await;
        let stopped = post(harness, draft("town", "x")).await;
        assert_eq!(stopped, Err(ReplyError::Stopped(name("bot"))));
        harness.send(RemoveAccount(name("bot"))).await.unwrap();
        harness.wait_for("bot", |fact| *fact == Fact::Removed).await;
        assert_eq!(post(harness, draft("town", "x")).await, Err(ReplyError::UnknownAccount(name("bot"))));
    });
}

#[test]
fn edits_reactions_typing_and_ephemeral_posts() {
    with_a_bot(settings(), async |harness| {
        let own = post(harness, draft("town", "hello")).await.unwrap().ids[0].clone();
        let edit = |post: &PostId, text: &str| OutgoingAction::Edit {
            post: post.clone(),
            text: text.into(),
            props: None,
        };
        perform(harness, edit(&own, "bye")).await.unwrap();
        assert_eq!(harness.fake.rest_messages("town"), ["bye"]);
        let theirs = harness.fake.post("town", 2_000);
        assert!(matches!(perform(harness, edit(&theirs, "x")).await, Err(ReplyError::Refused { .. })));
        let long = "x".repeat(16_384);
        assert!(matches!(perform(harness, edit(&own, &long)).await, Err(ReplyError::TooLong { .. })));
        perform(harness, OutgoingAction::React { post: theirs, emoji: "wave".into() }).await.unwrap();
        let user = "id-somebody".into();
        perform(harness, OutgoingAction::Ephemeral { user, draft: draft("town", "psst") }).await.unwrap();
        let typing = || OutgoingAction::Typing { channel: ChannelId::from("town"), root_id: None };
        perform(harness, typing()).await.unwrap();
        for what in ["react", "ephemeral", "typing"] {
            assert_eq!(harness.fake.request_count(what), 1, "{what}");
        }
        harness.fake.disable("bot");
        harness.wait_for("bot", |fact| *fact == Fact::Blocked).await;
        perform(harness, typing()).await.unwrap();
        assert_eq!(harness.fake.request_count("typing"), 1, "typing is dropped while the account is blocked");
    });
}

#[test]
fn a_shutdown_waits_for_replies_in_progress() {
    with_a_bot(settings(), async |harness| {
        let (release, held) = hold();
        harness.fake.script_post_replies([held]);
        let posting = start(harness, OutgoingAction::Post(draft("town", "last words")));
        harness.advance(SECOND).await;
        let ending = actix::spawn(harness.supervisor.send(Shutdown { deadline: 30 * SECOND }));
        harness.advance(SECOND).await;
        assert!(!ending.is_finished());
        release.send(()).unwrap();
        assert_eq!(ending.await.unwrap().unwrap().abandoned, []);
        assert_eq!(posting.await.unwrap().unwrap().ids.len(), 1);
    });
}
