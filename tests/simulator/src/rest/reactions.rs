//! Reactions.

use crate::rest::answer::{Answer, invalid_body};
use crate::rest::call::{Call, Outcome};
use crate::state::State;

pub(crate) fn add(state: &mut State, call: &Call) -> Outcome {
    let (user, post) = (call.text("user_id"), call.text("post_id"));
    state.require_self(call, user)?;
    let missing = || invalid_body("post_id");
    let channel = state.world.posts.get(post).ok_or_else(missing)?.channel_id.clone();
    state.require_member(call, &channel)?;
    let reaction = state.add_reaction(user, post, call.text("emoji_name"));
    Ok(Answer::json(&reaction.ok_or_else(missing)?))
}

pub(crate) fn remove(state: &mut State, call: &Call) -> Outcome {
    let (user, post) = (call.id("user_id")?, call.id("post_id")?);
    state.require_self(call, user)?;
    state.remove_reaction(user, post, call.param("emoji"));
    Ok(Answer::ok())
}

pub(crate) fn list(state: &mut State, call: &Call) -> Outcome {
    let post = call.id("post_id")?;
    let channel = state.world.posts.get(post).map(|p| p.channel_id.clone()).unwrap_or_default();
    state.require_member(call, &channel)?;
    Ok(Answer::json(state.world.posts.reactions_mut(post)))
}
