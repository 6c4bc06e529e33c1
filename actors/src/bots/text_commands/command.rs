use std::{fmt, future::Future, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{Call, restrictions::Access, usage::Usage};
use crate::bots::BotResult;

/// A command of a router.
pub(super) struct Command {
    pub(super) name: Box<str>,
    pub(super) usage: Usage,
    pub(super) description: Box<str>,
    pub(super) access: Access,
    pub(super) cool_down: Duration,
    /// The age from which a missed call is not carried out any more.
    pub(super) expires_after: Option<Duration>,
    pub(super) handler: CommandHandler,
}

/// The handler of a command.
pub(super) struct CommandHandler(Arc<dyn Fn(Call) -> BoxFuture<'static, BotResult> + Send + Sync>);

impl CommandHandler {
    pub(super) fn new<F, R>(handler: F) -> Self
    where
        F: Fn(Call) -> R + Send + Sync + 'static,
        R: Future<Output = BotResult> + Send + 'static,
    {
        Self(Arc::new(move |call| handler(call).boxed()))
    }

    pub(super) fn run(&self, call: Call) -> BoxFuture<'static, BotResult> {
        (self.0)(call)
    }
}

impl Command {
    /// True if people call the command by the name. Telephones begin a text with a capital letter.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name.to_lowercase() == name.to_lowercase()
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.usage)
    }
}
