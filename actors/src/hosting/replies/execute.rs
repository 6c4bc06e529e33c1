//! One order, carried out.

use std::rc::Rc;

use tokio::time::Instant;

use super::{
    client::{FailedRequest, ReplyClient},
    posting::{self, wait_before_retry},
};
use crate::{
    mattermost::{EphemeralPost, Reaction, RestError, RestResponse},
    model::{ChannelId, Draft, OutgoingAction, PostId, PostedIds, ReplyError, Token, UserId},
    policy::{GiveUpReason, MAX_POST_CHARS, ReplyStep, RequestRetry, SendPermission, send_permission},
    ports::Api,
};

/// Carries an order out, until the deadline.
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

/// Shows that the account types, if it can be shown now.
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
    let asked = client.request(deadline, async |api, token| api.typing(token, channel, root_id).await);
    match asked.await {
        Err(failed) if failed.failure == crate::policy::RequestFailure::Refused => {
            Err(client.reply_error(GiveUpReason::Refused, failed))
        }
        // What cannot be shown now need not be shown later.
        Ok(()) | Err(_) => Ok(PostedIds::default()),
    }
}

async fn ephemeral(
    client: &ReplyClient,
    user_id: UserId,
    draft: Draft,
    deadline: Instant,
) -> Result<PostedIds, ReplyError> {
    fits(&draft.text)?;
    let Draft { channel: channel_id, text: message, root_id, props, .. } = draft;
    let post = EphemeralPost { user_id, channel_id, message, root_id, props };
    repeat(client, deadline, async |api, token| api.create_ephemeral(token, &post).await).await?;
    Ok(PostedIds::default())
}

async fn edit(
    client: &ReplyClient,
    post: PostId,
    text: String,
    deadline: Instant,
) -> Result<PostedIds, ReplyError> {
    fits(&text)?;
    repeat(client, deadline, async |api, token| api.edit_post(token, &post, &text).await).await?;
    Ok(PostedIds { ids: vec![post] })
}

async fn react(
    client: &ReplyClient,
    post: PostId,
    emoji: String,
    deadline: Instant,
) -> Result<PostedIds, ReplyError> {
    let late =
        |failed: FailedRequest| client.reply_error(GiveUpReason::TimedOut { maybe_done: false }, failed);
    let user_id = client.own_user_id(deadline).await.map_err(late)?;
    let reaction = Reaction { user_id, post_id: post, emoji_name: emoji };
    repeat(client, deadline, async |api, token| api.add_reaction(token, &reaction).await).await?;
    Ok(PostedIds::default())
}

/// What cannot be cut must fit.
fn fits(text: &str) -> Result<(), ReplyError> {
    if text.trim().is_empty() {
        return Err(ReplyError::Empty);
    }
    let characters = text.chars().count();
    if characters > MAX_POST_CHARS {
        return Err(ReplyError::TooLong { characters, limit: MAX_POST_CHARS });
    }
    Ok(())
}

/// Asks until it is done: doing it twice is as doing it once.
async fn repeat<T>(
    client: &ReplyClient,
    deadline: Instant,
    ask: impl AsyncFn(&dyn Api, &Token) -> Result<RestResponse<T>, RestError>,
) -> Result<T, ReplyError> {
    let mut retry = RequestRetry::idempotent(deadline.into_std());
    loop {
        match client.request(deadline, async |api, token| ask(api, token).await).await {
            Ok(done) => return Ok(done),
            Err(failed) => wait_before_retry(client, &mut retry, ReplyStep::Send, failed).await?,
        }
    }
}
