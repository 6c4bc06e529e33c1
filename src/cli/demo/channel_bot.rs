//! The bots of the demo that are written in Rust: both follow the channel, and one answers a question.

use std::time::Duration;

use matterhost_actors::bots::{Bot, BotResult, Context, Post};
use tokio::time::sleep;

use super::{chat::Chat, script::ON_CALL_QUESTION};

/// The answer as it grows: each text replaces the one before.
const GROWING_ANSWER: [&str; 4] = [
    "Looking at the rota …",
    "Looking at the rota … Tonight it is ben,",
    "Looking at the rota … Tonight it is ben, from 20:00",
    "Looking at the rota … Tonight it is ben, from 20:00 to 8:00.",
];
/// Time between two versions of the answer. All of them take less than the time between two questions.
const GROWS_EVERY: Duration = Duration::from_millis(400);

/// A bot that follows the channel, and may answer the question who is on call.
pub(super) struct ChannelBot {
    pub(super) chat: Chat,
    pub(super) answers: bool,
}

impl Bot for ChannelBot {
    async fn posted(&self, context: &Context, post: &Post) -> BotResult {
        self.chat.add(context, post);
        if self.answers && post.message == ON_CALL_QUESTION {
            answer(context).await;
        }
        Ok(())
    }

    async fn edited(&self, _: &Context, post: &Post) -> BotResult {
        self.chat.edit(post);
        Ok(())
    }
}

/// Posts an answer and edits it as it grows. An answer to a question that was missed is complete at once.
async fn answer(context: &Context) {
    let [first, .., last] = GROWING_ANSWER;
    if context.is_recovered() {
        // An answer that fails is left out: the bot is disabled at the moment.
        let _ = context.reply(last).await;
        return;
    }
    let Ok(posted) = context.reply(first).await else { return };
    for text in &GROWING_ANSWER[1..] {
        sleep(GROWS_EVERY).await;
        let Some(id) = posted.ids.first() else { return };
        let _ = context.edit(id, *text).await;
    }
}
