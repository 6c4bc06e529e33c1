//! The limits of actions, the same for every door: the answer of a webhook, a line of a child process, a request to the HTTP API, one
//! with a reply token, and a message of NATS.

pub use matterhost_actors::model::MAX_POSTS_PER_EVENT;

/// The most actions in one answer or request. They are taken one after another, each within `replies.deadline`, while the event or
/// the client waits.
pub const MAX_ACTIONS: usize = 64;

/// The longest JSON of one action or of several, in bytes: the posts that an event may have, each as long as a server takes (16,383
/// characters of four bytes).
pub const MAX_ACTIONS_BYTES: usize = 1024 * 1024;
