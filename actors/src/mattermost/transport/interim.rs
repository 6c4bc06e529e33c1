//! The filter for interim responses (1xx), which the HTTP client takes for the final one.
//!
//! A proxy may send `103 Early Hints`, or `100 Continue` and `102 Processing`, before the response (RFC 9110, section
//! 15.2). They are left out of the stream; only `101 Switching Protocols` is a final response here.

use std::io;

use bytes::{Buf as _, BytesMut};

use super::explain::WrongScheme;

/// The most bytes of interim responses before one final response: some hints take a few hundred.
const MAX_INTERIM_BYTES: usize = 64 * 1024;

/// The length of `HTTP/1.1 200`, which tells an interim response from a final one.
const STATUS_END: usize = 12;

/// The beginnings of a TLS record: an alert or a handshake message, version 3.
const TLS_RECORDS: [[u8; 2]; 2] = [[0x15, 3], [0x16, 3]];

/// A filter over the bytes from the server: what it lets through begins with a final response.
#[derive(Debug, Default)]
pub(super) struct InterimFilter {
    state: State,
    /// The beginning of a response that is not complete enough to be judged.
    held: BytesMut,
    /// Bytes that are let through.
    passed: BytesMut,
    /// The bytes left out since the last request.
    dropped: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A body, or nothing, is expected: bytes pass.
    #[default]
    Passing,
    /// A response is expected.
    Expecting,
    /// The protocol was switched: what follows is not HTTP.
    Switched,
}

enum Beginning {
    Incomplete,
    Interim { length: usize },
    Final { switches: bool },
}

impl InterimFilter {
    /// Notes that a request, or a part of one, was written.
    pub(super) fn request_written(&mut self) {
        if self.state == State::Passing {
            (self.state, self.dropped) = (State::Expecting, 0);
        }
    }

    /// True if bytes from the server have to go through [`push`](Self::push).
    pub(super) fn is_expecting(&self) -> bool {
        self.state == State::Expecting
    }

    /// Takes bytes from the server.
    pub(super) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.held.extend_from_slice(bytes);
        if TLS_RECORDS.iter().any(|record| self.held.starts_with(record)) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, WrongScheme::ServerSpeaksTls));
        }
        loop {
            match beginning(&self.held) {
                Beginning::Incomplete => return self.within_limit(self.held.len()),
                Beginning::Interim { length } => {
                    self.held.advance(length);
                    self.dropped += length;
                    self.within_limit(0)?;
                }
                Beginning::Final { switches } => {
                    self.state = if switches { State::Switched } else { State::Passing };
                    self.passed = std::mem::take(&mut self.held);
                    return Ok(());
                }
            }
        }
    }

    /// Lets everything through at the end of the stream.
    pub(super) fn end(&mut self) {
        self.state = State::Passing;
        self.passed.unsplit(std::mem::take(&mut self.held));
    }

    /// Takes up to `limit` of the bytes that were let through; `None` if there are none.
    pub(super) fn take(&mut self, limit: usize) -> Option<BytesMut> {
        if self.passed.is_empty() {
            // Gives the memory back: connections live long.
            self.passed = BytesMut::new();
            return None;
        }
        Some(self.passed.split_to(limit.min(self.passed.len())))
    }

    fn within_limit(&self, held: usize) -> io::Result<()> {
        if self.dropped + held <= MAX_INTERIM_BYTES {
            return Ok(());
        }
        let message =
            format!("over {MAX_INTERIM_BYTES} bytes of interim responses (1xx) came before the response");
        Err(io::Error::new(io::ErrorKind::InvalidData, message))
    }
}

fn beginning(bytes: &[u8]) -> Beginning {
    const VERSION: &[u8] = b"HTTP/1.";
    let compared = bytes.len().min(VERSION.len());
    if matches!(bytes, [0x15 | 0x16]) {
        // Perhaps the first byte of a TLS record.
        return Beginning::Incomplete;
    }
    if bytes[..compared] != VERSION[..compared] {
        return Beginning::Final { switches: false };
    }
    let Some(status) = bytes.get(STATUS_END - 3..STATUS_END) else { return Beginning::Incomplete };
    if status[0] != b'1' || status == b"101" {
        return Beginning::Final { switches: status == b"101" };
    }
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    end.map_or(Beginning::Incomplete, |end| Beginning::Interim { length: end + 4 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n";

    /// Returns the bytes that come through of a response that arrives in pieces of one size.
    fn filtered(filter: &mut InterimFilter, bytes: &[u8], size: usize) -> io::Result<Vec<u8>> {
        let mut through = Vec::new();
        filter.request_written();
        for piece in bytes.chunks(size) {
            if filter.is_expecting() {
                filter.push(piece)?;
                while let Some(bytes) = filter.take(7) {
                    through.extend_from_slice(&bytes);
                }
            } else {
                through.extend_from_slice(piece);
            }
        }
        Ok(through)
    }

    #[test]
    fn interim_responses_are_left_out_wherever_the_bytes_are_cut() {
        for response in
            ["HTTP/1.1 200 OK\r\n\r\nbody", "HTTP/1.0 304 x\r\n\r\n", "HTTP/1.1 101 x\r\n\r\n\x01"]
        {
            for before in ["", HINTS, "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 102 x\r\n\r\n"] {
                let bytes = [before, before, response].concat();
                for size in 1..bytes.len() {
                    let through = filtered(&mut InterimFilter::default(), bytes.as_bytes(), size).unwrap();
                    assert_eq!(String::from_utf8(through).unwrap(), response);
                }
            }
        }
    }

    #[test]
    fn each_response_of_a_connection_is_filtered_and_no_body_is() {
        let mut filter = InterimFilter::default();
        let answer = format!("HTTP/1.1 200 OK\r\n\r\n{HINTS}");
        for _ in 0..2 {
            let through = filtered(&mut filter, [HINTS, &answer].concat().as_bytes(), 1000).unwrap();
            assert_eq!(String::from_utf8(through).unwrap(), answer);
            assert!(!filter.is_expecting());
        }
    }

    #[test]
    fn a_switched_connection_is_left_alone() {
        let mut filter = InterimFilter::default();
        filtered(&mut filter, b"HTTP/1.1 101 x\r\n\r\n", 100).unwrap();
        filter.request_written();
        assert!(!filter.is_expecting());
    }

    #[test]
    fn what_is_not_http_passes_and_tls_is_named() {
        for other in ["SSH-2.0-x\r\n", "H", "HTTP/2"] {
            let mut filter = InterimFilter::default();
            let mut through = filtered(&mut filter, other.as_bytes(), 3).unwrap();
            filter.end();
            through.extend(filter.take(100).unwrap_or_default());
            assert_eq!(through, other.as_bytes());
        }
        let error = filtered(&mut InterimFilter::default(), &[0x15, 3, 1, 0, 2, 2, 40], 1).unwrap_err();
        assert!(error.to_string().contains("TLS"), "{error}");
    }

    #[test]
    fn endless_interim_responses_are_refused() {
        let endless = HINTS.repeat(MAX_INTERIM_BYTES / HINTS.len() + 1);
        assert!(filtered(&mut InterimFilter::default(), endless.as_bytes(), 1000).is_err());
        let long = format!("HTTP/1.1 103 x\r\na: {}", "b".repeat(MAX_INTERIM_BYTES));
        assert!(filtered(&mut InterimFilter::default(), long.as_bytes(), 1000).is_err());
    }
}
