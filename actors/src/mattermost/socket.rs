//! An open WebSocket: whole messages in, small ones out, and next to no memory while idle.
//!
//! The HTTP client's own codec buffers whatever a peer announces, hands out fragments, keeps a grown
//! buffer for ever and copies nothing out of it. This one reads the header first, refuses what is too
//! long before buffering it, joins fragments, and gives its buffer back as soon as it is empty.

mod buffer;
mod decoder;
pub(super) mod dial;
mod dial_error;
mod envelope;
mod error;
mod events;
mod header;
mod shared;

use std::{
    cell::RefCell,
    fmt,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_http::ws::OpCode;
use bytes::Bytes;
use bytestring::ByteString;
use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncWrite};

use self::shared::Shared;
use super::ClientLimits;

pub use dial::DialedSocket;
pub use dial_error::{DialError, DialErrorKind};
pub use envelope::{EnvelopeError, EventEnvelope, Incoming, SocketReply, SocketReplyError, parse_frame};
pub use error::{SendError, SocketError};
pub use events::{Hello, PostHead, PostedEvent, UserUpdated, post_author};
pub(super) use shared::ByteStream;

/// A message from the server. Its bytes are its own: keeping it keeps nothing else alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// An envelope; see [`parse_frame`](super::parse_frame).
    Text(ByteString),
    /// Mattermost sends none; nothing is to be concluded from one.
    Binary(Bytes),
    /// To be answered with [`SocketWriter::send_pong`] and the same bytes: the server drops a client
    /// that has not for 100 s (fact 17).
    Ping(Bytes),
    /// The answer to a ping of ours.
    Pong(Bytes),
    /// The server closes, with its code and reason where it says them. The stream ends after it.
    Close(Option<(u16, String)>),
}

/// An open WebSocket, before it is taken apart.
pub struct Socket(Rc<RefCell<Shared>>);

/// What comes in. Dropping both halves closes the connection.
///
/// While it is not polled nothing is read, and the server queues. The stream ends with `None` when the
/// server is gone, or after the first error.
pub struct SocketReader {
    shared: Rc<RefCell<Shared>>,
    ended: bool,
}

/// What goes out. Cheap to clone, and usable from anywhere in the same thread.
///
/// A message is given to the system at once when it takes it. What it does not take waits, bounded,
/// until the reader is polled, or [`SocketWriter::poll_flush`] by whoever does not read.
#[derive(Clone)]
pub struct SocketWriter(Rc<RefCell<Shared>>);

impl Socket {
    /// Speaks WebSocket, as the client, over a stream on which the handshake is done.
    pub fn from_stream(io: impl AsyncRead + AsyncWrite + Unpin + 'static, limits: &ClientLimits) -> Self {
        Self::opened(Box::new(io), &[], limits)
    }

    /// As [`Socket::from_stream`], with the bytes that came along with the handshake's answer.
    pub(super) fn opened(io: Box<dyn ByteStream>, received: &[u8], limits: &ClientLimits) -> Self {
        let shared = Shared::new(io, received, limits.max_frame_bytes);
        Self(Rc::new(RefCell::new(shared)))
    }

    /// Takes it apart.
    pub fn split(self) -> (SocketWriter, SocketReader) {
        (SocketWriter(Rc::clone(&self.0)), SocketReader { shared: self.0, ended: false })
    }
}

impl Stream for SocketReader {
    type Item = Result<Frame, SocketError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let polled = this.shared.borrow_mut().poll_frame(cx);
        this.ended = matches!(polled, Poll::Ready(None | Some(Err(_) | Ok(Frame::Close(_)))));
        polled
    }
}

impl SocketReader {
    /// How many bytes of memory this socket's buffers hold right now, both ways. None while idle.
    pub fn buffered_bytes(&self) -> usize {
        self.shared.borrow().buffered_bytes()
    }
}

impl SocketWriter {
    /// Sends a text message.
    ///
    /// # Errors
    ///
    /// When it is longer than the server takes, when too much is waiting, or when the connection is
    /// broken or closing.
    pub fn send_text(&self, text: &str) -> Result<(), SendError> {
        self.send(OpCode::Text, text.as_bytes())
    }

    /// Answers a ping with the bytes that it brought.
    ///
    /// # Errors
    ///
    /// As [`SocketWriter::send_text`].
    pub fn send_pong(&self, payload: &[u8]) -> Result<(), SendError> {
        self.send(OpCode::Pong, payload)
    }

    /// Says goodbye with a code, such as 1000. Nothing can be sent after it.
    ///
    /// When the system takes it at once, as it does unless the peer has stopped reading, it arrives
    /// even if both halves are dropped right after.
    ///
    /// # Errors
    ///
    /// As [`SocketWriter::send_text`].
    pub fn send_close(&self, code: u16) -> Result<(), SendError> {
        self.send(OpCode::Close, &code.to_be_bytes())
    }

    /// Drives what is waiting to go out. Only needed while the reader is not polled.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.0.borrow_mut().poll_flush(cx)
    }

    fn send(&self, opcode: OpCode, payload: &[u8]) -> Result<(), SendError> {
        // The waker runs after the borrow has ended: it may be any code.
        let waker = self.0.borrow_mut().send(opcode, payload)?;
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Socket")
    }
}

impl fmt::Debug for SocketReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketReader").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl fmt::Debug for SocketWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SocketWriter")
    }
}

#[cfg(test)]
mod tests;
