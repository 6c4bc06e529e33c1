//! The header of a frame (RFC 6455, section 5.2), parsed before its payload is read.

use actix_http::ws::OpCode;

use super::SocketError;

/// The longest payload of a control frame, in bytes.
const MAX_CONTROL: u64 = 125;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_AND_3: u8 = 0x30;
const OPCODE: u8 = 0x0F;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7F;
/// The length is in the next two bytes.
const LENGTH_16: u8 = 126;
/// The length is in the next eight bytes.
const LENGTH_64: u8 = 127;

/// A validated header.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) last: bool,
    pub(super) opcode: OpCode,
    /// The length of the header, in bytes.
    pub(super) size: usize,
    /// The announced length of the payload, in bytes.
    pub(super) announced: u64,
}

impl Header {
    /// Parses the header at the start of `bytes`; `None` while it is incomplete.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, SocketError> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        check_bits(*first, *second)?;
        let (size, announced) = match second & LENGTH {
            LENGTH_16 => (4, rest.first_chunk().map(|length| u64::from(u16::from_be_bytes(*length)))),
            LENGTH_64 => (10, rest.first_chunk().map(|length| u64::from_be_bytes(*length))),
            short => (2, Some(u64::from(short))),
        };
        let Some(announced) = announced else {
            return Ok(None);
        };
        let header = Self { last: first & FIN != 0, opcode: OpCode::from(first & OPCODE), size, announced };
        header.check()?;
        Ok(Some(header))
    }

    pub(super) fn is_control(&self) -> bool {
        matches!(self.opcode, OpCode::Ping | OpCode::Pong | OpCode::Close)
    }

    fn check(&self) -> Result<(), SocketError> {
        if self.opcode == OpCode::Bad {
            return Err(SocketError::Protocol("unknown opcode"));
        }
        if self.is_control() && (!self.last || self.announced > MAX_CONTROL) {
            return Err(SocketError::Protocol("a control frame is fragmented or longer than 125 bytes"));
        }
        Ok(())
    }
}

fn check_bits(first: u8, second: u8) -> Result<(), SocketError> {
    if first & RSV1 != 0 {
        return Err(SocketError::Compressed);
    }
    if first & RSV2_AND_3 != 0 {
        return Err(SocketError::Protocol("reserved bits are set"));
    }
    if second & MASKED != 0 {
        return Err(SocketError::Protocol("the server masks its frames"));
    }
    Ok(())
}
