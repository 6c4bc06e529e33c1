//! Counts frames through the decoder and an actor.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
};

use actix::{Actor, Context, StreamHandler, System};
use anyhow::anyhow;
use matterhost_actors::{
    mattermost::{Client, Frame, SocketError, SocketReader},
    model::Token,
};
use tokio::sync::oneshot;

use crate::{counting_sink::CountingSink, server::Server};

/// An actor that counts the frames of its socket.
struct FrameCounter {
    counter: Arc<CountingSink>,
}

impl Actor for FrameCounter {
    type Context = Context<Self>;
}

impl StreamHandler<Result<Frame, SocketError>> for FrameCounter {
    fn handle(&mut self, frame: Result<Frame, SocketError>, _: &mut Self::Context) {
        if matches!(frame, Ok(Frame::Text(_))) {
            self.counter.count();
        }
    }
}

/// Open sockets with one actor each, on their own thread.
pub(crate) struct SocketActors {
    counter: Arc<CountingSink>,
    /// Frames before the first post: the hello and the bot's status.
    welcome: u64,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl SocketActors {
    pub(crate) fn dial(server: &Server) -> anyhow::Result<Self> {
        let config = server.client()?;
        let bots = &server.info.bots;
        let tokens = bots.iter().map(|bot| Token::new(bot.token.as_str())).collect::<Result<Vec<_>, _>>()?;
        let counter = Arc::new(CountingSink::new(|_| {}));
        let (stop, stopped) = oneshot::channel();
        let ears = counter.clone();
        let thread = thread::spawn(move || {
            System::new().block_on(async {
                let client = Client::new(&config);
                for token in &tokens {
                    listen(client.dial(token, None).await?.socket.split().1, ears.clone());
                }
                let _ = stopped.await;
                Ok(())
            })
        });
        let welcome = 2 * bots.len() as u64;
        counter.wait_for(welcome);
        Ok(Self { counter, welcome, stop, thread })
    }

    /// Waits until the total number of posts is reached.
    pub(crate) fn wait_for(&self, posts: u64) {
        self.counter.wait_for(self.welcome + posts);
    }

    pub(crate) fn stop(self) -> anyhow::Result<()> {
        // The thread may have ended already.
        let _ = self.stop.send(());
        self.thread.join().map_err(|_| anyhow!("the thread of the sockets panicked"))?
    }
}

fn listen(reader: SocketReader, counter: Arc<CountingSink>) {
    FrameCounter::create(|ctx| {
        FrameCounter::add_stream(reader, ctx);
        FrameCounter { counter }
    });
}
