//! The execution of one action.

use std::rc::Rc;

use tokio::time::Instant;

use super::{
    client::{FailedRequest, ReplyClient},
    posting::{self, wait_before_retry},
};
use crate::{
    mattermost::{EphemeralPost, Reaction, RestError, RestResponse},
    model::{ChannelId, Draft, OutgoingAction, PostId, PostedIds, ReplyError, Token, UserId},
    policy::{
        GiveUpReason, MAX_POST_CHARS, ReplyStep, RequestFailure, RequestRetry, SendPermission,
        send_permission,
    },
    ports::Api,
};

/// Executes an action, with retries until the deadline.
pub(super) async fn execute_action(
    client: Rc<ReplyClient>,
    action: OutgoingAction,
    deadline: Instant,
) -> Result<PostedIds, ReplyError> {
    let client = &*client;
    match action {
        OutgoingAction::Post(draft) => posting::post(client, draft, deadline).await,
        OutgoingAction::Ephemeral { user, draft } => ephemeral(client, user, draft, deadline).await,
        OutgoingAction::Edit { post, text } => edit(client, post, text, deadline).await,
        OutgoingAction::React { post, emoji } => react(client, post, emoji, deadline).await,
        OutgoingAction::Typing { channel, root_id } => {
            show_typing(client, &channel, root_id.as_ref(), deadline).await
        }
    }
}

/// Sends a typing notification if the account may send now.
pub(super) async fn send_typing(
    client: Rc<ReplyClient>,
    channel: ChannelId,
    root_id: Option<PostId>,
) -> Result<PostedIds, ReplyError> {
    let context = client.context();
    if send_permission(context.stats.state(), false) != SendPermission::Granted {
        return Ok(PostedIds::default());
    }
    let deadline = Instant::now() + context.settings.replies.deadline;
    show_typing(&client, &channel, root_id.as_ref(), deadline).await
}

async fn show_typing(
    client: &ReplyClient,
    channel: &ChannelId,
    root_id: Option<&PostId>,
    deadline: Instant,
) -> Result<PostedIds, ReplyError> {
    let sent = client.request(deadline, async |api, token| api.typing(token, channel, root_id).await);
    match sent.await {
        Err(failed) if failed.failure == RequestFailure::Refused => {
            Err(client.reply_error(GiveUpReason::Refused, failed))
        }
        // A late typing notification would be pointless.
        Ok(()) | Err(_) => Ok(PostedIds::default()),
    }
}

async fn ephemeral(
    client: &ReplyClient,
    user_id: UserId,
    draft: Draft,
    deadline: Instant,
) -> Result<PostedIds, ReplyError> {
    check_text(&draft.text)?;
    let Draft { channel: channel_id, text: message, root_id, props, .. } = draft.clone();
    let post = EphemeralPost { user_id, channel_id, message, root_id, props };
    match try_repeatedly(client, deadline, async |api, token| api.create_ephemeral(token, &post).await).await
    {
        Ok(()) => Ok(PostedIds::default()),
        Err(gave_up) if gave_up.is_forbidden && client.context().settings.replies.whisper_fallback => {
            direct_message(client, &post.user_id, draft, deadline).await
        }
        Err(gave_up) => Err(gave_up.error),
    }
}

/// Posts a draft in the direct channel with a user.
async fn direct_message(
    client: &ReplyClient,
    user: &UserId,
    draft: Draft,
    deadline: Instant,
) -> Result<PostedIds, ReplyError> {
    let timed_out =
        |failed: FailedRequest| client.reply_error(GiveUpReason::TimedOut { maybe_done: false }, failed);
    let me = client.own_user_id(deadline).await.map_err(timed_out)?;
    let channel =
        repeat(client, deadline, async |api, token| api.direct_channel(token, &me, user).await).await?;
    // A thread belongs to its channel.
    posting::post(client, Draft { channel, root_id: None, thread_of: None, ..draft }, deadline).await
}

async fn edit(
    client: &ReplyClient,
    post: PostId,
    text: String,
    deadline: Instant,
) -> Result<PostedIds, ReplyError> {
    check_text(&text)?;
    repeat(client, deadline, async |api, token| api.edit_post(token, &post, &text).await).await?;
    Ok(PostedIds { ids: vec![post] })
}

async fn react(
    client: &ReplyClient,
    post: PostId,
    emoji: String,
    deadline: Instant,
) -> Result<PostedIds, ReplyError> {
    let timed_out =
        |failed: FailedRequest| client.reply_error(GiveUpReason::TimedOut { maybe_done: false }, failed);
    let user_id = client.own_user_id(deadline).await.map_err(timed_out)?;
    let reaction = Reaction { user_id, post_id: post, emoji_name: emoji };
    repeat(client, deadline, async |api, token| api.add_reaction(token, &reaction).await).await?;
    Ok(PostedIds::default())
}

/// Checks a text that cannot be split.
fn check_text(text: &str) -> Result<(), ReplyError> {
    if text.trim().is_empty() {
        return Err(ReplyError::Empty);
    }
    let characters = text.chars().count();
    if characters > MAX_POST_CHARS {
        return Err(ReplyError::TooLong { characters, limit: MAX_POST_CHARS });
    }
    Ok(())
}

/// Sends an idempotent request until it succeeds.
async fn repeat<T>(
    client: &ReplyClient,
    deadline: Instant,
    send: impl AsyncFn(&dyn Api, &Token) -> Result<RestResponse<T>, RestError>,
) -> Result<T, ReplyError> {
    try_repeatedly(client, deadline, send).await.map_err(|gave_up| gave_up.error)
}

/// A request that was given up.
struct GaveUp {
    error: ReplyError,
    /// True if the account may not do it.
    is_forbidden: bool,
}

async fn try_repeatedly<T>(
    client: &ReplyClient,
    deadline: Instant,
    send: impl AsyncFn(&dyn Api, &Token) -> Result<RestResponse<T>, RestError>,
) -> Result<T, GaveUp> {
    let mut retry = RequestRetry::idempotent(deadline.into_std());
    loop {
        let failed = match client.request(deadline, async |api, token| send(api, token).await).await {
            Ok(done) => return Ok(done),
            Err(failed) => failed,
        };
        let is_forbidden = failed.is_forbidden();
        let waited = wait_before_retry(client, &mut retry, ReplyStep::Send, failed).await;
        waited.map_err(|error| GaveUp { error, is_forbidden })?;
    }
}
