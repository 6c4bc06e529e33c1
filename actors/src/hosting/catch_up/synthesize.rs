//! Events synthesized from fetched posts, in the form in which the server sends them live.

use std::time::SystemTime;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::{RawValue, to_raw_value};

use super::CatchUp;
use crate::{
    mattermost::{Channel, Post},
    model::{Change, ChannelId, CloseReason, Event, EventBody, Excerpt, PostKey, PostOutline, UserId},
};

/// A change of an account's membership in a channel, as a system post reports it (fact 28).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MembershipChange {
    Joined,
    Left,
}

impl CatchUp {
    /// Builds the event of a change, as far as a fetched post allows.
    pub(super) fn synthesize_event(
        &self,
        change: Change,
        post: &Post,
        channel: Option<&Channel>,
        is_last: bool,
    ) -> Result<Event, CloseReason> {
        let unreadable = |error: serde_json::Error| CloseReason::CatchUpFailed { cause: Excerpt::of(&error) };
        let (event, data) = match &change {
            Change::Posted(_) => ("posted", posted_data(post, channel)),
            Change::Edited { .. } => ("post_edited", changed_data(post)),
            Change::Deleted { .. } | Change::Left => ("post_deleted", changed_data(post)),
        };
        let context = &self.client.context;
        Ok(Event {
            account: context.account.clone(),
            server: context.server.clone(),
            user: self.me.clone(),
            channel: context.directory.channel(&post.channel_id),
            sender: context.directory.username(&post.user_id),
            generation: self.generation,
            connection_id: self.connection_id.clone(),
            received_at: SystemTime::now(),
            recovered: true,
            last_recovered: is_last,
            own: post.user_id == self.me.id,
            body: EventBody {
                event: event.into(),
                channel_id: post.channel_id.clone(),
                change: Some(change),
                post: Some(outline(post).into()),
                seq: 0,
                data: data.map_err(unreadable)?.get().into(),
                broadcast: broadcast(&post.channel_id).map_err(unreadable)?.get().into(),
            },
        })
    }
}

fn outline(post: &Post) -> PostOutline {
    PostOutline {
        id: post.id.clone(),
        author: post.user_id.clone(),
        root_id: post.root_id.clone().unwrap_or_default(),
        kind: post.kind.clone(),
        message: post.message(),
        create_at: post.create_at,
        update_at: post.update_at,
        edit_at: post.edit_at,
        delete_at: post.delete_at,
    }
}

/// Returns the change that a new post makes.
pub(super) fn posted_change(post: &Post) -> Change {
    Change::Posted(PostKey { create_at: post.create_at, id: post.id.clone() })
}

/// Returns the edit or the deletion that a row of `posts?since=` reports after that time, and when it happened. A row
/// of a post's history looks like a deletion but is not one (fact 25).
pub(super) fn change_since(post: &Post, since: i64) -> Option<(i64, Change)> {
    let id = post.id.clone();
    if post.original_id.is_some() {
        None
    } else if post.delete_at > since {
        Some((post.delete_at, Change::Deleted { id }))
    } else if post.delete_at == 0 && post.edit_at > since {
        Some((post.edit_at, Change::Edited { id, edit_at: post.edit_at }))
    } else {
        None
    }
}

/// True if a row of `posts?since=` shows no cause of its change: no edit or deletion, no reaction and no pin. It may be a
/// post dated back, or one that lost a reaction.
pub(super) fn is_unexplained(post: &Post) -> bool {
    #[derive(Deserialize, Default)]
    struct Metadata {
        #[serde(default)]
        reactions: Option<Vec<IgnoredAny>>,
    }
    #[derive(Deserialize, Default)]
    struct Causes {
        #[serde(default)]
        is_pinned: bool,
        #[serde(default)]
        metadata: Option<Metadata>,
    }
    let is_unchanged = post.update_at <= post.create_at;
    if is_unchanged || post.original_id.is_some() || post.delete_at > 0 || post.edit_at > 0 {
        return false;
    }
    let causes: Causes = serde_json::from_str(post.json.get()).unwrap_or_default();
    let reactions = causes.metadata.and_then(|metadata| metadata.reactions).unwrap_or_default();
    !causes.is_pinned && reactions.is_empty()
}

/// Returns the membership change of this user that a post reports, if any.
pub(super) fn membership_change(post: &Post, me: &UserId) -> Option<MembershipChange> {
    #[derive(Deserialize, Default)]
    struct Props {
        #[serde(default, rename = "addedUserId")]
        added: UserId,
        #[serde(default, rename = "removedUserId")]
        removed: UserId,
    }
    #[derive(Deserialize)]
    struct Whole {
        #[serde(default)]
        props: Props,
    }
    let props =
        || serde_json::from_str::<Whole>(post.json.get()).map(|whole| whole.props).unwrap_or_default();
    let (change, user) = match &*post.kind {
        "system_join_channel" | "system_join_team" => (MembershipChange::Joined, post.user_id.clone()),
        "system_add_to_channel" | "system_add_to_team" => (MembershipChange::Joined, props().added),
        "system_leave_channel" | "system_leave_team" => (MembershipChange::Left, post.user_id.clone()),
        "system_remove_from_channel" | "system_remove_from_team" => (MembershipChange::Left, props().removed),
        _ => return None,
    };
    (user == *me).then_some(change)
}

/// Returns the members of a live `posted` event that are known of a fetched post.
fn posted_data(post: &Post, channel: Option<&Channel>) -> serde_json::Result<Box<RawValue>> {
    let channel = channel.map(|channel| (&*channel.display_name, &*channel.name, channel.kind.as_str()));
    let (display_name, name, kind) = channel.unwrap_or_default();
    to_raw_value(&serde_json::json!({
        "channel_display_name": display_name,
        "channel_name": name,
        "channel_type": kind,
        "post": post.json.get(),
    }))
}

/// Returns the data of a live `post_edited` or `post_deleted`, which have the post alone.
fn changed_data(post: &Post) -> serde_json::Result<Box<RawValue>> {
    to_raw_value(&serde_json::json!({ "post": post.json.get() }))
}

fn broadcast(channel: &ChannelId) -> serde_json::Result<Box<RawValue>> {
    to_raw_value(&serde_json::json!({ "channel_id": channel.as_str() }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn post(with: &serde_json::Value) -> Post {
        let mut post =
            json!({ "id": "p", "create_at": 10, "user_id": "me", "channel_id": "c", "message": "" });
        post.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        Post::read(RawValue::from_string(post.to_string()).unwrap()).unwrap()
    }

    #[test]
    fn a_row_is_an_edit_a_deletion_or_neither() {
        let id = || "p".into();
        for (row, change) in [
            (json!({ "edit_at": 20 }), Some((20, Change::Edited { id: id(), edit_at: 20 }))),
            (json!({ "edit_at": 15 }), None),
            (json!({ "update_at": 20 }), None),
            (json!({ "delete_at": 20, "edit_at": 18 }), Some((20, Change::Deleted { id: id() }))),
            (json!({ "delete_at": 15, "edit_at": 20 }), None),
            (json!({ "delete_at": 20, "original_id": "x" }), None),
        ] {
            assert_eq!(change_since(&post(&row), 15), change, "fact 25: {row}");
        }
    }

    #[test]
    fn a_row_shows_the_cause_of_its_change_or_none() {
        for (row, is_without) in [
            (json!({ "update_at": 20 }), true),
            (json!({ "update_at": 10 }), false),
            (json!({ "update_at": 20, "metadata": { "reactions": [] }, "is_pinned": false }), true),
            (json!({ "update_at": 20, "metadata": null }), true),
            (json!({ "update_at": 20, "metadata": { "reactions": [{ "emoji_name": "ok" }] } }), false),
            (json!({ "update_at": 20, "is_pinned": true }), false),
            (json!({ "edit_at": 20 }), false),
            (json!({ "delete_at": 20 }), false),
            (json!({ "delete_at": 20, "original_id": "x" }), false),
        ] {
            assert_eq!(is_unexplained(&post(&row)), is_without, "fact 25: {row}");
        }
    }

    #[test]
    fn a_system_post_reports_a_membership_change() {
        for (row, change) in [
            (json!({ "type": "system_join_channel" }), Some(MembershipChange::Joined)),
            (json!({ "type": "system_join_channel", "user_id": "other" }), None),
            (
                json!({ "type": "system_add_to_channel", "props": { "addedUserId": "me" } }),
                Some(MembershipChange::Joined),
            ),
            (json!({ "type": "system_add_to_channel", "props": { "addedUserId": "other" } }), None),
            (
                json!({ "type": "system_remove_from_channel", "props": { "removedUserId": "me" } }),
                Some(MembershipChange::Left),
            ),
            (json!({ "type": "system_leave_team" }), Some(MembershipChange::Left)),
            (json!({ "type": "" }), None),
        ] {
            assert_eq!(membership_change(&post(&row), &"me".into()), change, "fact 28: {row}");
        }
    }
}
