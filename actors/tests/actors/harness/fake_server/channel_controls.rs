//! Changes of the fake server's channels and posts.

use matterhost_actors::{mattermost::RestErrorKind, model::PostId};

use super::FakeServer;

/// The time before which no live post is made.
const FIRST_LIVE_POST_AT: i64 = 2_000_000;

impl FakeServer {
    pub(crate) fn add_channel(&self, id: &str, members: &[&str]) {
        self.state().channels.add_channel(id, members);
    }

    /// Removes a channel from the lists, although it can be read (fact 26).
    pub(crate) fn unlist_channel(&self, id: &str) {
        self.state().channels.unlist(id);
    }

    /// Makes the lists lag, as those of a lagging replica do (fact 24).
    pub(crate) fn lag_lists(&self, lags: bool) {
        self.state().channels.lag(lags);
    }

    /// Makes requests for a channel's posts fail with 403, although the lists contain it.
    pub(crate) fn forbid_channel(&self, id: &str, closed: bool) {
        self.state().channels.forbid(id, closed);
    }

    /// Makes all requests for lists and posts fail.
    pub(crate) fn fail_lists(&self, kind: Option<RestErrorKind>) {
        self.state().list_failure = kind;
    }

    pub(crate) fn archive_channel(&self, id: &str, at: i64) {
        self.state().channels.archive(id, at);
    }

    /// Creates a post by another user, without an event: the test sends the events.
    pub(crate) fn post(&self, channel: &str, create_at: i64) -> PostId {
        self.state().channels.post(channel, create_at)
    }

    /// Creates a post by another user and sends its event to the user's newest socket.
    pub(crate) fn post_live(&self, name: &str, channel: &str) -> PostId {
        let create_at = self.last_post_at(channel).max(FIRST_LIVE_POST_AT) + 1;
        let post = self.post(channel, create_at);
        self.server_socket(name).post_at(channel, post.as_str(), create_at.unsigned_abs());
        post
    }

    pub(crate) fn last_post_at(&self, channel: &str) -> i64 {
        self.state().channels.last_post_at(channel)
    }

    /// Returns the texts written by REST in a channel, in order.
    pub(crate) fn rest_messages(&self, channel: &str) -> Vec<String> {
        self.state().channels.rest_messages(channel)
    }

    /// Creates a post of a type, such as one about an account that joins or leaves.
    pub(crate) fn post_of_kind(&self, channel: &str, create_at: i64, kind: &str, user: &str) -> PostId {
        self.state().channels.post_of_kind(channel, create_at, kind, user)
    }

    pub(crate) fn pin_post(&self, id: &str, at: i64) {
        self.state().channels.pin(id, at);
    }

    pub(crate) fn edit_post(&self, id: &str, at: i64) {
        self.state().channels.edit(id, at);
    }

    pub(crate) fn delete_post(&self, id: &str, at: i64) {
        self.state().channels.delete(id, at);
    }

    pub(crate) fn purge_post(&self, id: &str) {
        self.state().channels.purge(id);
    }
}
