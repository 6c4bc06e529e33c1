//! The lines of a child's output.

use std::io;

use bytes::BytesMut;
use tokio::io::AsyncRead;
use tokio_util::codec::{Decoder, FramedRead, LinesCodec, LinesCodecError};

/// A stream of lines. One that is too long or not UTF-8 is a line as well: after an error, the stream would not look at the lines that it
/// has read already until the child writes more.
pub(super) type ChildLines<R> = FramedRead<R, LineDecoder>;

/// A line that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnreadableLine;

/// A decoder of lines.
pub(super) struct LineDecoder(LinesCodec);

/// Returns the lines of an output, each of so many bytes at most.
pub(super) fn child_lines<R: AsyncRead>(output: R, most_bytes: usize) -> ChildLines<R> {
    FramedRead::new(output, LineDecoder(LinesCodec::new_with_max_length(most_bytes)))
}

impl Decoder for LineDecoder {
    type Item = Result<String, UnreadableLine>;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Self::Item>> {
        Ok(line(self.0.decode(buffer)))
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Self::Item>> {
        Ok(line(self.0.decode_eof(buffer)))
    }
}

fn line(decoded: Result<Option<String>, LinesCodecError>) -> Option<Result<String, UnreadableLine>> {
    decoded.map_err(|_| UnreadableLine).transpose()
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn the_lines_behind_one_that_cannot_be_read_are_read_at_once() {
        for unreadable in [&b"0123456789x"[..], b"\xff", &[b'x'; 100]] {
            let (output, mut child) = duplex(1_000);
            let mut lines = child_lines(output, 10);
            child.write_all(&[b"0123456789\n", unreadable, b"\nnext\n"].concat()).await.unwrap();
            let mut next = async || lines.next().await.unwrap().unwrap();
            assert_eq!(next().await.as_deref(), Ok("0123456789"));
            assert_eq!(next().await, Err(UnreadableLine));
            // The child writes nothing more.
            assert_eq!(next().await.as_deref(), Ok("next"));
            child.write_all(b"end").await.unwrap();
            drop(child);
            assert_eq!(next().await.as_deref(), Ok("end"));
            assert!(lines.next().await.is_none());
        }
    }
}
