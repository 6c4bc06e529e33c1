//! The target of the fuzzer that sends bytes as a server.

#![expect(clippy::missing_panics_doc, reason = "a failed check is what a fuzzer looks for")]

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    Frame, PostHead, SocketError,
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

/// Checks that the text of a post does not decide whether it is one.
pub(crate) fn post(json: &str) {
    let Ok(Members(members)) = serde_json::from_str(json) else { return };
    let others = members.iter().filter(|(name, _)| name != "message");
    let others = others.map(|(name, value)| format!("{}:{value}", serde_json::json!(name)));
    let others = format!("{{{}}}", others.collect::<Vec<_>>().join(","));
    let without_text = |json| {
        let read = serde_json::from_str::<PostHead<'_>>(json).ok();
        read.map(|head| format!("{:?}", PostHead { message: Cow::default(), ..head }))
    };
    assert_eq!(without_text(json), without_text(&others), "{json}");
}

/// The members of an object, in their order.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = object.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
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
