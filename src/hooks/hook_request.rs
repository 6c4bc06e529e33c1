//! The requests of the server to its integrations, as the recordings show them (facts 43 to 45). Nothing in them is trusted
//! yet.

mod dialog;
mod post_action;
mod slash_command;

pub use self::{dialog::DialogRequest, post_action::ActionRequest, slash_command::CommandRequest};

pub(super) use self::post_action::SIGNED_CONTEXT;

use matterhost_actors::model::{Excerpt, is_full_id};
use serde::{Deserialize, Serialize};

/// The longest text of a person that is taken, in bytes: the longest post has four bytes for each of its characters.
const MAX_TEXT_BYTES: usize = 4 * 16_383;
/// The longest name, URL or trigger, in bytes.
const MAX_SHORT_BYTES: usize = 2048;

/// The reason why a request cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedRequest {
    /// It is not in the expected format.
    #[error("the body is not {expected}: {cause}")]
    Body {
        /// The expected format.
        expected: &'static str,
        /// The reason.
        cause: Excerpt,
    },
    /// A member is missing or cannot be used.
    #[error("{member} is missing or has another form than the server's")]
    Member {
        /// The member.
        member: &'static str,
    },
}

/// The person, the channel and the team of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The id of the person.
    pub user_id: String,
    /// The name of the person; empty in a dialog.
    pub user_name: String,
    /// The id of the channel.
    pub channel_id: String,
    /// The name of the channel; empty in a dialog.
    pub channel_name: String,
    /// The id of the team; empty in a direct channel.
    pub team_id: String,
    /// The name of the team; empty in a dialog.
    pub team_domain: String,
}

fn id(member: &'static str, text: String) -> Result<String, MalformedRequest> {
    if is_full_id(&text) { Ok(text) } else { Err(MalformedRequest::Member { member }) }
}

fn optional_id(member: &'static str, text: String) -> Result<String, MalformedRequest> {
    if text.is_empty() { Ok(text) } else { id(member, text) }
}

fn short(member: &'static str, text: String) -> Result<String, MalformedRequest> {
    bounded(member, text, MAX_SHORT_BYTES)
}

fn bounded(member: &'static str, text: String, limit: usize) -> Result<String, MalformedRequest> {
    if text.len() <= limit { Ok(text) } else { Err(MalformedRequest::Member { member }) }
}

#[cfg(test)]
mod tests;
