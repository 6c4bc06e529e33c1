#![doc = include_str!("../../docs/bots.md")]

mod context;
mod event;
mod host;
mod running_host;
mod sink;

use std::{error::Error, future::Future};

pub use context::Context;
pub use event::{Joined, Post, Reaction};
pub use host::{Host, HostBuilder, HostError};
pub use running_host::RunningHost;
pub use sink::BotSink;

/// What a handler ends with.
pub type BotResult = Result<(), BotError>;

/// Whatever a handler fails with; `?` turns any error into it.
///
/// A [`ReplyError`](crate::model::ReplyError) that may pass has the event handed over again later; one that will not
/// passes it over. Any other error is a fault of the account: it is started again, and the event comes again.
pub type BotError = Box<dyn Error + Send + Sync>;

/// A bot: what it does with what its accounts hear. What it has no handler for is passed over.
///
/// An event counts as taken when its handler has ended well. Handlers of one channel run one after the other, in order;
/// those of different channels side by side, at most `delivery.in_flight` of one account. A handler that panics, fails or
/// takes too long is a fault of its account and of nothing else. A handler must not block its thread: others live there.
pub trait Bot: Send + Sync + 'static {
    /// Somebody posted.
    fn posted(&self, context: &Context, post: &Post) -> impl Future<Output = BotResult> + Send {
        let _ = (context, post);
        async { Ok(()) }
    }

    /// Somebody edited a post.
    fn edited(&self, context: &Context, post: &Post) -> impl Future<Output = BotResult> + Send {
        let _ = (context, post);
        async { Ok(()) }
    }

    /// Somebody deleted a post.
    fn deleted(&self, context: &Context, post: &Post) -> impl Future<Output = BotResult> + Send {
        let _ = (context, post);
        async { Ok(()) }
    }

    /// Somebody reacted to a post, or took a reaction back. What happened while the account was away is not told.
    fn reaction(&self, context: &Context, reaction: &Reaction) -> impl Future<Output = BotResult> + Send {
        let _ = (context, reaction);
        async { Ok(()) }
    }

    /// Somebody came into a channel, the bot itself included.
    fn joined(&self, context: &Context, joined: &Joined) -> impl Future<Output = BotResult> + Send {
        let _ = (context, joined);
        async { Ok(()) }
    }

    /// Anything else that the server said: [`Context::event`] has it as it stands.
    fn raw(&self, context: &Context) -> impl Future<Output = BotResult> + Send {
        let _ = context;
        async { Ok(()) }
    }
}

/// A bot that several accounts share.
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
}
