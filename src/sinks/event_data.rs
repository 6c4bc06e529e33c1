//! The parts of an event's `data` that sinks read: one definition for filters, the encoder and replies.

use std::borrow::Cow;

use matterhost_actors::model::{PostId, PostOutline, ReactionHead, UserId};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

/// The members of `data` that sinks read, borrowed from its text. Most of them hold JSON inside a string (fact 13).
#[derive(Default, Deserialize)]
pub(super) struct EventData<'a> {
    #[serde(borrow)]
    pub(super) channel_type: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) post: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) mentions: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) reaction: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) channel: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) broadcast: Option<&'a RawValue>,
}

/// The place of a slash command, button, menu or dialog, for the answers to it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the names are those of the wire")]
pub(super) struct HookHead {
    pub(super) user_id: Option<UserId>,
    post_id: Option<PostId>,
    root_id: Option<PostId>,
    trigger_id: Option<Box<str>>,
}

/// The fields of a post that an event's time and the replies to it are made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct PostHead {
    pub(super) id: Option<PostId>,
    pub(super) root_id: Option<PostId>,
    pub(super) user_id: Option<UserId>,
    /// Server milliseconds.
    pub(super) create_at: Option<i64>,
    /// The trigger of a command or button.
    #[serde(skip)]
    pub(super) trigger: Option<Box<str>>,
    /// True if it is not known whether the post is a reply.
    #[serde(skip)]
    pub(super) may_be_reply: bool,
}

impl PostHead {
    /// Returns the post that a reply answers: the event's post, or that of its reaction if there is none.
    pub(super) fn answered(post: Option<Self>, reaction: impl FnOnce() -> Option<ReactionHead>) -> Self {
        match post {
            Some(post) if post.id.is_some() => post,
            post => reaction().map(Self::of_reaction).or(post).unwrap_or_default(),
        }
    }

    /// Returns the head of a post that was read when its event arrived.
    pub(super) fn of_outline(post: &PostOutline) -> Self {
        let (id, user_id, root_id) = (post.id.clone(), post.author.clone(), post.root_id.clone());
        let create_at = Some(post.create_at);
        Self { id: Some(id), user_id: Some(user_id), root_id: Some(root_id), create_at, ..Self::default() }
    }

    /// Returns the head to reply to for a command, button, menu or dialog: the post with the button or the root of the thread,
    /// as if the person who waits had written it.
    pub(super) fn of_hook(hook: HookHead) -> Self {
        let HookHead { user_id, post_id, root_id, trigger_id } = hook;
        let may_be_reply = post_id.is_some();
        Self { id: post_id, user_id, root_id, create_at: None, trigger: trigger_id, may_be_reply }
    }

    /// Returns the head to reply to for a reaction: its post, as if the user who reacted had written it.
    pub(super) fn of_reaction(reaction: ReactionHead) -> Self {
        let create_at = Some(reaction.create_at).filter(|at| *at > 0);
        let (id, user_id) = (Some(reaction.post_id), Some(reaction.user_id));
        Self { id, user_id, create_at, root_id: None, trigger: None, may_be_reply: true }
    }
}

impl<'a> EventData<'a> {
    /// Reads `data`; `None` if it is not a JSON object.
    pub(super) fn parse(data: &'a str) -> Option<Self> {
        serde_json::from_str(data).ok().filter(|_| data.trim_start().starts_with('{'))
    }
}

/// Reads a member that holds a JSON object, usually inside a string.
pub(super) fn object<T: DeserializeOwned>(member: &RawValue) -> Option<T> {
    let text = text(member);
    let json = text.as_deref().unwrap_or(member.get());
    Some(json.trim()).filter(|json| json.starts_with('{')).and_then(|json| serde_json::from_str(json).ok())
}

/// Returns the text of a member that is a JSON string.
pub(super) fn text(member: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str(member.get()).ok().map(|Text(text)| text)
}
