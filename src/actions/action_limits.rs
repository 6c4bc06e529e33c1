//! The limits of actions, the same for every door: the answer of a webhook, the lines of a child process, requests to the HTTP API and
//! those with a reply token.

/// The most actions in one answer or request. They are taken one after another, each within `replies.deadline`, while the event or
/// the client waits.
pub const MAX_ACTIONS: usize = 64;

/// The most posts in answer to one event. A person reads no more, and a handler that writes without end must not fill memory.
pub const MAX_POSTS_PER_EVENT: usize = 16;
