//! The actions of a bot as JSON: one type for the HTTP API, the answers of webhooks and the lines of child processes.

mod action_error;
mod action_limits;
mod action_text;
mod answered_event;
mod bot_action;
mod checked_action;
mod done;
mod event_posts;
mod file_dir;
mod named_files;
mod new_file;
mod partial_file;
mod reply_token;
mod schema;
pub(crate) mod signed_json;
mod take;

pub use action_error::ActionError;
pub use action_limits::{MAX_ACTIONS, MAX_ACTIONS_BYTES, MAX_POSTS_PER_EVENT};
pub use action_text::{GeneratedKey, TextEnd, refusal, take_text};
pub use answered_event::{AnsweredEvent, ThreadPlace};
pub use bot_action::{BotAction, BotActions, ResponseType};
pub use checked_action::{ActionPlace, CheckedAction, Work};
pub use done::{ActionDone, ActionResult, BAD_REQUEST, FAILED_DEPENDENCY, TOO_LARGE, status};
pub use event_posts::EventPosts;
pub use file_dir::{FileDir, FileError};
pub use new_file::NewFilePath;
pub use reply_token::{ReplyTokenError, ReplyTokens};
pub(crate) use schema::MAX_FILES;
pub use schema::{file_id_schema, target_schema};
pub use take::{look_up_names, start, take};

#[cfg(test)]
mod tests;
