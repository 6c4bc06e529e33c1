//! Errors of an open socket.

use std::io;

/// A failure to receive. The stream ends after it.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A message is longer than `max_frame_bytes`. Nothing beyond the limit was buffered. The server sends it
    /// again at every resume (fact 27).
    #[error("a message of {announced} bytes exceeds max_frame_bytes ({limit})")]
    FrameTooLarge {
        /// The limit, in bytes.
        limit: usize,
        /// The announced length including the fragments before it, in bytes.
        announced: u64,
    },
    /// A compressed frame, although compression was not negotiated.
    #[error("the server sent a compressed frame (RSV1), but compression was not negotiated")]
    Compressed,
    /// The peer violated the WebSocket protocol.
    #[error("the server violated the WebSocket protocol: {0}")]
    Protocol(&'static str),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
}

/// A failure to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The message is longer than the limit, above which the server drops the client (fact 17).
    #[error("the message is longer than {limit} bytes, the most that the server accepts")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The server does not read, and the buffer of waiting messages is full.
    #[error("more than {limit} bytes are waiting to be sent")]
    Full {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A close frame has been sent.
    #[error("the socket is closing")]
    Closing,
    /// The connection is broken; the reader returns the details.
    #[error("the connection is broken: {0}")]
    Broken(io::ErrorKind),
}
