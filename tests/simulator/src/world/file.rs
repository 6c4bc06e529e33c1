//! Files.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use crate::state::State;
use crate::world::ids::new_id;
use crate::world::post::Post;

/// A file as REST shows it, as far as it goes here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct File {
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) channel_id: String,
    pub(crate) name: String,
    pub(crate) size: usize,
    pub(crate) create_at: i64,
    pub(crate) mime_type: &'static str,
    #[serde(skip)]
    pub(crate) content: Bytes,
}

impl State {
    /// Takes a file in.
    pub(crate) fn store_file(&mut self, user: &str, channel: &str, name: &str, content: &Bytes) -> File {
        let id = new_id(&mut self.random);
        let (user_id, channel_id, name) = (user.to_owned(), channel.to_owned(), name.to_owned());
        let (size, create_at, mime_type) = (content.len(), self.world.now(), "text/plain; charset=utf-8");
        let content = content.clone();
        let file = File { id: id.clone(), user_id, channel_id, name, size, create_at, mime_type, content };
        self.world.files.insert(id, file.clone());
        file
    }

    /// Describes the files of a post in its metadata.
    pub(crate) fn describe_files(&self, post: &mut Post) {
        let files: Vec<_> = post.file_ids.iter().filter_map(|id| self.world.files.get(id)).collect();
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
