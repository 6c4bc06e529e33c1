//! How a socket fails.

use std::io;

/// Why no more can be received. After one of these the stream has ended.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A message is longer than `max_frame_bytes`. None of it was buffered beyond the limit. It comes
    /// again at every resume (fact 27).
    #[error("a message of {announced} bytes came, over max_frame_bytes ({limit})")]
    FrameTooLarge {
        /// The limit, in bytes.
        limit: usize,
        /// What the server announced, together with the fragments before it, in bytes.
        announced: u64,
    },
    /// A compressed frame, which was never agreed on.
    #[error("a compressed frame came (RSV1), and compression was not asked for")]
    Compressed,
    /// The peer does not speak WebSocket.
    #[error("the server broke the WebSocket protocol: {0}")]
    Protocol(&'static str),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
}

/// Why a message was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The server drops a client whose message is longer (fact 17).
    #[error("a message to the server may be {limit} bytes at most")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The server takes nothing, and enough is waiting.
    #[error("more than {limit} bytes wait to be sent")]
    Full {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A close has been sent.
    #[error("the socket is closing")]
    Closing,
    /// The connection is broken; the reader tells more.
    #[error("the connection is broken: {0}")]
    Broken(io::ErrorKind),
}
