//! What bots say, by messages: in order, once, and not for ever.

mod limits;
mod live;
mod once;

use matterhost_actors::{
    hosting::{HostSettings, RemoveAccount, SendReply, Shutdown, StopAccount},
    model::{AccountState, ChannelId, Draft, Fact, OutgoingAction, PostId, PostedIds, ReplyError, ReplyKey},
};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::stage::{Fate, Host, SECOND, Stage, name, play, settings, wide_open};

fn draft(channel: &str, text: &str) -> Draft {
    Draft { channel: channel.into(), text: text.into(), ..Draft::default() }
}

fn keyed(channel: &str, text: &str, key: &str) -> Draft {
    Draft { key: Some(ReplyKey::new(key).unwrap()), ..draft(channel, text) }
}

type Said = Result<PostedIds, ReplyError>;

/// Has an account say something, and does not wait for it.
fn says(host: &Host, order: OutgoingAction) -> JoinHandle<Said> {
    let asked = host.supervisor.send(SendReply { account: name("bot"), action: order });
    actix::spawn(async move { asked.await.unwrap() })
}

async fn say(host: &Host, order: OutgoingAction) -> Said {
    says(host, order).await.unwrap()
}

async fn post(host: &Host, draft: Draft) -> Said {
    say(host, OutgoingAction::Post(draft)).await
}

/// A ready bot in two channels.
fn with_a_bot(settings: HostSettings, test: impl AsyncFnOnce(&mut Stage)) {
    play(settings, wide_open(), async |stage| {
        for channel in ["town", "other"] {
            stage.world.add_channel(channel, &["bot", "twin"]);
        }
        stage.ready("bot").await;
        test(stage).await;
    });
}

fn hold() -> (oneshot::Sender<()>, Fate) {
    let (go, held) = oneshot::channel();
    (go, Fate::Held(held))
}

#[test]
fn posts_keep_their_order_in_a_channel_and_hold_up_no_other() {
    with_a_bot(settings(), async |stage| {
        let (go, held) = hold();
        stage.world.next_posts([held]);
        let first = says(stage, OutgoingAction::Post(draft("town", "first")));
        stage.pass(SECOND).await;
        let second = says(stage, OutgoingAction::Post(draft("town", "second")));
        post(stage, draft("other", "elsewhere")).await.unwrap();
        assert!(!first.is_finished() && !second.is_finished());
        go.send(()).unwrap();
        let [first, second] = [first.await, second.await].map(|said| said.unwrap().unwrap().ids);
        assert_eq!((first.len(), second.len()), (1, 1));
        assert_eq!(stage.world.written("town"), ["first", "second"]);
    });
}

#[test]
fn what_the_server_refuses_is_told_at_once() {
    with_a_bot(settings(), async |stage| {
        stage.world.add_channel("private", &["somebody"]);
        let refused = post(stage, draft("private", "hello")).await.unwrap_err();
        assert!(matches!(&refused, ReplyError::Refused { cause } if cause.contains("403")), "{refused}");
        assert_eq!(stage.world.asked_for("post"), 1);
        let unknown = SendReply { account: name("nobody"), action: OutgoingAction::Post(draft("town", "x")) };
        assert_eq!(stage.ask(unknown).await, Err(ReplyError::UnknownAccount(name("nobody"))));
    });
}

#[test]
fn while_the_account_is_blocked_it_waits_and_then_fails_clearly() {
    with_a_bot(settings(), async |stage| {
        stage.world.disable("bot");
        stage.until("bot", |fact| *fact == Fact::Blocked).await;
        let waiting = says(stage, OutgoingAction::Post(draft("town", "later")));
        stage.pass(60 * SECOND).await;
        assert!(!waiting.is_finished() && stage.world.asked_for("post") == 0);
        stage.world.enable("bot");
        assert_eq!(waiting.await.unwrap().unwrap().ids.len(), 1);

        stage.world.disable("bot");
        stage.until("bot", |fact| *fact == Fact::Blocked).await;
        let late = post(stage, draft("town", "never")).await.unwrap_err();
        let ReplyError::TimedOut { account, state, waited, maybe_done, .. } = &late else { panic!("{late}") };
        assert_eq!((account.as_str(), *state, *waited), ("bot", AccountState::Blocked, 120 * SECOND));
        assert!(!maybe_done && late.to_string().contains("blocked"), "{late}");
        assert_eq!(stage.world.written("town"), ["later"]);
    });
}

#[test]
fn a_stopped_account_says_nothing() {
    with_a_bot(settings(), async |stage| {
        stage.ask(StopAccount(name("bot"))).await.unwrap();
        stage.until("bot", |fact| *fact == Fact::Stopped).await;
        let stopped = post(stage, draft("town", "x")).await;
        assert_eq!(stopped, Err(ReplyError::Stopped(name("bot"))));
        stage.ask(RemoveAccount(name("bot"))).await.unwrap();
        stage.until("bot", |fact| *fact == Fact::Removed).await;
        assert_eq!(post(stage, draft("town", "x")).await, Err(ReplyError::UnknownAccount(name("bot"))));
    });
}

#[test]
fn edits_reactions_typing_and_what_one_user_sees() {
    with_a_bot(settings(), async |stage| {
        let own = post(stage, draft("town", "hello")).await.unwrap().ids[0].clone();
        let edit = |post: &PostId, text: &str| OutgoingAction::Edit { post: post.clone(), text: text.into() };
        say(stage, edit(&own, "bye")).await.unwrap();
        assert_eq!(stage.world.written("town"), ["bye"]);
        let theirs = stage.world.post("town", 2_000);
        assert!(matches!(say(stage, edit(&theirs, "x")).await, Err(ReplyError::Refused { .. })));
        let long = "x".repeat(16_384);
        assert!(matches!(say(stage, edit(&own, &long)).await, Err(ReplyError::TooLong { .. })));
        say(stage, OutgoingAction::React { post: theirs, emoji: "wave".into() }).await.unwrap();
        let user = "id-somebody".into();
        say(stage, OutgoingAction::Ephemeral { user, draft: draft("town", "psst") }).await.unwrap();
        let typing = || OutgoingAction::Typing { channel: ChannelId::from("town"), root_id: None };
        say(stage, typing()).await.unwrap();
        for what in ["react", "ephemeral", "typing"] {
            assert_eq!(stage.world.asked_for(what), 1, "{what}");
        }
        stage.world.disable("bot");
        stage.until("bot", |fact| *fact == Fact::Blocked).await;
        say(stage, typing()).await.unwrap();
        assert_eq!(stage.world.asked_for("typing"), 1, "what cannot be shown now is dropped");
    });
}

#[test]
fn a_shutdown_waits_for_what_is_being_said() {
    with_a_bot(settings(), async |stage| {
        let (go, held) = hold();
        stage.world.next_posts([held]);
        let saying = says(stage, OutgoingAction::Post(draft("town", "last words")));
        stage.pass(SECOND).await;
        let ending = actix::spawn(stage.supervisor.send(Shutdown { deadline: 30 * SECOND }));
        stage.pass(SECOND).await;
        assert!(!ending.is_finished());
        go.send(()).unwrap();
        assert_eq!(ending.await.unwrap().unwrap().abandoned, []);
        assert_eq!(saying.await.unwrap().unwrap().ids.len(), 1);
    });
}
