//! The limit of posts for one event.

use std::time::Duration;

use matterhost_actors::{
    bots::{Bot, BotResult, Context, Post, Run, Schedule},
    model::{Draft, MAX_POSTS_PER_EVENT, OutgoingAction, PostId, ReplyError, UserId},
    ports::Outcome,
    testing::{BotHarness, post},
};

use crate::simulator_harness::run;

/// Makes posts of each kind, as many as it may, and then does what does not count.
struct Writer;

impl Bot for Writer {
    async fn posted(&self, context: &Context, post: &Post) -> BotResult {
        assert!(context.reply("a failure").await.is_err());
        let mine = || Draft { text: "mine".into(), key: context.key("mine").ok(), ..Draft::default() };
        for _ in 0..3 {
            context.post(mine()).await?;
        }
        context.reply_in_thread("in the thread").await?;
        context.post_ephemeral(&UserId::from("ben"), "psst").await?;
        context.upload("notes.txt", "notes", "a file").await?;
        context
            .post(Draft { channel: "garden".into(), text: "elsewhere".into(), ..Draft::default() })
            .await?;
        for n in 5..MAX_POSTS_PER_EVENT {
            context.clone().reply(n.to_string()).await?;
        }
        assert_eq!(context.reply("one too many").await, Err(ReplyError::TooManyPosts));
        assert_eq!(context.reply_privately("one too many").await, Err(ReplyError::TooManyPosts));
        context.post(mine()).await?;
        context.edit(&PostId::from("p"), "edited").await?;
        context.update(&context.key("mine")?, "updated").await?;
        context.react("eyes").await?;
        context.send_typing().await?;
        if post.message == "too many" {
            context.reply("one too many").await?;
        }
        Ok(())
    }

    fn schedules(&self) -> Vec<Schedule> {
        vec![Schedule::new("hourly", "0 * * * *").unwrap()]
    }

    async fn scheduled(&self, context: &Context, _: &Run) -> BotResult {
        for n in 0..=MAX_POSTS_PER_EVENT {
            context.post(Draft { channel: "town".into(), text: n.to_string(), ..Draft::default() }).await?;
        }
        Ok(())
    }
}

/// Returns the number of posts so far. The harness records one that is repeated, too.
fn posts(harness: &BotHarness<Writer>) -> usize {
    let is_post = |action: &OutgoingAction| {
        matches!(action, OutgoingAction::Post(_) | OutgoingAction::Ephemeral { .. })
    };
    harness.actions().iter().filter(|action| is_post(action)).count()
}

#[test]
fn an_event_has_at_most_so_many_posts() {
    run(async || {
        let harness = BotHarness::new(Writer);
        let failed = || harness.fail_next(ReplyError::Refused { cause: "scripted".into() });
        failed();
        assert_eq!(harness.deliver(post("hello")).await, Outcome::Acknowledged);
        assert_eq!(posts(&harness), MAX_POSTS_PER_EVENT + 3, "one was repeated three times");
        failed();
        let Outcome::Rejected { cause } = harness.deliver(post("too many")).await else {
            panic!("the error is final")
        };
        assert!(cause.contains("at most 16 replies") && cause.contains("put more into one reply"), "{cause}");
    });
}

#[test]
fn the_run_of_a_schedule_answers_no_event_and_may_post_more() {
    run(async || {
        let harness = BotHarness::new(Writer);
        let runs = harness.pass_time(Duration::from_secs(3_600)).await;
        assert!(runs.len() == 1 && runs[0].1 == Outcome::Acknowledged, "{runs:?}");
        assert_eq!(posts(&harness), MAX_POSTS_PER_EVENT + 1);
    });
}
