//! The state that both halves of a socket share.

use std::{
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
};

use actix_http::ws::{OpCode, Parser};
use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};

use super::{
    Frame, SendError, SocketError,
    buffer::ReadBuffer,
    decoder::{Decoder, Step},
};

/// The longest message that the server accepts from a client (fact 17).
const MAX_MESSAGE: usize = 8 * 1024;

/// The most bytes that wait for a server that does not read: a few messages. The client sends little but
/// pings and pongs.
const MAX_WAITING: usize = 32 * 1024;

/// A bidirectional stream of bytes.
pub(in crate::mattermost) trait ByteStream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> ByteStream for T {}

pub(super) struct Shared {
    io: Box<dyn ByteStream>,
    decoder: Decoder,
    received: ReadBuffer,
    waiting: BytesMut,
    /// True if the stream may still hold back written bytes, as TLS does.
    unflushed: bool,
    closing: bool,
    broken: Option<io::ErrorKind>,
    /// The waker of the task that polls the reader, woken when there are bytes to write.
    reader_waker: Option<Waker>,
}

impl Shared {
    pub(super) fn new(io: Box<dyn ByteStream>, received: &[u8], limit: usize) -> Self {
        Self {
            io,
            decoder: Decoder::new(limit),
            received: ReadBuffer::with_bytes(received),
            waiting: BytesMut::new(),
            unflushed: false,
            closing: false,
            broken: None,
            reader_waker: None,
        }
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        self.received.capacity() + self.decoder.buffered_bytes() + self.waiting.capacity()
    }

    /// Drives both directions until a message is complete.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, SocketError>>> {
        self.store_waker(cx.waker());
        // A write error is reported at the end of the stream: messages that the server sent before are still
        // read.
        let _ = self.poll_flush(cx);
        loop {
            let (step, used) = match self.decoder.step(self.received.unused()) {
                Ok(step) => step,
                Err(error) => return Poll::Ready(Some(Err(error))),
            };
            self.received.consume(used);
            match step {
                Step::Frame(frame) => return Poll::Ready(Some(Ok(frame))),
                Step::Fragment => {}
                Step::Need(bytes) => match ready!(self.poll_receive(cx, bytes)) {
                    Ok(0) => return Poll::Ready(self.on_eof()),
                    Ok(_) => {}
                    Err(error) => return Poll::Ready(self.on_error(error)),
                },
            }
        }
    }

    /// Writes the waiting bytes.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        if let Some(kind) = self.broken {
            return Poll::Ready(Err(SendError::Broken(kind)));
        }
        let written = ready!(self.poll_write(cx));
        Poll::Ready(written.map_err(|error| {
            self.broken = Some(error.kind());
            self.waiting = BytesMut::new();
            SendError::Broken(error.kind())
        }))
    }

    /// Sends or queues a message, and returns the waker to wake if it could not be written completely.
    pub(super) fn send(&mut self, opcode: OpCode, payload: &[u8]) -> Result<Option<Waker>, SendError> {
        if self.closing {
            return Err(SendError::Closing);
        }
        if payload.len() > MAX_MESSAGE {
            return Err(SendError::TooLong { limit: MAX_MESSAGE });
        }
        if self.waiting.len() + payload.len() > MAX_WAITING {
            return Err(SendError::Full { limit: MAX_WAITING });
        }
        self.closing = opcode == OpCode::Close;
        Parser::write_message(&mut self.waiting, payload, opcode, true, true);
        // The task that polls the reader is woken instead of this one: a stream holds one waker only.
        match self.poll_flush(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(sent) => sent.map(|()| None),
            Poll::Pending => Ok(self.reader_waker.take()),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let count = ready!(Pin::new(&mut self.io).poll_write(cx, &self.waiting))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.waiting.advance(count);
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
            // Everything is written: free the memory.
            self.waiting = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>, need: usize) -> Poll<io::Result<usize>> {
        let buffer = self.received.make_room(need);
        let polled = pin!(self.io.read_buf(buffer)).poll(cx);
        if !matches!(polled, Poll::Ready(Ok(1..))) {
            self.received.park();
        }
        polled
    }

    fn store_waker(&mut self, waker: &Waker) {
        match &mut self.reader_waker {
            Some(stored) => stored.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// Ends the stream at its end of file.
    fn on_eof(&mut self) -> Option<Result<Frame, SocketError>> {
        let kind = match self.broken {
            Some(kind) => kind,
            None if self.is_between_messages() => return None,
            None => io::ErrorKind::UnexpectedEof,
        };
        Some(Err(SocketError::Io(kind.into())))
    }

    /// Ends the stream after a read error. TLS reports a drop without a close as an error, plain TCP does not; both are
    /// treated as an end of file.
    fn on_error(&mut self, error: io::Error) -> Option<Result<Frame, SocketError>> {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return self.on_eof();
        }
        Some(Err(SocketError::Io(error)))
    }

    fn is_between_messages(&self) -> bool {
        self.received.is_empty() && self.decoder.is_between_messages()
    }
}
