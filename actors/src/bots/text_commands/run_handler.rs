use std::{future::Future, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::bots::{BotResult, Context, Run, Schedule};

/// A schedule of a router.
pub(super) struct RouterSchedule {
    pub(super) schedule: Schedule,
    pub(super) handler: RunHandler,
}

/// The handler of a schedule's runs.
pub(super) struct RunHandler(Arc<dyn Fn(Context, Run) -> BoxFuture<'static, BotResult> + Send + Sync>);

impl RunHandler {
    pub(super) fn new<F, R>(handler: F) -> Self
    where
        F: Fn(Context, Run) -> R + Send + Sync + 'static,
        R: Future<Output = BotResult> + Send + 'static,
    {
        Self(Arc::new(move |context, run| handler(context, run).boxed()))
    }

    pub(super) fn run(&self, context: Context, run: Run) -> BoxFuture<'static, BotResult> {
        (self.0)(context, run)
    }
}
