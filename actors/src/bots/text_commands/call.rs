use std::{fmt, str::FromStr, sync::Arc};

use super::{answers, arguments::Arguments};
use crate::{
    bots::Context,
    model::{PostedIds, ReplyError, UserId},
};

/// A call of a command by a person.
#[derive(Debug, Clone)]
pub struct Call {
    pub(super) context: Context,
    pub(super) command: Arc<str>,
    pub(super) user: UserId,
    pub(super) is_in_thread: bool,
    pub(super) arguments: Arguments,
    /// The text before the command's name, for answers about it.
    pub(super) prefix: Arc<str>,
    /// True for a slash command, whose mistakes are explained to the person only.
    pub(super) is_slash: bool,
}

/// An answer that explains to the person why a command cannot run. A handler returns it as its error: the person reads the
/// text, and the event counts as handled.
///
/// ```
/// use matterhost_actors::bots::{BotResult, Call, UserError};
///
/// async fn deploy(call: Call) -> BotResult {
///     if call.text("env") == "moon" {
///         return Err(UserError::new("There is no `moon`; try `staging`.").into());
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct UserError {
    pub(super) text: String,
    /// True if the usage of the command follows the text.
    pub(super) shows_usage: bool,
}

impl UserError {
    /// Creates the answer, in Markdown.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), shows_usage: false }
    }
}

impl Call {
    /// Returns the surroundings of the event that called the command, with all actions and look-ups.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Returns the name of the command.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Returns the person who called.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// Returns the argument of a parameter, if it was given. A required one always was.
    pub fn get(&self, parameter: &str) -> Option<&str> {
        self.arguments.get(parameter)
    }

    /// Returns the argument of a parameter; empty if it was not given.
    pub fn text(&self, parameter: &str) -> &str {
        self.get(parameter).unwrap_or_default()
    }

    /// Returns the argument of a parameter as a value, if it was given.
    ///
    /// # Errors
    /// If the text is no such value. With `?` the person reads why, with the usage.
    pub fn parse<T: FromStr<Err: fmt::Display>>(&self, parameter: &str) -> Result<Option<T>, UserError> {
        let parse = |text: &str| {
            text.parse().map_err(|error: T::Err| UserError {
                text: answers::invalid(parameter, text, &error),
                shows_usage: true,
            })
        };
        self.get(parameter).map(parse).transpose()
    }

    /// True if the command was called as a slash command.
    pub fn is_slash(&self) -> bool {
        self.is_slash
    }

    /// Answers where the command was called: in its thread, or in the channel if it began none. Everyone there sees it.
    ///
    /// # Errors
    /// As [`Context::reply`].
    pub async fn reply(&self, text: impl Into<String>) -> Result<PostedIds, ReplyError> {
        if self.is_in_thread {
            self.context.reply_in_thread(text).await
        } else {
            self.context.reply(text).await
        }
    }
}
