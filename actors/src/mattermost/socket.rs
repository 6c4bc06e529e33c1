//! An open WebSocket that receives whole messages, sends small ones and holds almost no memory while idle.
//!
//! The HTTP client's own codec buffers as much as a peer announces, returns fragments, keeps a grown buffer
//! forever and returns slices of it. This module reads the header first, refuses a message that is too
//! long before buffering it, joins fragments, and returns its buffer as soon as it is empty.

mod buffer;
mod decoder;
pub(super) mod dial;
mod dial_error;
mod envelope;
mod error;
mod events;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod header;
mod post_head;
mod posted_frame;
mod raw;
mod requests;
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
pub use envelope::{
    EnvelopeError, EventEnvelope, Incoming, JsonProblem, SocketReply, SocketReplyError, parse_frame,
};
pub use error::{SendError, SocketError};
pub(crate) use events::user_act;
pub use events::{AddedToTeam, Hello, PostedEvent, StatusChange, UserUpdated};
pub(crate) use post_head::OutlinedPost;
pub use post_head::PostHead;
pub(crate) use posted_frame::{PostedFrame, read_posted, split_number};
pub use requests::SocketRequests;
pub(super) use shared::ByteStream;

/// A message from the server. It owns its bytes, so keeping it keeps no other memory alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// An envelope, to be parsed with [`parse_frame`].
    Text(ByteString),
    /// Binary data. Mattermost sends none, so it has no meaning.
    Binary(Bytes),
    /// A ping, to be answered with [`SocketWriter::send_pong`] and the same bytes: the server drops a client
    /// that has sent none for 100 s (fact 17).
    Ping(Bytes),
    /// The reply to one of our pings.
    Pong(Bytes),
    /// The server closes the socket, with its code and reason if it gives them. The stream ends after it.
    Close(Option<(u16, String)>),
}

/// An open WebSocket, not yet split into its halves.
pub struct Socket(Rc<RefCell<Shared>>);

/// The receiving half of a socket, a stream of frames. Dropping both halves closes the connection.
///
/// Data is read only while it is polled; meanwhile the server queues. The stream ends with `None` when
/// the server has closed the connection, or after the first error.
pub struct SocketReader {
    shared: Rc<RefCell<Shared>>,
    ended: bool,
}

/// The sending half of a socket. Cheap to clone, and usable from anywhere in the same thread.
///
/// A message is written at once if the system accepts it. The rest waits in a bounded buffer until the
/// reader is polled, or [`SocketWriter::poll_flush`] if the reader is not.
#[derive(Clone)]
pub struct SocketWriter(Rc<RefCell<Shared>>);

impl Socket {
    /// Creates the client's side of a WebSocket over a stream whose handshake is complete.
    pub fn from_stream(io: impl AsyncRead + AsyncWrite + Unpin + 'static, limits: &ClientLimits) -> Self {
        Self::with_received(Box::new(io), &[], limits)
    }

    /// Creates a socket as [`Socket::from_stream`] does, with the bytes received along with the handshake.
    pub(super) fn with_received(io: Box<dyn ByteStream>, received: &[u8], limits: &ClientLimits) -> Self {
        let shared = Shared::new(io, received, limits.max_frame_bytes);
        Self(Rc::new(RefCell::new(shared)))
    }

    /// Splits the socket into its halves.
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
    /// Returns the current size of this socket's buffers in both directions, in bytes. Zero while idle.
    pub fn buffered_bytes(&self) -> usize {
        self.shared.borrow().buffered_bytes()
    }
}

impl SocketWriter {
    /// Sends a text message.
    ///
    /// # Errors
    ///
    /// Fails if the message is longer than the server accepts, if too much is waiting, or if the connection
    /// is broken or closing.
    pub fn send_text(&self, text: &str) -> Result<(), SendError> {
        self.send(OpCode::Text, text.as_bytes())
    }

    /// Answers a ping with the ping's bytes.
    ///
    /// # Errors
    ///
    /// As [`SocketWriter::send_text`].
    pub fn send_pong(&self, payload: &[u8]) -> Result<(), SendError> {
        self.send(OpCode::Pong, payload)
    }

    /// Sends a close frame with a code, such as 1000. Nothing can be sent after it.
    ///
    /// If the system accepts it at once, as it does unless the peer has stopped reading, it arrives even if
    /// both halves are dropped immediately afterwards.
    ///
    /// # Errors
    ///
    /// As [`SocketWriter::send_text`].
    pub fn send_close(&self, code: u16) -> Result<(), SendError> {
        self.send(OpCode::Close, &code.to_be_bytes())
    }

    /// Writes the waiting messages. Only needed while the reader is not polled.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.0.borrow_mut().poll_flush(cx)
    }

    fn send(&self, opcode: OpCode, payload: &[u8]) -> Result<(), SendError> {
        // Wake only after the borrow has ended: a waker can run arbitrary code.
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
