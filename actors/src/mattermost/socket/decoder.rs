//! The decoder of received bytes: it refuses messages that are too long and joins fragments.

use std::str;

use actix_http::ws::OpCode;
use bytes::Bytes;
use bytestring::ByteString;

use super::{Frame, SocketError, header::Header};

/// The result of decoding the bytes received so far.
#[derive(Debug)]
pub(super) enum Step {
    /// A complete message.
    Frame(Frame),
    /// A fragment of a message; the buffer may contain more.
    Fragment,
    /// Nothing until this many bytes are received.
    Need(usize),
}

/// A WebSocket frame decoder that holds the incomplete message, if any.
#[derive(Debug)]
pub(super) struct Decoder {
    limit: usize,
    partial: Option<PartialMessage>,
}

/// A message whose last fragment has not arrived.
#[derive(Debug)]
struct PartialMessage {
    text: bool,
    bytes: Vec<u8>,
}

impl Decoder {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, partial: None }
    }

    /// Decodes one frame, and returns the result and the number of bytes used.
    pub(super) fn step(&mut self, bytes: &[u8]) -> Result<(Step, usize), SocketError> {
        let Some(header) = Header::read(bytes)? else {
            return Ok((Step::Need(bytes.len() + 1), 0));
        };
        let frame_len = header.size + self.check_length(&header)?;
        let Some(payload) = bytes.get(header.size..frame_len) else {
            return Ok((Step::Need(frame_len), 0));
        };
        Ok((self.accept(&header, payload)?, frame_len))
    }

    /// True if no message is incomplete.
    pub(super) fn is_between_messages(&self) -> bool {
        self.partial.is_none()
    }

    /// Returns the memory that an incomplete message takes, in bytes.
    pub(super) fn buffered_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.bytes.capacity())
    }

    /// Returns the length of the payload, or refuses a message that is too long by its header alone.
    fn check_length(&self, header: &Header) -> Result<usize, SocketError> {
        let before = if header.is_control() { 0 } else { self.partial.as_ref().map_or(0, |p| p.bytes.len()) };
        let announced = header.announced.saturating_add(before as u64);
        match usize::try_from(header.announced) {
            Ok(length) if announced <= self.limit as u64 => Ok(length),
            _ => Err(SocketError::FrameTooLarge { limit: self.limit, announced }),
        }
    }

    fn accept(&mut self, header: &Header, payload: &[u8]) -> Result<Step, SocketError> {
        let frame = match header.opcode {
            OpCode::Ping => Frame::Ping(Bytes::copy_from_slice(payload)),
            OpCode::Pong => Frame::Pong(Bytes::copy_from_slice(payload)),
            OpCode::Close => Frame::Close(close_reason(payload)?),
            OpCode::Text | OpCode::Binary => return self.start_message(header, payload),
            OpCode::Continue => return self.continue_message(header, payload),
            OpCode::Bad => return Err(SocketError::Protocol("unknown opcode")),
        };
        Ok(Step::Frame(frame))
    }

    fn start_message(&mut self, header: &Header, payload: &[u8]) -> Result<Step, SocketError> {
        if self.partial.is_some() {
            return Err(SocketError::Protocol("a message starts within another"));
        }
        let text = header.opcode == OpCode::Text;
        if header.last {
            return message(text, payload).map(Step::Frame);
        }
        self.partial = Some(PartialMessage { text, bytes: payload.to_vec() });
        Ok(Step::Fragment)
    }

    fn continue_message(&mut self, header: &Header, payload: &[u8]) -> Result<Step, SocketError> {
        let Some(mut partial) = self.partial.take() else {
            return Err(SocketError::Protocol("a fragment does not belong to a message"));
        };
        partial.bytes.extend_from_slice(payload);
        if header.last {
            return message(partial.text, &partial.bytes).map(Step::Frame);
        }
        self.partial = Some(partial);
        Ok(Step::Fragment)
    }
}

/// Copies a message into an allocation of exactly its size: a slice of the read buffer would keep the whole
/// buffer alive.
fn message(text: bool, payload: &[u8]) -> Result<Frame, SocketError> {
    if !text {
        return Ok(Frame::Binary(Bytes::copy_from_slice(payload)));
    }
    let text = str::from_utf8(payload).map_err(|_| SocketError::Protocol("a text message is not UTF-8"))?;
    Ok(Frame::Text(ByteString::from(text)))
}

/// Parses the code and reason of a close frame. Any code is accepted, because it is only shown.
fn close_reason(payload: &[u8]) -> Result<Option<(u16, String)>, SocketError> {
    match payload {
        [] => Ok(None),
        [_] => Err(SocketError::Protocol("a close frame has half a code")),
        [a, b, reason @ ..] => {
            let reason = String::from_utf8_lossy(reason).into_owned();
            Ok(Some((u16::from_be_bytes([*a, *b]), reason)))
        }
    }
}
