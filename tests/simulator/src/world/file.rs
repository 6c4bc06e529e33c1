//! Files: their names and sizes, not what is in them.

use serde::Serialize;
use serde_json::Value;

use crate::state::State;
use crate::world::ids::new_id;

/// A file as REST shows it, as far as it goes here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct File {
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) name: String,
    pub(crate) size: usize,
    pub(crate) create_at: i64,
}

impl State {
    /// Takes a file in.
    pub(crate) fn store_file(&mut self, user: &str, name: &str, size: usize) -> File {
        let id = new_id(&mut self.random);
        let (user_id, name) = (user.to_owned(), name.to_owned());
        let file = File { id: id.clone(), user_id, name, size, create_at: self.world.now() };
        self.world.files.insert(id, file.clone());
        file
    }

    /// Those of the files that are the user's: what is not is left out, as the server does.
    pub(crate) fn own_files(&self, user: &str, ids: &Value) -> Vec<String> {
        let ids = ids.as_array().into_iter().flatten().filter_map(Value::as_str);
        let own = |id: &&str| self.world.files.get(*id).is_some_and(|file| file.user_id == user);
        ids.filter(own).map(str::to_owned).collect()
    }
}
