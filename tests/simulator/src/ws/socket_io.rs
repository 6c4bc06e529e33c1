//! Reading and writing one WebSocket at once, so that a slow reader is still heard.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Sink, StreamExt};
use tokio::io::AsyncWrite;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::server::transport::Transport;

/// Largest client frame (fact 17).
const CLIENT_FRAME_LIMIT: usize = 8 * 1024;
/// Bytes that a socket reads at once: few, as ten thousand sockets are held.
const READ_BUFFER: usize = 4 * 1024;

/// An event of the socket.
#[derive(Debug)]
pub(crate) enum SocketEvent {
    /// All that was to be written is written.
    Written,
    /// A frame of the client.
    Frame(Message),
    /// The socket is over.
    Ended,
}

/// A WebSocket with what is still to be written to it.
#[derive(Debug)]
pub(crate) struct SocketIo {
    socket: WebSocketStream<Transport>,
    unflushed: bool,
    /// Bytes past the framing, written once the frames before them are.
    raw: Vec<u8>,
    raw_at: usize,
}

impl SocketIo {
    pub(crate) async fn new(transport: Transport, read: Bytes) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(CLIENT_FRAME_LIMIT))
            .max_frame_size(Some(CLIENT_FRAME_LIMIT));
        let socket =
            WebSocketStream::from_partially_read(transport, read.to_vec(), Role::Server, Some(config)).await;
        Self { socket, unflushed: false, raw: Vec::new(), raw_at: 0 }
    }

    /// Returns true while something is still to be written.
    pub(crate) fn is_busy(&self) -> bool {
        self.unflushed || self.raw_at < self.raw.len()
    }

    /// Adds a frame. False when the socket is over.
    pub(crate) fn push(&mut self, message: Message) -> bool {
        self.unflushed = true;
        Pin::new(&mut self.socket).start_send(message).is_ok()
    }

    /// Adds bytes past the framing.
    pub(crate) fn raw_buffer(&mut self) -> &mut Vec<u8> {
        if self.raw_at >= self.raw.len() {
            self.raw.clear();
            self.raw_at = 0;
        }
        &mut self.raw
    }

    /// Writes on and reads on, whatever comes first.
    pub(crate) async fn step(&mut self) -> SocketEvent {
        poll_fn(|cx| self.poll_step(cx)).await
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<SocketEvent> {
        if self.is_busy() {
            match self.poll_write(cx) {
                Poll::Ready(true) => return Poll::Ready(SocketEvent::Written),
                Poll::Ready(false) => return Poll::Ready(SocketEvent::Ended),
                Poll::Pending => {}
            }
        }
        match self.socket.poll_next_unpin(cx) {
            Poll::Ready(Some(Ok(message))) => Poll::Ready(SocketEvent::Frame(message)),
            Poll::Ready(_) => Poll::Ready(SocketEvent::Ended),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.unflushed {
            match std::task::ready!(Pin::new(&mut self.socket).poll_flush(cx)) {
                Ok(()) => self.unflushed = false,
                Err(_) => return Poll::Ready(false),
            }
        }
        while self.raw_at < self.raw.len() {
            let transport = Pin::new(self.socket.get_mut());
            match std::task::ready!(transport.poll_write(cx, &self.raw[self.raw_at..])) {
                Ok(written) if written > 0 => self.raw_at += written,
                _ => return Poll::Ready(false),
            }
        }
        if !self.raw.is_empty() {
            // A flood's buffer is large; an idle socket keeps none.
            self.raw = Vec::new();
            self.raw_at = 0;
            return match Pin::new(self.socket.get_mut()).poll_flush(cx) {
                Poll::Ready(Err(_)) => Poll::Ready(false),
                _ => Poll::Ready(true),
            };
        }
        Poll::Ready(true)
    }
}
