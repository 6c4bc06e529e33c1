#![doc = include_str!("bots/guide.md")]

mod any_bot;
mod context;
mod event;
mod failures;
mod handler_panics;
mod host;
mod host_log;
mod received_hooks;
mod running_host;
pub(crate) mod schedules;
mod sink;
mod state;
mod storage;
mod text_commands;

use std::{error::Error, future::Future};

pub use any_bot::AnyBot;
pub use context::Context;
pub use event::{Joined, Post, Reaction, User};
pub use host::{Host, HostBuilder, HostError};
pub use host_log::{LineWriter, LogQueue};
pub use received_hooks::{ButtonPress, DialogSubmission, SlashCommand};
pub use running_host::RunningHost;
pub use schedules::{HostedSchedules, Run, Schedule, ScheduleError, StartedSchedules, schedule_problems};
pub use sink::BotSink;
pub use storage::Storage;
pub use text_commands::{Call, Router, UserError};

/// The result of a handler.
pub type BotResult = Result<(), BotError>;

/// The error of a handler; `?` converts any error into it.
///
/// After a temporary [`ReplyError`](crate::model::ReplyError) the event is delivered again later; after a permanent one it
/// is skipped. After any other error the event is delivered again, and skipped after the third. The account is charged and
/// restarted if the handler has handled no event yet, or none of eight that were skipped.
pub type BotError = Box<dyn Error + Send + Sync>;

/// The handlers of a bot for the events of its accounts. By default each handler does nothing.
///
/// An event is acknowledged when its handler returns `Ok`. Handlers of one channel run one after the other, in order;
/// those of different channels run concurrently, at most `delivery.in_flight` per account. A handler that panics, fails or
/// takes too long affects its own account only. A handler must not block its thread, which serves other accounts too.
pub trait Bot: Send + Sync + 'static {
    /// Handles a new post by another user.
    fn posted(&self, context: &Context, post: &Post) -> impl Future<Output = BotResult> + Send {
        let _ = (context, post);
        async { Ok(()) }
    }

    /// Handles an edited post.
    fn edited(&self, context: &Context, post: &Post) -> impl Future<Output = BotResult> + Send {
        let _ = (context, post);
        async { Ok(()) }
    }

    /// Handles a deleted post.
    fn deleted(&self, context: &Context, post: &Post) -> impl Future<Output = BotResult> + Send {
        let _ = (context, post);
        async { Ok(()) }
    }

    /// Handles a reaction that was added or removed. Reactions missed while disconnected are not fetched.
    fn reaction(&self, context: &Context, reaction: &Reaction) -> impl Future<Output = BotResult> + Send {
        let _ = (context, reaction);
        async { Ok(()) }
    }

    /// Handles a user who joined a channel; it may be the bot itself.
    fn joined(&self, context: &Context, joined: &Joined) -> impl Future<Output = BotResult> + Send {
        let _ = (context, joined);
        async { Ok(()) }
    }

    /// Handles a slash command. [`Context::reply`] is its answer, for everyone in the channel.
    fn slash_command(
        &self,
        context: &Context,
        command: &SlashCommand,
    ) -> impl Future<Output = BotResult> + Send {
        let _ = (context, command);
        async { Ok(()) }
    }

    /// Handles a pressed button, or an option that was chosen from a menu.
    fn pressed(&self, context: &Context, press: &ButtonPress) -> impl Future<Output = BotResult> + Send {
        let _ = (context, press);
        async { Ok(()) }
    }

    /// Handles a dialog that was sent or cancelled.
    fn submitted(
        &self,
        context: &Context,
        dialog: &DialogSubmission,
    ) -> impl Future<Output = BotResult> + Send {
        let _ = (context, dialog);
        async { Ok(()) }
    }

    /// Returns the bot's schedules, each with a name of its own. They are asked for when its mistakes are looked for, and at the start of
    /// each account. Accounts that share a bot each run them.
    fn schedules(&self) -> Vec<Schedule> {
        Vec::new()
    }

    /// Carries out a run of a schedule. The context belongs to no event: name the channel of a post, as
    /// [`Context::post_to`] does.
    fn scheduled(&self, context: &Context, run: &Run) -> impl Future<Output = BotResult> + Send {
        let _ = (context, run);
        async { Ok(()) }
    }

    /// Returns the mistakes in how the bot was built, with remedies. A host does not start with any.
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }

    /// Handles any other event; [`Context::event`] has the server's JSON.
    fn raw(&self, context: &Context) -> impl Future<Output = BotResult> + Send {
        let _ = context;
        async { Ok(()) }
    }
}

/// Lets several accounts share one bot.
impl<B: Bot> Bot for std::sync::Arc<B> {
    fn posted(&self, context: &Context, post: &Post) -> impl Future<Output = BotResult> + Send {
        B::posted(self, context, post)
    }

    fn edited(&self, context: &Context, post: &Post) -> impl Future<Output = BotResult> + Send {
        B::edited(self, context, post)
    }

    fn deleted(&self, context: &Context, post: &Post) -> impl Future<Output = BotResult> + Send {
        B::deleted(self, context, post)
    }

    fn reaction(&self, context: &Context, reaction: &Reaction) -> impl Future<Output = BotResult> + Send {
        B::reaction(self, context, reaction)
    }

    fn joined(&self, context: &Context, joined: &Joined) -> impl Future<Output = BotResult> + Send {
        B::joined(self, context, joined)
    }

    fn raw(&self, context: &Context) -> impl Future<Output = BotResult> + Send {
        B::raw(self, context)
    }

    fn slash_command(
        &self,
        context: &Context,
        command: &SlashCommand,
    ) -> impl Future<Output = BotResult> + Send {
        B::slash_command(self, context, command)
    }

    fn pressed(&self, context: &Context, press: &ButtonPress) -> impl Future<Output = BotResult> + Send {
        B::pressed(self, context, press)
    }

    fn submitted(
        &self,
        context: &Context,
        dialog: &DialogSubmission,
    ) -> impl Future<Output = BotResult> + Send {
        B::submitted(self, context, dialog)
    }

    fn schedules(&self) -> Vec<Schedule> {
        B::schedules(self)
    }

    fn scheduled(&self, context: &Context, run: &Run) -> impl Future<Output = BotResult> + Send {
        B::scheduled(self, context, run)
    }

    fn problems(&self) -> Vec<String> {
        B::problems(self)
    }
}
