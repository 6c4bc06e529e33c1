//! Bytes to messages: the guard against long ones, and the joining of fragments.

use std::str;

use actix_http::ws::OpCode;
use bytes::Bytes;
use bytestring::ByteString;

use super::{Frame, SocketError, header::Header};

/// What can be made of the bytes so far.
#[derive(Debug)]
pub(super) enum Step {
    /// A whole message.
    Frame(Frame),
    /// A piece of one; there may be more in the buffer.
    Piece,
    /// Nothing until there are so many bytes.
    Need(usize),
}

/// Knows where in a message the stream is.
#[derive(Debug)]
pub(super) struct Decoder {
    limit: usize,
    begun: Option<Begun>,
}

/// A message of which not all fragments are there.
#[derive(Debug)]
struct Begun {
    text: bool,
    bytes: Vec<u8>,
}

impl Decoder {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, begun: None }
    }

    /// Takes one step: what it found, and how many bytes it used up.
    pub(super) fn step(&mut self, bytes: &[u8]) -> Result<(Step, usize), SocketError> {
        let Some(header) = Header::read(bytes)? else {
            return Ok((Step::Need(bytes.len() + 1), 0));
        };
        let whole = header.size + self.admit(&header)?;
        let Some(payload) = bytes.get(header.size..whole) else {
            return Ok((Step::Need(whole), 0));
        };
        Ok((self.take(&header, payload)?, whole))
    }

    /// Whether nothing is half there.
    pub(super) fn is_between_messages(&self) -> bool {
        self.begun.is_none()
    }

    /// The memory that a message in pieces holds.
    pub(super) fn buffered_bytes(&self) -> usize {
        self.begun.as_ref().map_or(0, |begun| begun.bytes.capacity())
    }

    /// The guard: refuses by the header alone.
    fn admit(&self, header: &Header) -> Result<usize, SocketError> {
        let before = if header.is_control() { 0 } else { self.begun.as_ref().map_or(0, |b| b.bytes.len()) };
        let announced = header.announced.saturating_add(before as u64);
        match usize::try_from(header.announced) {
            Ok(length) if announced <= self.limit as u64 => Ok(length),
            _ => Err(SocketError::FrameTooLarge { limit: self.limit, announced }),
        }
    }

    fn take(&mut self, header: &Header, payload: &[u8]) -> Result<Step, SocketError> {
        let frame = match header.opcode {
            OpCode::Ping => Frame::Ping(Bytes::copy_from_slice(payload)),
            OpCode::Pong => Frame::Pong(Bytes::copy_from_slice(payload)),
            OpCode::Close => Frame::Close(close(payload)?),
            OpCode::Text | OpCode::Binary => return self.begin(header, payload),
            OpCode::Continue => return self.go_on(header, payload),
            OpCode::Bad => return Err(SocketError::Protocol("unknown opcode")),
        };
        Ok(Step::Frame(frame))
    }

    fn begin(&mut self, header: &Header, payload: &[u8]) -> Result<Step, SocketError> {
        if self.begun.is_some() {
            return Err(SocketError::Protocol("a message begins within another"));
        }
        let text = header.opcode == OpCode::Text;
        if header.last {
            return message(text, payload).map(Step::Frame);
        }
        self.begun = Some(Begun { text, bytes: payload.to_vec() });
        Ok(Step::Piece)
    }

    fn go_on(&mut self, header: &Header, payload: &[u8]) -> Result<Step, SocketError> {
        let Some(mut begun) = self.begun.take() else {
            return Err(SocketError::Protocol("a fragment without a beginning"));
        };
        begun.bytes.extend_from_slice(payload);
        if header.last {
            return message(begun.text, &begun.bytes).map(Step::Frame);
        }
        self.begun = Some(begun);
        Ok(Step::Piece)
    }
}

/// A message in memory of its own, of exactly its size: a slice of the read buffer would keep all of
/// that buffer.
fn message(text: bool, payload: &[u8]) -> Result<Frame, SocketError> {
    if !text {
        return Ok(Frame::Binary(Bytes::copy_from_slice(payload)));
    }
    let text = str::from_utf8(payload).map_err(|_| SocketError::Protocol("a text is not UTF-8"))?;
    Ok(Frame::Text(ByteString::from(text)))
}

/// A close's code and reason. Any code is taken: it is only shown.
fn close(payload: &[u8]) -> Result<Option<(u16, String)>, SocketError> {
    match payload {
        [] => Ok(None),
        [_] => Err(SocketError::Protocol("a close has half a code")),
        [a, b, reason @ ..] => {
            let reason = String::from_utf8_lossy(reason).into_owned();
            Ok(Some((u16::from_be_bytes([*a, *b]), reason)))
        }
    }
}
