//! Files.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use crate::state::State;
use crate::world::ids::new_id;
use crate::world::post::Post;

/// A file as REST shows it, in the order of the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct File {
    pub(crate) id: String,
    pub(crate) user_id: String,
    /// Its post, once it has one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) post_id: String,
    pub(crate) channel_id: String,
    pub(crate) create_at: i64,
    pub(crate) update_at: i64,
    pub(crate) delete_at: i64,
    pub(crate) name: String,
    pub(crate) extension: String,
    pub(crate) size: usize,
    pub(crate) mime_type: &'static str,
    pub(crate) mini_preview: Option<&'static str>,
    pub(crate) remote_id: &'static str,
    pub(crate) archived: bool,
    #[serde(skip)]
    pub(crate) content: Bytes,
}

impl State {
    /// Takes a file in.
    pub(crate) fn store_file(&mut self, user: &str, channel: &str, name: &str, content: &Bytes) -> File {
        let now = self.world.now();
        let file = File {
            id: new_id(&mut self.random),
            user_id: user.to_owned(),
            post_id: String::new(),
            channel_id: channel.to_owned(),
            create_at: now,
            update_at: now,
            delete_at: 0,
            name: name.to_owned(),
            extension: name.rsplit_once('.').map_or("", |(_, extension)| extension).to_owned(),
            size: content.len(),
            mime_type: "text/plain; charset=utf-8",
            mini_preview: None,
            remote_id: "",
            archived: false,
            content: content.clone(),
        };
        self.world.files.insert(file.id.clone(), file.clone());
        file
    }

    /// Gives files to their post, and describes them in its metadata.
    pub(crate) fn attach_files(&mut self, post: &mut Post) {
        let mut files = Vec::new();
        for id in &post.file_ids {
            if let Some(file) = self.world.files.get_mut(id) {
                file.post_id.clone_from(&post.id);
                files.push(file.clone());
            }
        }
        if !files.is_empty() {
            post.metadata["files"] = json!(files);
        }
    }

    /// Those of the files that are the user's: what is not is left out, as the server does.
    pub(crate) fn own_files(&self, user: &str, ids: &Value) -> Vec<String> {
        let ids = ids.as_array().into_iter().flatten().filter_map(Value::as_str);
        let own = |id: &&str| self.world.files.get(*id).is_some_and(|file| file.user_id == user);
        ids.filter(own).map(str::to_owned).collect()
    }
}
