//! The newest posts of the demo's channel, as the bots hear them.

use std::{collections::VecDeque, sync::Arc};

use matterhost_actors::{
    bots::{Context, Post},
    model::{PostId, printable},
};
use parking_lot::Mutex;

/// More lines than are shown, even on a large terminal.
const KEPT: usize = 12;

/// The newest posts. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Chat(Arc<Mutex<VecDeque<Line>>>);

#[derive(Debug, Clone)]
struct Line {
    id: PostId,
    author: String,
    text: String,
}

impl Chat {
    /// Adds a post, unless another bot has heard it before.
    pub(super) fn add(&self, context: &Context, post: &Post) {
        let author = context.event().sender.as_deref().unwrap_or_default();
        self.insert(&post.id, author, &post.message);
    }

    /// Replaces the text of a post.
    pub(super) fn edit(&self, post: &Post) {
        if let Some(line) = self.0.lock().iter_mut().find(|line| line.id == post.id) {
            line.text.clone_from(&post.message);
        }
    }

    fn insert(&self, id: &PostId, author: &str, text: &str) {
        let mut lines = self.0.lock();
        if lines.iter().any(|line| line.id == *id) {
            return;
        }
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(Line { id: id.clone(), author: author.to_owned(), text: text.to_owned() });
    }

    /// Returns the posts as lines, oldest first.
    pub(super) fn lines(&self) -> Vec<String> {
        self.0.lock().iter().map(|line| format!("{:>10}: {}", line.author, first_line(&line.text))).collect()
    }
}

fn first_line(text: &str) -> String {
    printable(text.lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_post_is_shown_once_with_its_newest_text() {
        let chat = Chat::default();
        for n in 0..KEPT + 2 {
            let id = PostId::from(format!("{n}").as_str());
            chat.insert(&id, "ana", &format!("text {n}"));
            chat.insert(&id, "ana", "the same, heard by another bot");
        }
        let lines = chat.lines();
        assert_eq!((lines.len(), lines[0].trim()), (KEPT, "ana: text 2"));
    }
}
