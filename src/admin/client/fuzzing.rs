//! The target of the fuzzer that sends a stream of facts as a host.

use bytes::Bytes;

use super::{sse::Parser, tail};

/// The sizes of the pieces in which the stream arrives.
const PIECES: [usize; 3] = [1, 7, usize::MAX];

/// Reads a stream, and checks that the pieces do not matter and that each event is shown on one line.
pub fn sse(stream: &[u8]) {
    let read = |piece: usize| {
        let mut parser = Parser::default();
        let pieces = stream.chunks(piece.min(stream.len().max(1))).map(Bytes::copy_from_slice);
        pieces.map(|piece| parser.push(&piece)).collect::<Result<Vec<_>, _>>().map(|events| events.concat())
    };
    let [by_byte, in_pieces, at_once] = PIECES.map(read);
    assert_eq!(by_byte, in_pieces);
    assert_eq!(by_byte, at_once);
    for event in by_byte.into_iter().flatten() {
        for json in [false, true] {
            let shown = tail::line(&event, json).unwrap_or_default();
            assert!(!shown.contains(char::is_control), "{shown:?}");
        }
    }
}

/// Returns streams as a host sends them.
pub fn seeds() -> Vec<Vec<u8>> {
    let fact = r#"{"at":"2026-01-01T00:00:00.000Z","level":"info","fact":"ready","account":"a","generation":1,"message":"ready"}"#;
    [
        format!("retry: 2000\n\n: hi\n\nid: a-1\nevent: fact\ndata: {fact}\n\n"),
        "event: gap\r\ndata: {\"missed\":7}\r\n\r\n".into(),
        "data: 1\ndata: 2\n\n".into(),
    ]
    .map(Into::into)
    .into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::mutated::mutated;

    proptest! {
        #[test]
        fn changed_streams_are_read(stream in mutated(super::seeds())) {
            super::sse(&stream);
        }
    }
}
