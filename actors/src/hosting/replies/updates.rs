//! Updates of posts by their keys.

use actix::{ActorFutureExt as _, AsyncContext as _, Context, WrapFuture as _};
use tokio::time::Instant;

use super::{Done, Replies, send_result, update_parts::update};
use crate::{
    model::{ChannelId, Excerpt, Fact, OutgoingAction, PostedIds, ReplyError, ReplyKey},
    policy::{NextUpdate, StreamKey},
};

/// The newest text for a post.
pub(super) struct UpdateJob {
    key: ReplyKey,
    text: String,
    deadline: Instant,
    bytes: usize,
    /// The receiver of the result; `None` if it does not wait.
    done: Option<Done>,
}

impl Replies {
    /// Takes an update. One that is replaced before it was sent counts as done, and one whose sender does not `wait` at once.
    pub(super) fn update(
        &mut self,
        channel: ChannelId,
        key: ReplyKey,
        text: String,
        (done, wait): (Done, bool),
        ctx: &mut Context<Self>,
    ) {
        let stream = StreamKey { channel, key: key.as_str().into() };
        let bytes = text.len();
        let replaced = self.updates.waiting(&stream).map(|update| update.bytes);
        if let Some(limit) = self.exceeded_limit(bytes, replaced) {
            return send_result(done, Err(self.queue_full(limit)));
        }
        let deadline = Instant::now() + self.client.context().settings.replies.deadline;
        self.bytes += bytes;
        let done = wait_or_send(done, wait);
        if let Some(replaced) = self.updates.push(stream, UpdateJob { key, text, deadline, bytes, done }) {
            self.bytes -= replaced.bytes;
            if let Some(done) = replaced.done {
                send_result(done, Ok(PostedIds::default()));
            }
        }
        self.pump_updates(ctx);
    }

    /// Sends the updates that are due.
    pub(super) fn pump_updates(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        loop {
            match self.updates.next(now.into_std()) {
                NextUpdate::Send(stream, job) => self.send_update(stream, job, ctx),
                NextUpdate::At(at) => {
                    let wait = at.saturating_duration_since(now.into_std());
                    let timer = ctx.run_later(wait, |act, ctx| {
                        act.update_timer = None;
                        act.pump_updates(ctx);
                    });
                    if let Some(earlier) = self.update_timer.replace(timer) {
                        ctx.cancel_future(earlier);
                    }
                    return;
                }
                NextUpdate::Idle => return,
            }
        }
    }

    fn send_update(&mut self, stream: StreamKey, job: UpdateJob, ctx: &mut Context<Self>) {
        let UpdateJob { key, text, deadline, bytes, done } = job;
        let channel = stream.channel.clone();
        let client = self.client.clone();
        let update = async move { update(&client, &channel, &key, &text, deadline).await }.into_actor(self);
        ctx.spawn(update.map(move |result, act, ctx| {
            act.updates.done(&stream);
            act.bytes -= bytes;
            match (done, result) {
                (Some(done), result) => send_result(done, result),
                (None, Err(error)) => act.report_failed_update(&stream, &error),
                (None, Ok(_)) => {}
            }
            act.pump_updates(ctx);
            act.report_drained();
        }));
    }

    /// Reports the failure of an update whose sender did not wait for it.
    fn report_failed_update(&self, StreamKey { channel, key }: &StreamKey, error: &ReplyError) {
        let (key, cause) = (Excerpt::of(key), Excerpt::of(error));
        self.client.observe(Fact::UpdateFailed { channel: channel.clone(), key, cause });
    }
}

/// Returns the receiver of a result if it waits; otherwise tells it that the update is taken.
fn wait_or_send(done: Done, wait: bool) -> Option<Done> {
    if wait {
        return Some(done);
    }
    send_result(done, Ok(PostedIds::default()));
    None
}

/// Returns the post that an action creates, if updates could wait for it.
pub(super) fn created_stream(action: &OutgoingAction) -> Option<StreamKey> {
    let OutgoingAction::Post(draft) = action else { return None };
    let key = draft.key.as_ref()?.as_str().into();
    Some(StreamKey { channel: draft.channel.clone(), key })
}
