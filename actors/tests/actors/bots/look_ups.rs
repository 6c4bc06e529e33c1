//! Look-ups of a handler, and the actions by name.

use matterhost_actors::{
    bots::{Bot, BotResult, Context, Post, Reaction},
    model::{ChannelId, Lookup, OutgoingAction, ReplyError, Target, UserRef},
    ports::Outcome,
    testing::{BotHarness, EventBuilder, post, reaction},
};
use serde_json::json;

use crate::simulator_harness::run;

/// Answers with what it knows of the person and the channel, or does what the post says.
struct Curious;

impl Bot for Curious {
    async fn posted(&self, context: &Context, post: &Post) -> BotResult {
        match &*post.message {
            "thread" => {
                let texts: Vec<String> =
                    context.thread().await?.into_iter().map(|post| post.message).collect();
                context.reply(texts.join(",")).await?;
            }
            "newest" => {
                let posts = context.newest_posts(&ChannelId::from("town"), 2).await?;
                context.reply(format!("{} {}", posts[0].message, posts.len())).await?;
            }
            "upload" => {
                context.upload("a.txt", "content", "Here it is.").await?;
            }
            "post" => {
                context.post_to("team/town", "by name").await?;
            }
            "files" => {
                let mut texts = Vec::new();
                for id in &post.file_ids {
                    let mut file = context.open_file(id).await?;
                    let mut text = format!("{} ({}): ", file.name, file.len);
                    while let Some(piece) = file.pieces.recv().await {
                        let piece = piece.map_err(|cause| cause.to_string())?;
                        text += str::from_utf8(&piece)?;
                    }
                    texts.push(text);
                }
                context.reply(texts.join(", ")).await?;
            }
            "wrong" => {
                context.post_to("town", "by what?").await?;
            }
            _ => {
                let info = context.channel_info().await?;
                let sender = context.sender_name().await?;
                let kind = if info.is_direct() { "direct" } else { &*info.name };
                context.reply(format!("{sender} in {kind} at {}", context.event_time())).await?;
            }
        }
        Ok(())
    }

    async fn reaction(&self, context: &Context, reaction: &Reaction) -> BotResult {
        assert_eq!(context.sender(), Some(&reaction.user_id));
        Ok(())
    }
}

/// Delivers an event and returns the text that it was answered with.
async fn answer(harness: &BotHarness<Curious>, event: EventBuilder) -> String {
    assert_eq!(harness.deliver(event).await, Outcome::Acknowledged);
    harness.texts().pop().unwrap()
}

#[test]
fn names_come_with_the_event_or_are_looked_up() {
    run(async || {
        let harness = BotHarness::new(Curious);
        let direct = post("who").at(5).in_direct_channel();
        assert_eq!(answer(&harness, direct).await, "ana in direct at 5");
        assert_eq!(
            answer(&harness, post("who").at(6).in_team_channel("team", "ops")).await,
            "ana in ops at 6"
        );
        let unknown = || post("who").at(7).by("someone").without_sender_name();
        let Outcome::Rejected { cause } = harness.deliver(unknown()).await else { panic!("not rejected") };
        assert!(cause.contains("channel town was not found"), "{cause}");
        harness.set_found(
            Lookup::Channel(Target::Id("town".into())),
            &json!({ "id": "town", "type": "O", "name": "square", "display_name": "The Square", "team_id": "t" }),
        );
        harness.set_found(
            Lookup::User(UserRef::Id("someone".into())),
            &json!({ "id": "someone", "username": "ben", "nickname": null }),
        );
        assert_eq!(answer(&harness, unknown()).await, "ben in square at 7");
        assert_eq!(harness.deliver(reaction("wave")).await, Outcome::Acknowledged);
    });
}

#[test]
fn posts_are_found_oldest_first() {
    run(async || {
        let harness = BotHarness::new(Curious);
        let found = |id: &str, at: i64| json!({ "id": id, "create_at": at, "user_id": "u", "channel_id": "town", "message": id });
        let posts = json!({ "order": ["b", "a"], "posts": { "b": found("b", 2), "a": found("a", 1) } });
        harness.set_found(Lookup::Thread("p".into()), &posts);
        harness.set_found(Lookup::Posts { channel: "town".into(), count: 2 }, &posts);
        assert_eq!(answer(&harness, post("thread").post_id("p")).await, "a,b");
        assert_eq!(answer(&harness, post("newest")).await, "a 2");
    });
}

#[test]
fn posts_go_to_channels_by_name_and_carry_files() {
    run(async || {
        let harness = BotHarness::new(Curious);
        let town = Target::Name { team: "team".into(), channel: "town".into() };
        harness.set_found(Lookup::Channel(town), &json!({ "id": "the-town" }));
        assert_eq!(answer(&harness, post("post")).await, "by name");
        assert_eq!(answer(&harness, post("upload").in_channel("here")).await, "Here it is.");
        let drafts: Vec<_> = harness
            .actions()
            .into_iter()
            .map(|action| match action {
                OutgoingAction::Post(draft) => (draft.channel.to_string(), draft.files.len()),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(drafts, [("the-town".to_owned(), 0), ("here".to_owned(), 1)]);
        let Outcome::Rejected { cause } = harness.deliver(post("wrong")).await else {
            panic!("not rejected")
        };
        assert!(cause.contains("\"town\" is not a target"), "{cause}");
        let none = ReplyError::NoChannel;
        harness.fail_next(none.clone());
        assert_eq!(harness.deliver(post("upload")).await, Outcome::Rejected { cause: none.to_string() });
    });
}

#[test]
fn the_files_of_a_post_are_read() {
    run(async || {
        let harness = BotHarness::new(Curious);
        harness.set_file("a", "a.txt", "first");
        harness.set_file("b", "b.txt", "");
        let files = post("files").with_file("a").with_file("b");
        assert_eq!(answer(&harness, files).await, "a.txt (5): first, b.txt (0): ");
        assert_eq!(answer(&harness, post("files")).await, "");
        let gone = harness.deliver(post("files").with_file("deleted")).await;
        let Outcome::Rejected { cause } = gone else { panic!("{gone:?}") };
        assert!(cause.contains("deleted"), "{cause}");
    });
}
