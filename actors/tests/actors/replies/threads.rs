//! Answers to threads, and to one reader, that the server refuses.

use matterhost_actors::{
    hosting::{HostSettings, SendReply},
    model::{Draft, Fact, OutgoingAction, PostId, PostedIds, ReplyError, ReplyKey},
};
use matterhost_simulator::{Post, ServerVersion, Simulator};

use crate::{
    harness::name,
    simulator_harness::{SimulatorHarness, fast_settings, quick_simulator, run},
};

type ReplyResult = Result<PostedIds, ReplyError>;

/// Answers as the bot, in the thread of a post: its root, or any post of it.
async fn answer(harness: &SimulatorHarness, text: &str, thread: Draft) -> ReplyResult {
    let draft = Draft {
        channel: harness.channel.as_str().into(),
        text: text.into(),
        key: Some(ReplyKey::new(&text.replace(' ', "-")).unwrap().into_answer()),
        ..thread
    };
    harness.host.send(SendReply { account: name("bot"), action: OutgoingAction::Post(draft) }).await
}

fn root(post: &str) -> Draft {
    Draft { root_id: Some(PostId::from(post)), ..Draft::default() }
}

fn any(post: &str) -> Draft {
    Draft { thread_of: Some(PostId::from(post)), ..Draft::default() }
}

fn posted(harness: &SimulatorHarness, text: &str) -> Vec<Post> {
    let mut posts = harness.simulator.posts_in(&harness.channel);
    posts.retain(|post| post.message == text);
    posts
}

/// A server that refuses what is no root (fact 38).
async fn current() -> SimulatorHarness {
    let simulator = Simulator::builder().version(ServerVersion::V11_1).start().unwrap();
    SimulatorHarness::new(simulator, &["bot".into()]).await
}

#[test]
fn an_answer_to_a_deleted_thread_goes_to_the_channel_and_is_reported() {
    run(async || {
        let mut harness = current().await;
        let question = harness.post("question");
        harness.simulator.delete_post(question.as_str());
        for (text, thread) in
            [("by its root", root(question.as_str())), ("by a post", any(question.as_str()))]
        {
            answer(&harness, text, thread).await.unwrap();
            let late = posted(&harness, text);
            assert_eq!((late.len(), late[0].root_id.as_str()), (1, ""));
            harness.host.wait_for("bot", |fact| matches!(fact, Fact::ThreadGone { .. })).await;
        }
        let question = harness.post("another");
        answer(&harness, "soon", root(question.as_str())).await.unwrap();
        assert_eq!(posted(&harness, "soon")[0].root_id, question.as_str());
    });
}

#[test]
fn an_answer_to_a_reply_goes_to_its_thread_after_one_lookup() {
    run(async || {
        for harness in [current().await, SimulatorHarness::with_one_bot().await] {
            let question = harness.simulator.post(&harness.person.user_id, &harness.channel, "question");
            let reply = harness.simulator.reply(&harness.person.user_id, &question, "more");
            for (text, post) in [("first", &reply.id), ("second", &reply.id), ("third", &question.id)] {
                answer(&harness, text, any(post)).await.unwrap();
                assert_eq!(posted(&harness, text)[0].root_id, question.id, "{text}");
            }
            let counters = harness.simulator.counters();
            assert_eq!(
                (counters.requests_to("GET /posts/{post_id}"), counters.requests_to("POST /posts")),
                (2, 3)
            );
            assert_eq!(harness.host.count("bot", "thread_gone"), 0);
        }
        let harness = current().await;
        let question = harness.simulator.post(&harness.person.user_id, &harness.channel, "question");
        let reply = harness.simulator.reply(&harness.person.user_id, &question, "more");
        answer(&harness, "named as a root", root(&reply.id)).await.unwrap();
        assert_eq!(posted(&harness, "named as a root")[0].root_id, question.id);
    });
}

#[test]
fn a_forbidden_whisper_becomes_a_direct_message_if_that_is_wanted() {
    run(async || {
        for fallback in [false, true] {
            let mut settings = fast_settings();
            settings.replies.whisper_fallback = fallback;
            let harness = with_settings(settings).await;
            let (bot, user) = (harness.bots[0].user_id.clone(), harness.person.user_id.clone());
            let whisper = |text: &str| {
                let key = Some(ReplyKey::new(text).unwrap());
                let draft = Draft {
                    channel: harness.channel.as_str().into(),
                    text: text.into(),
                    key,
                    ..Draft::default()
                };
                let action = OutgoingAction::Ephemeral { user: user.as_str().into(), draft };
                harness.host.send(SendReply { account: name("bot"), action })
            };
            let told = || {
                let direct = harness.simulator.direct_channel(&bot, &user);
                harness.simulator.posts_in(&direct).iter().filter(|post| post.message == "psst").count()
            };
            for _ in 0..2 {
                let whispered = whisper("psst").await;
                assert_eq!(whispered.is_ok(), fallback, "{whispered:?}");
                assert_eq!(told(), usize::from(fallback), "once by its key");
            }
            assert!(posted(&harness, "psst").is_empty());
            harness.simulator.grant_permission(&bot, "create_post_ephemeral");
            whisper("allowed").await.unwrap();
            assert_eq!(told(), usize::from(fallback));
        }
    });
}

async fn with_settings(settings: HostSettings) -> SimulatorHarness {
    SimulatorHarness::with_settings(quick_simulator(), settings, &["bot".into()]).await
}
