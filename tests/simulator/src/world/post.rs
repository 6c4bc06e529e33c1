//! Posts and reactions as the server stores and sends them.

mod wire;

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::ServerVersion;

/// A post. Its JSON is what REST answers and what events carry as a string.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Post {
    /// The post id.
    pub id: String,
    /// When the author's request came in; not the order of events (fact 23).
    pub create_at: i64,
    /// Moves with edits, pins, reactions, replies and the deletion (fact 25).
    pub update_at: i64,
    /// The last edit, or 0.
    pub edit_at: i64,
    /// The deletion, or 0; set on edit-history rows too (fact 25).
    pub delete_at: i64,
    /// True while it is pinned.
    pub is_pinned: bool,
    /// The author.
    pub user_id: String,
    /// The channel.
    pub channel_id: String,
    /// The thread's first post, or empty.
    pub root_id: String,
    /// On an edit-history row the post that it is a version of; else empty.
    pub original_id: String,
    /// The text.
    pub message: String,
    /// Empty for what people write, `system_…` for what the server writes (fact 18).
    pub kind: String,
    /// Free properties.
    pub props: Map<String, Value>,
    /// Hashtags in the text.
    pub hashtags: String,
    /// Files.
    pub file_ids: Vec<String>,
    /// Empty: it is not stored (fact 19).
    pub pending_post_id: String,
    /// Posts in the thread besides the root.
    pub reply_count: u64,
    /// Embeds and reactions; null where they are left out.
    pub metadata: Value,
    /// True when there are reactions.
    pub has_reactions: bool,
    /// It is the answer to a slash command: then it lacks `remote_id`.
    pub(crate) is_answer: bool,
    /// The version in whose form it is sent.
    pub(crate) version: ServerVersion,
}

/// The options of a new post; see [`Simulator::post_with`](crate::Simulator::post_with).
#[derive(Debug, Clone, Default)]
pub struct PostOptions {
    /// Author's user id.
    pub user_id: String,
    /// Channel id.
    pub channel_id: String,
    /// The text.
    pub message: String,
    /// The thread's first post.
    pub root_id: Option<String>,
    /// A creation time other than now: equal to another's, or long ago as imports make it (facts 23, 29).
    pub create_at: Option<i64>,
    /// The post is committed, listed and sent only after this: younger posts may overtake it (fact 23).
    pub visible_after: Option<Duration>,
    /// The type, such as `system_join_channel`; empty for an ordinary post.
    pub kind: String,
    /// Properties.
    pub props: Map<String, Value>,
    /// Files of the author's.
    pub file_ids: Vec<String>,
    /// The idempotency key (fact 19).
    pub pending_post_id: Option<String>,
    /// Users that the event names in `mentions` besides those named in the text.
    pub mentions: Vec<String>,
}

impl Post {
    pub(crate) fn new(id: &str, options: &PostOptions, now: i64) -> Self {
        let create_at = options.create_at.unwrap_or(now);
        let root_id = options.root_id.clone().unwrap_or_default();
        Self {
            id: id.to_owned(),
            create_at,
            update_at: create_at,
            edit_at: 0,
            delete_at: 0,
            is_pinned: false,
            user_id: options.user_id.clone(),
            channel_id: options.channel_id.clone(),
            root_id,
            original_id: String::new(),
            message: options.message.clone(),
            kind: options.kind.clone(),
            props: options.props.clone(),
            hashtags: String::new(),
            file_ids: options.file_ids.clone(),
            pending_post_id: String::new(),
            reply_count: 0,
            metadata: json!({}),
            has_reactions: false,
            is_answer: options.props.contains_key("from_webhook"),
            version: ServerVersion::default(),
        }
    }

    pub(crate) fn is_system(&self) -> bool {
        self.kind.starts_with("system_")
    }

    /// The name under which a webhook posted it.
    pub(crate) fn webhook_name(&self) -> Option<&str> {
        let is_by_webhook = self.props.get("from_webhook").is_some_and(|value| value == "true");
        self.props.get("override_username").and_then(Value::as_str).filter(|_| is_by_webhook)
    }

    /// Joins and leaves do not count as messages of the channel (`last_post_at`).
    pub(crate) fn is_counted(&self) -> bool {
        !matches!(
            self.kind.as_str(),
            "system_join_channel"
                | "system_leave_channel"
                | "system_join_team"
                | "system_add_to_channel"
                | "system_remove_from_channel"
        )
    }

    /// Returns the form in REST lists: deleted posts show only that they are deleted (fact 11).
    pub(crate) fn listed(mut self) -> Self {
        if self.delete_at != 0 {
            self.message.clear();
        }
        self
    }
}

/// A reaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Reaction {
    pub(crate) user_id: String,
    pub(crate) post_id: String,
    pub(crate) emoji_name: String,
    pub(crate) create_at: i64,
    pub(crate) update_at: i64,
    pub(crate) delete_at: i64,
    pub(crate) remote_id: &'static str,
    /// The channel on 11.1; empty once the reaction is taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) channel_id: Option<String>,
}
