//! The test harness of bots.

use std::{sync::Mutex, time::Duration};

use matterhost_actors::{
    bots::{Bot, BotResult, Context, Joined, Post, Reaction},
    model::{AccountName, ChannelId, Draft, OutgoingAction, ReplyError, ReplyKey},
    ports::Outcome,
    testing::{BotHarness, event, post, reaction},
};
use serde_json::json;

use crate::simulator_harness::run;

/// Records the calls of its handlers, and acts on the text of a post.
#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl Recorder {
    fn record(&self, context: &Context, call: &str) {
        let late = if context.is_recovered() { "late " } else { "" };
        self.0.lock().unwrap().push(format!("{late}{call}"));
    }
}

impl Bot for Recorder {
    async fn posted(&self, context: &Context, post: &Post) -> BotResult {
        let thread = post.root_id.as_ref().map_or("", |root| root.as_str());
        self.record(context, &format!("posted {} {} {thread}", post.user_id, post.message));
        match &*post.message {
            "two" => {
                context.reply("one").await?;
                context.reply_in_thread("two").await?;
            }
            "all" => {
                let made = context.reply("made").await?;
                context.edit(&made.ids[0], "edited").await?;
                context.react("wave").await?;
                context.send_typing().await?;
                context.post_ephemeral(&post.user_id, "psst").await?;
                let key = Some(ReplyKey::new("mine")?);
                let draft = Draft { channel: "else".into(), text: "there".into(), key, ..Draft::default() };
                context.post(draft).await?;
            }
            "panic" => panic!("scripted"),
            "hang" => std::future::pending().await,
            _ => {}
        }
        Ok(())
    }

    async fn edited(&self, context: &Context, post: &Post) -> BotResult {
        self.record(context, &format!("edited {} {}", post.id, post.message));
        Ok(())
    }

    async fn deleted(&self, context: &Context, post: &Post) -> BotResult {
        self.record(context, &format!("deleted {}", post.id));
        Ok(())
    }

    async fn reaction(&self, context: &Context, reaction: &Reaction) -> BotResult {
        self.record(context, &format!("{} {} {}", reaction.emoji, reaction.post_id, reaction.added));
        if reaction.emoji == "question" {
            context.reply_in_thread("answer").await?;
        }
        Ok(())
    }

    async fn joined(&self, context: &Context, joined: &Joined) -> BotResult {
        self.record(context, &format!("joined {} {}", joined.user_id, joined.channel_id));
        Ok(())
    }

    async fn raw(&self, context: &Context) -> BotResult {
        self.record(context, &context.event().body.event);
        context.reply("anywhere").await?;
        Ok(())
    }
}

fn with_harness(test: impl AsyncFnOnce(&BotHarness<std::sync::Arc<Recorder>>, &Recorder)) {
    run(async || {
        let recorder = std::sync::Arc::new(Recorder::default());
        let harness = BotHarness::new(recorder.clone()).with_deadline(Duration::from_millis(50));
        test(&harness, &recorder).await;
    });
}

#[test]
fn each_event_reaches_its_handler() {
    with_harness(async |harness, recorder| {
        let root = "root-of-a-thread";
        for builder in [
            post("hello").by("ben").in_channel("garden"),
            post("hello").in_thread(root).recovered(),
            post("").post_id("p1").edited("new"),
            post("").post_id("p1").deleted(),
            reaction("wave").post_id("p1"),
            reaction("wave").post_id("p1").removed(),
            post("").by("ben").of_type("system_join_channel"),
            post("").of_type("system_add_to_channel").with_prop("addedUserId", json!("cho")),
            post("").of_type("system_header_change"),
            event("status_change", json!({ "status": "away" })),
        ] {
            assert_eq!(harness.deliver(builder.clone()).await, Outcome::Acknowledged, "{builder:?}");
        }
        assert_eq!(
            *recorder.0.lock().unwrap(),
            [
                "posted ben hello ",
                "late posted ana hello root-of-a-thread",
                "edited p1 new",
                "deleted p1",
                "wave p1 true",
                "wave p1 false",
                "joined ben town",
                "joined cho town",
                "posted",
                "status_change",
            ]
        );
    });
}

#[test]
fn replies_have_roots_and_keys() {
    with_harness(async |harness, _| {
        harness.deliver(post("two").post_id("p1")).await;
        harness.deliver(post("two").post_id("p2").in_thread("root")).await;
        let root_and_key = |action: OutgoingAction| match action {
            OutgoingAction::Post(draft) => (
                draft.root_id.map_or_else(String::new, |root| root.to_string()),
                draft.key.unwrap().as_str().to_owned(),
            ),
            other => panic!("{other:?}"),
        };
        let actions: Vec<_> = harness.actions().into_iter().map(root_and_key).collect();
        let expected = [("", "p1#0"), ("p1", "p1#1"), ("", "p2#0"), ("root", "p2#1")];
        assert_eq!(actions, expected.map(|(root, key)| (root.to_owned(), key.to_owned())));
        assert_eq!(harness.texts(), ["one", "two", "one", "two"]);
    });
}

/// The post may itself be a reply, so that its thread is found out when the answer is posted.
#[test]
fn an_answer_to_a_reaction_is_for_the_thread_of_its_post() {
    with_harness(async |harness, _| {
        harness.deliver(reaction("question").post_id("p1")).await;
        let actions = harness.actions();
        let [OutgoingAction::Post(draft)] = &actions[..] else { panic!("{actions:?}") };
        assert_eq!((&draft.root_id, draft.thread_of.as_ref().unwrap().as_str()), (&None, "p1"));
    });
}

#[test]
fn all_actions_of_a_bot_are_collected() {
    with_harness(async |harness, _| {
        harness.deliver(post("all").post_id("p1")).await;
        let actions = harness.actions();
        let [post, edit, react, typing, ephemeral, elsewhere] = &actions[..] else { panic!("{actions:?}") };
        assert!(matches!(post, OutgoingAction::Post(draft) if draft.channel.as_str() == "town"));
        assert_eq!(
            *edit,
            OutgoingAction::Edit { post: "reply-1".into(), text: "edited".into(), props: None }
        );
        assert_eq!(*react, OutgoingAction::React { post: "p1".into(), emoji: "wave".into() });
        assert_eq!(*typing, OutgoingAction::Typing { channel: "town".into(), root_id: None });
        assert!(matches!(ephemeral, OutgoingAction::Ephemeral { user, .. } if user.as_str() == "ana"));
        assert!(matches!(elsewhere, OutgoingAction::Post(draft) if draft.channel.as_str() == "else"
            && draft.key.as_ref().is_some_and(|key| key.as_str() == "mine" && !key.is_answer())));
    });
}

#[test]
fn the_outcome_is_the_one_a_host_would_see() {
    with_harness(async |harness, _| {
        let blocked = ReplyError::Stopped(AccountName::new("bot").unwrap());
        harness.fail_next(blocked.clone());
        let retried = harness.deliver(post("two")).await;
        assert_eq!(retried, Outcome::Retry { after: Duration::from_secs(5), cause: blocked.to_string() });
        let guard = ReplyError::LoopGuard { channel: ChannelId::from("town"), limit: 20 };
        harness.fail_next(guard.clone());
        let skipped = harness.deliver(post("two")).await;
        assert_eq!(skipped, Outcome::Rejected { cause: guard.to_string() });
        for (text, cause) in [("panic", "the bot panicked: scripted"), ("hang", "longer than 0.05 s")] {
            let Outcome::Broken { cause: actual } = harness.deliver(post(text)).await else {
                panic!("{text}")
            };
            assert!(actual.contains(cause), "{actual}");
        }
        let nowhere = event("hello", json!({})).in_channel("");
        assert!(
            matches!(harness.deliver(nowhere).await, Outcome::Rejected { .. }),
            "an event without a channel must be rejected"
        );
        let unreadable = event("posted", json!({ "post": "{" }));
        let Outcome::Rejected { cause } = harness.deliver(unreadable).await else {
            panic!("an invalid post was not rejected")
        };
        assert!(cause.starts_with("the data of posted cannot be read"), "{cause}");
    });
}
