//! Where posts live: by id, and by channel in the order of their creation time.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Bound;

use serde_json::json;

use crate::world::post::{Post, Reaction};

/// All posts, deleted ones and edit-history rows too.
#[derive(Debug, Default)]
pub(crate) struct PostStore {
    rows: HashMap<String, Post>,
    timelines: HashMap<String, BTreeSet<(i64, String)>>,
    /// Made but not committed yet: nobody can see them.
    hidden: HashSet<String>,
    /// Replies by thread root.
    threads: HashMap<String, BTreeSet<String>>,
    reactions: HashMap<String, Vec<Reaction>>,
    /// Users by the thread that they follow (fact 36).
    followers: HashMap<String, BTreeSet<String>>,
}

impl PostStore {
    pub(crate) fn insert(&mut self, post: Post, hidden: bool) {
        if hidden {
            self.hidden.insert(post.id.clone());
        }
        if !post.root_id.is_empty() && post.original_id.is_empty() {
            self.threads.entry(post.root_id.clone()).or_default().insert(post.id.clone());
        }
        self.timelines.entry(post.channel_id.clone()).or_default().insert((post.create_at, post.id.clone()));
        self.rows.insert(post.id.clone(), post);
    }

    /// Removes a post, which leaves no row behind; tells whether it was there.
    pub(crate) fn purge(&mut self, id: &str) -> bool {
        let Some(post) = self.rows.remove(id) else { return false };
        self.hidden.remove(id);
        self.reactions.remove(id);
        if let Some(replies) = self.threads.get_mut(&post.root_id) {
            replies.remove(id);
        }
        if let Some(timeline) = self.timelines.get_mut(&post.channel_id) {
            timeline.remove(&(post.create_at, post.id));
        }
        true
    }

    /// Commits a hidden post; tells whether it was one.
    pub(crate) fn reveal(&mut self, id: &str) -> bool {
        self.hidden.remove(id)
    }

    /// The row as stored, if it is committed.
    pub(crate) fn get(&self, id: &str) -> Option<&Post> {
        self.rows.get(id).filter(|_| !self.hidden.contains(id))
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Post> {
        self.rows.get_mut(id)
    }

    /// The post with what is counted when it is read: replies and reactions.
    pub(crate) fn rendered(&self, id: &str) -> Option<Post> {
        let mut post = self.rows.get(id)?.clone();
        if post.original_id.is_empty() {
            let root = if post.root_id.is_empty() { id } else { &post.root_id };
            post.reply_count = self.reply_count(root);
        }
        if let Some(reactions) = self.reactions.get(id).filter(|all| !all.is_empty()) {
            post.has_reactions = true;
            post.metadata["reactions"] = json!(reactions);
        }
        Some(post)
    }

    fn reply_count(&self, root: &str) -> u64 {
        let alive = |id: &&String| self.get(id).is_some_and(|post| post.delete_at == 0);
        self.threads.get(root).map_or(0, |ids| ids.iter().filter(alive).count() as u64)
    }

    /// Ids of a thread's replies.
    pub(crate) fn replies(&self, root: &str) -> Vec<String> {
        self.threads.get(root).map(|ids| ids.iter().cloned().collect()).unwrap_or_default()
    }

    /// Users who follow a thread.
    pub(crate) fn followers(&self, root: &str) -> BTreeSet<String> {
        self.followers.get(root).cloned().unwrap_or_default()
    }

    pub(crate) fn follow(&mut self, root: &str, user: &str) {
        self.followers.entry(root.to_owned()).or_default().insert(user.to_owned());
    }

    pub(crate) fn reactions_mut(&mut self, post_id: &str) -> &mut Vec<Reaction> {
        self.reactions.entry(post_id.to_owned()).or_default()
    }

    /// All committed rows of a channel, oldest first.
    pub(crate) fn rows<'a>(&'a self, channel: &str) -> impl DoubleEndedIterator<Item = &'a Post> + 'a {
        let timeline = self.timelines.get(channel);
        timeline.into_iter().flatten().filter_map(|(_, id)| self.get(id))
    }

    /// Committed posts that are not deleted and strictly later than a time, oldest first (fact 23).
    pub(crate) fn later_than<'a>(&'a self, channel: &str, time: i64) -> impl Iterator<Item = &'a Post> + 'a {
        let from = Bound::Included((time.saturating_add(1), String::new()));
        let range = self.timelines.get(channel).map(|t| t.range((from, Bound::Unbounded)));
        let rows = range.into_iter().flatten().filter_map(|(_, id)| self.get(id));
        rows.filter(|post| post.delete_at == 0)
    }

    /// Committed posts that are not deleted and strictly earlier than a time, newest first.
    pub(crate) fn earlier_than<'a>(
        &'a self,
        channel: &str,
        time: i64,
    ) -> impl Iterator<Item = &'a Post> + 'a {
        let to = Bound::Excluded((time, String::new()));
        let range = self.timelines.get(channel).map(|t| t.range((Bound::Unbounded, to)).rev());
        let rows = range.into_iter().flatten().filter_map(|(_, id)| self.get(id));
        rows.filter(|post| post.delete_at == 0)
    }

    /// The newest `update_at` of a channel, for the entity tag.
    pub(crate) fn newest_update(&self, channel: &str) -> i64 {
        self.rows(channel).map(|post| post.update_at).max().unwrap_or(0)
    }
}
