//! The reference for comparison: the same events in a bare loop over tokio-tungstenite, without actors.

use std::{
    hint::black_box,
    io::{Write as _, stdout},
    sync::Arc,
};

use anyhow::{Context as _, bail, ensure};
use futures_util::StreamExt as _;
use matterhost_actors::mattermost::{Incoming, parse_frame};
use tokio::{
    net::TcpStream,
    runtime::{Builder, Runtime},
    task::JoinSet,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _, http::HeaderValue},
};

use crate::{counting_sink::CountingSink, server::Server};

/// The work of the loop for each frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameWork {
    /// Counts the frame.
    Count,
    /// Parses the envelope, finds the channel, and reads the head of the post, as the Connection does.
    ReadPosts,
}

/// Open sockets, and the runtime that reads them.
pub(crate) struct BareLoop {
    runtime: Runtime,
    sockets: Vec<WebSocketStream<TcpStream>>,
}

impl BareLoop {
    pub(crate) fn dial(server: &Server) -> anyhow::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let dialing = server.info.bots.iter().map(|bot| runtime.block_on(dial(&server.info.url, &bot.token)));
        let sockets = dialing.collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self { runtime, sockets })
    }

    /// Reads a number of posts from each socket.
    pub(crate) fn read(self, work: FrameWork, posts: u32) -> anyhow::Result<()> {
        let counter = Arc::new(CountingSink::new(|_| {}));
        self.runtime.block_on(async {
            let mut tasks: JoinSet<_> =
                self.sockets.into_iter().map(|socket| listen(socket, work, posts, counter.clone())).collect();
            while let Some(done) = tasks.join_next().await {
                done??;
            }
            Ok(())
        })
    }
}

async fn dial(url: &str, token: &str) -> anyhow::Result<WebSocketStream<TcpStream>> {
    let address = url.strip_prefix("http://").context("only plain sockets are compared")?;
    let mut request = format!("ws://{address}/api/v4/websocket").into_client_request()?;
    let bearer = HeaderValue::try_from(format!("Bearer {token}"))?;
    request.headers_mut().insert("Authorization", bearer);
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let (mut socket, _) = client_async(request, tcp).await?;
    // The hello and the bot's status.
    for _ in 0..2 {
        let first = socket.next().await.context("no hello")??;
        ensure!(first.is_text(), "no hello");
    }
    Ok(socket)
}

async fn listen(
    mut socket: WebSocketStream<TcpStream>,
    work: FrameWork,
    posts: u32,
    counter: Arc<CountingSink>,
) -> anyhow::Result<()> {
    for _ in 0..posts {
        let message = socket.next().await.context("the socket ended")??;
        let Message::Text(text) = message else { bail!("not a text message: {message:?}") };
        if work == FrameWork::ReadPosts {
            hear(&text)?;
        }
        counter.count();
    }
    Ok(())
}

fn hear(text: &str) -> anyhow::Result<()> {
    if let Incoming::Event(envelope) = parse_frame(text)? {
        black_box(envelope.channel_id());
        if envelope.event == "posted" {
            let _ = black_box(envelope.posted()?.head());
        }
    }
    Ok(())
}

/// Reads a socket for each token, and prints a line for each post, until the process is ended.
pub(crate) fn print_posts(url: &str, tokens: &[String]) -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for token in tokens {
            tasks.spawn(print_posts_of(dial(url, token).await?));
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(())
    })
}

async fn print_posts_of(mut socket: WebSocketStream<TcpStream>) -> anyhow::Result<()> {
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message? else { continue };
        let Incoming::Event(envelope) = parse_frame(&text)? else { continue };
        if envelope.event == "posted" {
            let _ = black_box(envelope.posted()?.head());
            // The whole line at once, as the host writes it.
            stdout().lock().write_all(format!("{}\n", text.trim_end()).as_bytes())?;
        }
    }
    Ok(())
}
