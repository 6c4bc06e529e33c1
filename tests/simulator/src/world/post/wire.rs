//! A post in the form of each version (fact 41).

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::Post;

/// The fields in the order in which the server writes them.
#[derive(Serialize)]
struct WirePost<'a> {
    id: &'a str,
    create_at: i64,
    update_at: i64,
    edit_at: i64,
    delete_at: i64,
    is_pinned: bool,
    user_id: &'a str,
    channel_id: &'a str,
    root_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<&'a str>,
    original_id: &'a str,
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    props: &'a Map<String, Value>,
    hashtags: &'a str,
    #[serde(skip_serializing_if = "FileIds::is_absent")]
    file_ids: FileIds<'a>,
    pending_post_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_id: Option<&'a str>,
    reply_count: u64,
    last_reply_at: i64,
    participants: Option<()>,
    #[serde(skip_serializing_if = "Value::is_null")]
    metadata: &'a Value,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    has_reactions: bool,
}

impl<'a> WirePost<'a> {
    fn new(post: &'a Post) -> Self {
        let is_current = post.version.is_current();
        Self {
            id: &post.id,
            create_at: post.create_at,
            update_at: post.update_at,
            edit_at: post.edit_at,
            delete_at: post.delete_at,
            is_pinned: post.is_pinned,
            user_id: &post.user_id,
            channel_id: &post.channel_id,
            root_id: &post.root_id,
            parent_id: (!is_current).then_some(&post.root_id),
            original_id: &post.original_id,
            message: &post.message,
            kind: &post.kind,
            props: &post.props,
            hashtags: &post.hashtags,
            file_ids: file_ids(post),
            pending_post_id: &post.pending_post_id,
            // Posts that the server writes itself have none.
            remote_id: (is_current && post.kind.is_empty() && !post.is_answer).then_some(""),
            reply_count: post.reply_count,
            last_reply_at: 0,
            participants: None,
            metadata: &post.metadata,
            has_reactions: post.has_reactions,
        }
    }
}

/// The list of files: absent where there are none on 5.37; null on 11.1 for a post that is not stored.
#[derive(Serialize)]
#[serde(untagged)]
enum FileIds<'a> {
    Absent,
    Null,
    List(&'a [String]),
}

impl FileIds<'_> {
    fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

fn file_ids(post: &Post) -> FileIds<'_> {
    match (post.version.is_current(), post.file_ids.is_empty()) {
        (false, true) => FileIds::Absent,
        (true, _) if post.kind == "system_ephemeral" => FileIds::Null,
        _ => FileIds::List(&post.file_ids),
    }
}

impl Serialize for Post {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        WirePost::new(self).serialize(serializer)
    }
}
