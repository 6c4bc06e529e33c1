//! The actions of a bot as JSON: one type for the HTTP API, the answers of webhooks and the lines of child processes.

mod answered_event;
mod bot_action;
mod checked_action;
mod done;
mod reply_token;
mod schema;
pub(crate) mod signed_json;
mod take;

pub use answered_event::{AnsweredEvent, ThreadPlace};
pub use bot_action::{BotAction, BotActions, ResponseType};
pub use checked_action::{ActionError, ActionPlace, CheckedAction, DIALOG_ERRORS, HOOK_ANSWER, Work};
pub use done::{ActionDone, ActionResult, BAD_REQUEST, status};
pub use reply_token::{ReplyTokenError, ReplyTokens};
pub use schema::target_schema;
pub use take::{look_up_names, start, take};

#[cfg(test)]
mod tests;
