//! The changes in live events that a catch-up can fetch too.

use std::sync::Arc;

use serde::Deserialize;

use crate::{
    mattermost::{EventEnvelope, OutlinedPost},
    model::{Change, ChannelId, EventBody, PostKey, PostOutline, UserId},
};

/// The most time between an edit's `edit_at` and its `update_at`. Pins and reactions arrive as `post_edited` too, but
/// they change `update_at` alone, and later.
const SAME_EDIT_MS: i64 = 250;

/// The effect of an event on a channel's posts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PostChange {
    pub(super) channel: Option<ChannelId>,
    pub(super) change: Option<Change>,
    /// True if the event concerns a post by the account itself.
    pub(super) own: bool,
    /// The author of the post, or the user who reacted.
    pub(super) author: Option<UserId>,
    /// The post.
    pub(super) post: Option<Arc<PostOutline>>,
}

/// The data of `user_removed` in both of its forms: sent to the channel, it names the user; sent to the user, the
/// channel.
#[derive(Deserialize)]
struct Removed {
    #[serde(default)]
    user_id: UserId,
    #[serde(default)]
    channel_id: ChannelId,
}

impl PostChange {
    /// Returns the event that makes this change, copied out of its frame unchanged.
    pub(super) fn into_body(self, envelope: &EventEnvelope<'_>) -> EventBody {
        EventBody {
            event: event_name(&envelope.event),
            channel_id: self.channel.unwrap_or_else(|| envelope.channel_id()),
            change: self.change,
            post: self.post,
            seq: envelope.seq,
            data: envelope.data.get().into(),
            broadcast: envelope.broadcast.get().into(),
        }
    }
}

/// Returns the name of an event. Nearly all are new posts, which share theirs within a thread.
pub(super) fn event_name(name: &str) -> Arc<str> {
    thread_local! {
        static POSTED: Arc<str> = "posted".into();
    }
    let shared = (name == "posted").then(|| POSTED.try_with(Arc::clone).ok());
    // The access fails only while the thread is ending.
    shared.flatten().unwrap_or_else(|| name.into())
}

/// Parses the change that an event makes, from the view of the user `me`.
pub(super) fn parse_post_change(envelope: &EventEnvelope<'_>, me: Option<&UserId>) -> PostChange {
    match &*envelope.event {
        "posted" | "post_edited" | "post_deleted" => parse_post_event(envelope, me).unwrap_or_default(),
        "reaction_added" | "reaction_removed" => {
            PostChange { author: envelope.reaction_user(), ..PostChange::default() }
        }
        "user_removed" => parse_own_removal(envelope, me).unwrap_or_default(),
        _ => PostChange::default(),
    }
}

fn parse_post_event(envelope: &EventEnvelope<'_>, me: Option<&UserId>) -> Option<PostChange> {
    let OutlinedPost { channel, outline } = envelope.outlined_post().ok()?;
    Some(PostChange {
        channel: Some(channel),
        change: change(&envelope.event, &outline),
        own: me == Some(&outline.author),
        author: Some(outline.author.clone()),
        post: Some(Arc::new(outline)),
    })
}

fn change(event: &str, post: &PostOutline) -> Option<Change> {
    let id = post.id.clone();
    match event {
        "posted" => Some(Change::Posted(PostKey { create_at: post.create_at, id })),
        "post_deleted" => Some(Change::Deleted { id }),
        _ => is_edit(post).then_some(Change::Edited { id, edit_at: post.edit_at }),
    }
}

fn is_edit(post: &PostOutline) -> bool {
    post.edit_at > 0 && post.update_at.saturating_sub(post.edit_at) <= SAME_EDIT_MS
}

/// Parses the removal of the account itself. The removal of another user is no change.
fn parse_own_removal(envelope: &EventEnvelope<'_>, me: Option<&UserId>) -> Option<PostChange> {
    let removed: Removed = serde_json::from_str(envelope.data.get()).ok()?;
    let to: Removed = serde_json::from_str(envelope.broadcast.get()).ok()?;
    let either = |a: UserId, b: UserId| if a.as_str().is_empty() { b } else { a };
    if me != Some(&either(removed.user_id, to.user_id)) {
        return None;
    }
    let channel = Some(removed.channel_id).filter(|id| !id.as_str().is_empty()).unwrap_or(to.channel_id);
    Some(PostChange { channel: Some(channel), change: Some(Change::Left), ..PostChange::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mattermost::{self, Incoming};

    const ME: &str = "5i7zwettkbfhfcner868ext35r";

    /// Returns the changes of the events of one name that the bot received in the recording.
    fn recorded(event: &str) -> Vec<PostChange> {
        let text = include_str!("../../../../tests/fixtures/wire/events.jsonl");
        let frames = text.lines().filter_map(|line| {
            let step: serde_json::Value = serde_json::from_str(line).unwrap();
            (step["conn"] == "bot").then(|| step["recv"].as_str().map(str::to_owned)).flatten()
        });
        let me = UserId::from(ME);
        let read = |frame: String| match mattermost::parse_frame(&frame).unwrap() {
            Incoming::Event(envelope) if envelope.event == event => {
                Some(parse_post_change(&envelope, Some(&me)))
            }
            _ => None,
        };
        frames.filter_map(read).collect()
    }

    #[test]
    fn a_recorded_edit_deletion_and_removal_are_changes() {
        let id = || "qnnmewwssi86dx8wwy1xejsy6c".into();
        let changes =
            |event| recorded(event).into_iter().filter_map(|parsed| parsed.change).collect::<Vec<_>>();
        assert_eq!(changes("post_edited")[0], Change::Edited { id: id(), edit_at: 1_795_354_129_936 });
        assert_eq!(changes("post_deleted"), [Change::Deleted { id: id() }]);
        let left = recorded("user_removed");
        assert_eq!(left[0].channel, Some("faozfi9fq7nwbqroxsnmkxae5o".into()));
        assert_eq!(left[0].change, Some(Change::Left));
        for PostChange { change, author, post, .. } in recorded("posted") {
            let post = post.unwrap();
            let PostOutline { id, create_at, .. } = post.as_ref().clone();
            assert_eq!(change, Some(Change::Posted(PostKey { create_at, id })));
            assert_eq!(author, Some(post.author.clone()));
        }
    }

    fn parse_event(event: &str, data: &serde_json::Value) -> PostChange {
        let broadcast = serde_json::json!({ "user_id": "", "channel_id": "c" });
        let frame = serde_json::json!({ "event": event, "data": data, "broadcast": broadcast, "seq": 1 });
        match mattermost::parse_frame(&frame.to_string()).unwrap() {
            Incoming::Event(envelope) => parse_post_change(&envelope, Some(&ME.into())),
            Incoming::Reply(_) => panic!("not an event"),
        }
    }

    #[test]
    fn a_pin_and_the_removal_of_another_user_are_no_changes() {
        let post = |edit_at, update_at| {
            let post = serde_json::json!({
                "id": "p", "create_at": 1, "edit_at": edit_at, "update_at": update_at, "user_id": ME, "channel_id": "c",
            });
            serde_json::json!({ "post": post.to_string() })
        };
        assert!(parse_event("post_edited", &post(5, 5)).change.is_some());
        assert!(parse_event("post_edited", &post(5, 5 + SAME_EDIT_MS + 1)).change.is_none());
        assert!(parse_event("post_edited", &post(0, 5)).change.is_none());
        assert!(parse_event("posted", &post(0, 1)).own);
        assert_eq!(
            parse_event("user_removed", &serde_json::json!({ "user_id": "other" })),
            PostChange::default()
        );
        let mine = parse_event("user_removed", &serde_json::json!({ "user_id": ME }));
        assert_eq!((mine.channel, mine.change), (Some("c".into()), Some(Change::Left)));
    }
}
