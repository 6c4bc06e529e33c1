//! The execution of one action.

use std::rc::Rc;

use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    client::{FailedRequest, ReplyClient},
    parts::{check_draft, check_text, split_draft},
    posting::{self, wait_before_retry},
    transfers,
    update_parts::update,
};
use crate::{
    mattermost::{EphemeralPost, LookupRequest, Reaction, RestError, RestErrorKind, RestResponse},
    model::{
        ChannelId, Draft, Excerpt, IntegrationCall, OutgoingAction, PostId, PostedIds, ReplyError, Token,
        UserId,
    },
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
        OutgoingAction::Edit { post, text, props } => {
            edit(client, post, text, props.as_ref(), deadline).await
        }
        OutgoingAction::Update { channel, key, text, .. } => {
            update(client, &channel, &key, &text, deadline).await
        }
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
        OutgoingAction::Upload { channel, file, key } => {
            transfers::upload(client, channel, file, key, deadline).await
        }
        OutgoingAction::Integration { call, .. } => call_integration(client, &call, deadline).await,
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

/// Makes a call once: a person waits for it, and a repeated one would be shown twice.
async fn call_integration(
    client: &ReplyClient,
    call: &IntegrationCall,
    deadline: Instant,
) -> Result<PostedIds, ReplyError> {
    if matches!(call, IntegrationCall::OpenDialog { url, .. } if url.is_empty()) {
        let cause = "the host takes no dialogs; set [hooks] in its configuration";
        return Err(ReplyError::Refused { cause: cause.into() });
    }
    let made = client.request(deadline, async |api, token| api.call_integration(token, call).await).await;
    let reason = |failed: &FailedRequest| match failed.failure {
        RequestFailure::Refused => GiveUpReason::Refused,
        _ => GiveUpReason::TimedOut { maybe_done: true },
    };
    made.map_err(|failed| client.reply_error(reason(&failed), failed)).map(|()| PostedIds::default())
}

async fn ephemeral(
    client: &ReplyClient,
    user: UserId,
    draft: Draft,
    deadline: Instant,
) -> Result<PostedIds, ReplyError> {
    // Such a post cannot have files.
    let draft = Draft { files: Vec::new(), file_ids: Vec::new(), ..draft };
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
        let shown =
            try_repeatedly(client, deadline, async |api, token| api.create_ephemeral(token, &post).await);
        match shown.await {
            Ok(()) => {}
            Err(gave_up) if gave_up.is_forbidden && client.context().settings.replies.whisper_fallback => {
                return direct_message(client, &user, draft.clone(), deadline).await;
            }
            Err(gave_up) => return Err(gave_up.error),
        }
    }
    Ok(PostedIds::default())
}

/// Posts a draft in the direct channel with a user.
async fn direct_message(
    client: &ReplyClient,
    user: &UserId,
    draft: Draft,
    deadline: Instant,
) -> Result<PostedIds, ReplyError> {
    #[derive(Deserialize)]
    struct Created {
        id: ChannelId,
    }
    let timed_out =
        |failed: FailedRequest| client.reply_error(GiveUpReason::TimedOut { maybe_done: false }, failed);
    let me = client.own_user_id(deadline).await.map_err(timed_out)?;
    let request = || LookupRequest::DirectChannel([&me, user]);
    let found = repeat(client, deadline, async |api, token| api.look_up(token, request()).await).await?;
    let Created { id: channel } = serde_json::from_str(found.get())
        .map_err(|error| ReplyError::Refused { cause: Excerpt::of(&error) })?;
    // A thread belongs to its channel.
    posting::post(client, Draft { channel, root_id: None, thread_of: None, ..draft }, deadline).await
}

async fn edit(
    client: &ReplyClient,
    post: PostId,
    text: String,
    props: Option<&Map<String, Value>>,
    deadline: Instant,
) -> Result<PostedIds, ReplyError> {
    check_text(&text, client.limits_for(&text, &[], deadline).await)?;
    repeat(client, deadline, async |api, token| api.edit_post(token, &post, &text, props).await).await?;
    Ok(PostedIds { ids: vec![post], ..PostedIds::default() })
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

pub(super) async fn delete(
    client: &ReplyClient,
    post: PostId,
    deadline: Instant,
) -> Result<PostedIds, ReplyError> {
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
