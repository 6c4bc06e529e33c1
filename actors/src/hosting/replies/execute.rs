//! The execution of one action.

use std::rc::Rc;

use tokio::time::Instant;

use super::{
    client::{FailedRequest, ReplyClient},
    parts::{check_draft, check_text, split_draft},
    posting::{self, wait_before_retry},
};
use crate::{
    mattermost::{EphemeralPost, Reaction, RestError, RestErrorKind, RestResponse},
    model::{ChannelId, Draft, OutgoingAction, PostId, PostedIds, ReplyError, Token, UserId},
    policy::{GiveUpReason, ReplyStep, RequestFailure, RequestRetry, SendPermission, send_permission},
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
        OutgoingAction::React { post, emoji } => {
            let reaction = reaction(client, post, emoji, deadline).await?;
            repeat(client, deadline, async |api, token| api.add_reaction(token, &reaction).await).await?;
            Ok(PostedIds::default())
        }
        OutgoingAction::Unreact { post, emoji } => {
            let reaction = reaction(client, post, emoji, deadline).await?;
            repeat(client, deadline, async |api, token| api.remove_reaction(token, &reaction).await).await?;
            Ok(PostedIds::default())
        }
        OutgoingAction::Delete { post } => delete(client, post, deadline).await,
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
    user: UserId,
    draft: Draft,
    deadline: Instant,
) -> Result<PostedIds, ReplyError> {
    // Such a post cannot have files.
    let draft = Draft { files: Vec::new(), ..draft };
    let limits = client.limits_for(&draft.text, &[], deadline).await;
    check_draft(&draft, limits)?;
    for part in split_draft(&draft, limits.post_chars)? {
        let post = EphemeralPost {
            user_id: user.clone(),
            channel_id: draft.channel.clone(),
            message: part.text,
            root_id: draft.root_id.clone(),
            props: part.props,
        };
        repeat(client, deadline, async |api, token| api.create_ephemeral(token, &post).await).await?;
    }
    Ok(PostedIds::default())
}

async fn edit(
    client: &ReplyClient,
    post: PostId,
    text: String,
    deadline: Instant,
) -> Result<PostedIds, ReplyError> {
    check_text(&text, client.limits_for(&text, &[], deadline).await)?;
    repeat(client, deadline, async |api, token| api.edit_post(token, &post, &text).await).await?;
    Ok(PostedIds { ids: vec![post] })
}

/// Returns a reaction by the account.
async fn reaction(
    client: &ReplyClient,
    post: PostId,
    emoji: String,
    deadline: Instant,
) -> Result<Reaction, ReplyError> {
    let timed_out =
        |failed: FailedRequest| client.reply_error(GiveUpReason::TimedOut { maybe_done: false }, failed);
    let user_id = client.own_user_id(deadline).await.map_err(timed_out)?;
    Ok(Reaction { user_id, post_id: post, emoji_name: emoji })
}

async fn delete(client: &ReplyClient, post: PostId, deadline: Instant) -> Result<PostedIds, ReplyError> {
    let deleted = repeat(client, deadline, async |api, token| match api.delete_post(token, &post).await {
        // An earlier attempt, or another user, has deleted it.
        Err(error) if is_missing(&error) => Ok(RestResponse { value: (), rate: None }),
        answer => answer,
    });
    deleted.await?;
    Ok(PostedIds::default())
}

/// True if the server says that the object of a request does not exist.
pub(super) fn is_missing(error: &RestError) -> bool {
    error.kind == RestErrorKind::NotFound && error.is_servers_own()
}

/// Sends an idempotent request until it succeeds.
pub(super) async fn repeat<T>(
    client: &ReplyClient,
    deadline: Instant,
    send: impl AsyncFn(&dyn Api, &Token) -> Result<RestResponse<T>, RestError>,
) -> Result<T, ReplyError> {
    let mut retry = RequestRetry::idempotent(deadline.into_std());
    loop {
        match client.request(deadline, async |api, token| send(api, token).await).await {
            Ok(done) => return Ok(done),
            Err(failed) => wait_before_retry(client, &mut retry, ReplyStep::Send, failed).await?,
        }
    }
}
