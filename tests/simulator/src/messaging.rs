//! Messages by script: posts, edits, deletions, reactions, typing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::Simulator;
use crate::control::require;
use crate::state::State;
use crate::world::post::{Post, PostOptions};
use crate::world::posting::CreatedPost;

/// All of these panic on an id that the world does not have. None asks whether the author is a member.
impl Simulator {
    /// Makes a post, as if its author had sent it.
    pub fn post(&self, user_id: &str, channel_id: &str, text: &str) -> Post {
        self.post_with(&PostOptions {
            user_id: user_id.to_owned(),
            channel_id: channel_id.to_owned(),
            message: text.to_owned(),
            ..PostOptions::default()
        })
    }

    /// Makes a post with a file, as if its author had uploaded and sent it.
    pub fn post_file(&self, user_id: &str, channel_id: &str, text: &str, file: (&str, &[u8])) -> Post {
        self.post_files(user_id, channel_id, text, &[file])
    }

    /// Makes a post with files, each with its name.
    pub fn post_files(&self, user_id: &str, channel_id: &str, text: &str, files: &[(&str, &[u8])]) -> Post {
        let store = |(name, content): &(&str, &[u8])| {
            let content = Bytes::copy_from_slice(content);
            self.shared.change(|state| state.store_file(user_id, channel_id, name, &content)).id
        };
        self.post_with(&PostOptions {
            user_id: user_id.to_owned(),
            channel_id: channel_id.to_owned(),
            message: text.to_owned(),
            file_ids: files.iter().map(store).collect(),
            ..PostOptions::default()
        })
    }

    /// Makes a reply in a thread.
    pub fn reply(&self, user_id: &str, root: &Post, text: &str) -> Post {
        self.post_with(&PostOptions {
            user_id: user_id.to_owned(),
            channel_id: root.channel_id.clone(),
            message: text.to_owned(),
            root_id: Some(root.id.clone()),
            ..PostOptions::default()
        })
    }

    /// Makes a post with options. With `visible_after` it returns at once, and the post is committed, with
    /// its event, when that time is over (fact 23).
    pub fn post_with(&self, options: &PostOptions) -> Post {
        let (known, made) = self.shared.change(|state| {
            let known = state.world.channels.contains_key(&options.channel_id);
            let options = PostOptions {
                visible_after: options.visible_after.or_else(|| state.random_commit_delay()),
                ..options.clone()
            };
            (known, known.then(|| (state.create_post(&options), options.visible_after)))
        });
        require(known, "channel", &options.channel_id);
        let Some((CreatedPost { post, hidden }, after)) = made else {
            return Post::new("", options, 0);
        };
        if hidden {
            self.reveal_later(post.id.clone(), options.mentions.clone(), after.unwrap_or_default());
        }
        post
    }

    fn reveal_later(&self, id: String, mentions: Vec<String>, after: Duration) {
        let shared = Arc::clone(&self.shared);
        self.shared.runtime.spawn(async move {
            tokio::time::sleep(after).await;
            shared.change(|state| state.reveal_post(&id, &mentions));
        });
    }

    /// From now on each post is committed after a random time up to this one: events leave the order of
    /// `create_at` (fact 23). Zero ends it.
    pub fn randomize_commit_delay(&self, at_most: Duration) {
        self.shared.change(|state| state.world.max_commit_delay = at_most);
    }

    /// Fills a thread with replies of the root's time, as an import does: no event tells of them, and no list by `after` the
    /// root has them in `order`, but whatever brings the thread along gets long (fact 35).
    pub fn fill_thread(&self, root: &Post, replies: usize, bytes: usize) {
        self.shared.change(|state| {
            for _ in 0..replies {
                let options = PostOptions {
                    user_id: root.user_id.clone(),
                    channel_id: root.channel_id.clone(),
                    message: "x".repeat(bytes),
                    root_id: Some(root.id.clone()),
                    create_at: Some(root.create_at),
                    ..PostOptions::default()
                };
                state.import_post(&options);
            }
        });
    }

    /// From now on pages bring whole threads along, whatever is asked for, as servers before 5.20 do (fact 35).
    pub fn bring_threads_along(&self) {
        self.shared.change(|state| state.world.brings_threads = true);
    }

    /// Hides posts that are older than a time, as a plan with a limit does; none shows all again (fact 34).
    pub fn hide_posts_before(&self, time: Option<i64>) {
        self.shared.change(|state| state.world.inaccessible_before = time);
    }

    /// Sets the server's clock off by so many milliseconds: times of posts, `update_at` and the `Date` header.
    pub fn shift_clock(&self, offset_ms: i64) {
        self.shared.change(|state| state.world.shift_clock(offset_ms));
    }

    /// Edits a post; its history row and the channel's `last_post_at` are as in facts 24 and 25.
    pub fn edit_post(&self, post_id: &str, text: &str) -> Post {
        let edited = self.shared.change(|state| state.edit_post_row(post_id, text));
        require(edited.is_some(), "post", post_id);
        edited.unwrap_or_else(|| Post::new(post_id, &PostOptions::default(), 0))
    }

    /// Pins a post; it moves `last_post_at` (fact 24).
    pub fn pin_post(&self, post_id: &str) {
        let pinned = self.shared.change(|state| state.set_pinned(post_id, true));
        require(pinned.is_some(), "post", post_id);
    }

    /// Deletes a post; `last_post_at` stays (fact 24).
    pub fn delete_post(&self, post_id: &str) {
        let deleted = self.shared.change(|state| {
            let admin = state.world.admin_id.clone();
            state.delete_post_row(post_id, &admin)
        });
        require(deleted, "post", post_id);
    }

    /// Removes a post as a retention policy does: without an event, and no request finds it any more (fact 11).
    pub fn purge_post(&self, post_id: &str) {
        let purged = self.shared.change(|state| state.world.posts.purge(post_id));
        require(purged, "post", post_id);
    }

    /// Adds a reaction.
    pub fn add_reaction(&self, user_id: &str, post_id: &str, emoji: &str) {
        let added = self.shared.change(|state| state.add_reaction(user_id, post_id, emoji));
        require(added.is_some(), "post", post_id);
    }

    /// Takes a reaction away.
    pub fn remove_reaction(&self, user_id: &str, post_id: &str, emoji: &str) {
        let removed = self.shared.change(|state| state.remove_reaction(user_id, post_id, emoji));
        require(removed, "reaction on post", post_id);
    }

    /// Says that a user types.
    pub fn send_typing(&self, user_id: &str, channel_id: &str) {
        self.shared.change(|state| state.announce_typing(user_id, channel_id, ""));
    }

    /// Sends a post that only one user sees and that is not stored.
    pub fn post_ephemeral(&self, user_id: &str, channel_id: &str, text: &str) -> Post {
        self.shared.change(|state| {
            let admin = state.world.admin_id.clone();
            state.ephemeral_post(user_id, channel_id, text, &admin)
        })
    }

    /// The committed posts of a channel that are neither deleted nor history rows, oldest first.
    pub fn posts_in(&self, channel_id: &str) -> Vec<Post> {
        let state = self.shared.lock();
        let posts = &state.world.posts;
        let ids = posts.later_than(channel_id, i64::MIN + 1).map(|post| post.id.clone());
        ids.filter_map(|id| posts.rendered(&id)).collect()
    }
}

impl State {
    /// How late the next post is committed, where posts are scattered.
    pub(crate) fn random_commit_delay(&mut self) -> Option<Duration> {
        let most = u64::try_from(self.world.max_commit_delay.as_micros()).unwrap_or(u64::MAX);
        (most > 0).then(|| Duration::from_micros(self.random.u64(0..=most)))
    }
}
