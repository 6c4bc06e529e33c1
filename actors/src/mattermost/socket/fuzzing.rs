//! The target of the fuzzer that sends bytes as a server.

#![expect(clippy::missing_panics_doc, reason = "a failed check is what a fuzzer looks for")]

use super::{
    Frame, SocketError,
    decoder::{Decoder, Step},
};

/// The longest message, so short that the fuzzer reaches it.
const LIMIT: usize = 1024;

/// The sizes of the pieces in which the bytes arrive.
const PIECES: [usize; 3] = [1, 7, usize::MAX];

/// Decodes bytes of a server, and checks that neither the pieces in which they arrive nor their content matters to anything
/// but the frames.
pub fn frames(received: &[u8]) {
    let [by_byte, in_pieces, at_once] = PIECES.map(|size| decode(received, size));
    assert_eq!(by_byte, in_pieces);
    assert_eq!(by_byte, at_once);
    at_once.0.iter().for_each(check);
}

/// Returns the frames, and the error that ended the stream.
fn decode(received: &[u8], piece: usize) -> (Vec<Frame>, Option<String>) {
    let mut decoder = Decoder::new(LIMIT);
    let (mut frames, mut buffer) = (Vec::new(), Vec::new());
    for piece in received.chunks(piece.min(received.len().max(1))) {
        buffer.extend_from_slice(piece);
        if let Err(error) = drain(&mut decoder, &mut buffer, &mut frames) {
            return (frames, Some(error.to_string()));
        }
    }
    (frames, None)
}

/// Decodes the frames that are complete. What is left is shorter than the frame that it begins.
fn drain(decoder: &mut Decoder, buffer: &mut Vec<u8>, frames: &mut Vec<Frame>) -> Result<(), SocketError> {
    loop {
        let (step, used) = decoder.step(buffer)?;
        buffer.drain(..used);
        match step {
            Step::Frame(frame) => frames.push(frame),
            Step::Fragment => {}
            Step::Need(bytes) => {
                assert!(used == 0 && bytes > buffer.len(), "{bytes} of {}", buffer.len());
                assert!(decoder.buffered_bytes() <= 2 * LIMIT);
                return Ok(());
            }
        }
    }
}

fn check(frame: &Frame) {
    let length = match frame {
        Frame::Text(text) => text.len(),
        Frame::Binary(bytes) | Frame::Ping(bytes) | Frame::Pong(bytes) => bytes.len(),
        Frame::Close(_) => 0,
    };
    assert!(length <= LIMIT, "a frame of {length} bytes");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::mattermost::fuzzing::{mutated::mutated, seeds::recorded};

    proptest! {
        #[test]
        fn changed_recordings_are_decoded_alike_in_all_pieces(received in mutated(recorded("frames"))) {
            super::frames(&received);
        }
    }
}
