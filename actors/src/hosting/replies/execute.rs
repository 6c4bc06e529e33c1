//! One order, carried out.

use std::rc::Rc;

use tokio::time::Instant;

use super::{
    client::{Desk, Failed},
    posting::{self, wait},
};
use crate::{
    mattermost::{Answer, EphemeralPost, Reaction, RestError},
    model::{ChannelId, Draft, Order, PostId, Posted, ReplyError, Token, UserId},
    policy::{Attempt, GaveUp, LONGEST_POST, ReplyStep, Standing, standing},
    ports::Api,
};

/// Carries an order out, until the deadline.
pub(super) async fn carry_out(desk: Rc<Desk>, order: Order, deadline: Instant) -> Result<Posted, ReplyError> {
    let desk = &*desk;
    match order {
        Order::Post(draft) => posting::post(desk, draft, deadline).await,
        Order::Ephemeral { user, draft } => ephemeral(desk, user, draft, deadline).await,
        Order::Edit { post, text } => edit(desk, post, text, deadline).await,
        Order::React { post, emoji } => react(desk, post, emoji, deadline).await,
        Order::Typing { channel, root_id } => show_typing(desk, &channel, root_id.as_ref(), deadline).await,
    }
}

/// Shows that the account types, if it can be shown now.
pub(super) async fn typing(
    desk: Rc<Desk>,
    channel: ChannelId,
    root_id: Option<PostId>,
) -> Result<Posted, ReplyError> {
    let env = desk.env();
    if standing(env.vitals.state(), false) != Standing::May {
        return Ok(Posted::default());
    }
    let deadline = Instant::now() + env.settings.replies.deadline;
    show_typing(&desk, &channel, root_id.as_ref(), deadline).await
}

async fn show_typing(
    desk: &Desk,
    channel: &ChannelId,
    root_id: Option<&PostId>,
    deadline: Instant,
) -> Result<Posted, ReplyError> {
    let asked = desk.ask(deadline, async |api, token| api.typing(token, channel, root_id).await);
    match asked.await {
        Err(failed) if failed.trouble == crate::policy::Trouble::Refused => {
            Err(desk.error(GaveUp::Refused, failed))
        }
        // What cannot be shown now need not be shown later.
        Ok(()) | Err(_) => Ok(Posted::default()),
    }
}

async fn ephemeral(
    desk: &Desk,
    user_id: UserId,
    draft: Draft,
    deadline: Instant,
) -> Result<Posted, ReplyError> {
    fits(&draft.text)?;
    let Draft { channel: channel_id, text: message, root_id, props, .. } = draft;
    let post = EphemeralPost { user_id, channel_id, message, root_id, props };
    repeat(desk, deadline, async |api, token| api.create_ephemeral(token, &post).await).await?;
    Ok(Posted::default())
}

async fn edit(desk: &Desk, post: PostId, text: String, deadline: Instant) -> Result<Posted, ReplyError> {
    fits(&text)?;
    repeat(desk, deadline, async |api, token| api.edit_post(token, &post, &text).await).await?;
    Ok(Posted { ids: vec![post] })
}

async fn react(desk: &Desk, post: PostId, emoji: String, deadline: Instant) -> Result<Posted, ReplyError> {
    let late = |failed: Failed| desk.error(GaveUp::TooLate { unsure: false }, failed);
    let user_id = desk.me(deadline).await.map_err(late)?;
    let reaction = Reaction { user_id, post_id: post, emoji_name: emoji };
    repeat(desk, deadline, async |api, token| api.add_reaction(token, &reaction).await).await?;
    Ok(Posted::default())
}

/// What cannot be cut must fit.
fn fits(text: &str) -> Result<(), ReplyError> {
    if text.trim().is_empty() {
        return Err(ReplyError::Empty);
    }
    let characters = text.chars().count();
    if characters > LONGEST_POST {
        return Err(ReplyError::TooLong { characters, limit: LONGEST_POST });
    }
    Ok(())
}

/// Asks until it is done: doing it twice is as doing it once.
async fn repeat<T>(
    desk: &Desk,
    deadline: Instant,
    ask: impl AsyncFn(&dyn Api, &Token) -> Result<Answer<T>, RestError>,
) -> Result<T, ReplyError> {
    let mut attempt = Attempt::repeatable(deadline.into_std());
    loop {
        match desk.ask(deadline, async |api, token| ask(api, token).await).await {
            Ok(done) => return Ok(done),
            Err(failed) => wait(desk, &mut attempt, ReplyStep::Send, failed).await?,
        }
    }
}
