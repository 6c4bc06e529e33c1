use futures_util::{FutureExt as _, StreamExt as _};
use proptest::prelude::*;
use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};

use super::{buffer::STANDARD, *};

mod writing;

/// A capacity between both ends that is large enough for every test.
const PIPE: usize = 1024 * 1024;

/// An encoder of server frames, independent of the code under test.
mod encode {
    pub(super) const TEXT: u8 = 0x81;

    pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = header(first, payload.len());
        frame.extend_from_slice(payload);
        frame
    }

    pub(super) fn header(first: u8, length: usize) -> Vec<u8> {
        match length {
            0..=125 => vec![first, u8::try_from(length).unwrap()],
            126..=0xFFFF => [&[first, 126][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
            _ => [&[first, 127][..], &(length as u64).to_be_bytes()].concat(),
        }
    }
}
use encode::{TEXT, frame, header};

fn limits(max_frame_bytes: usize) -> ClientLimits {
    ClientLimits { max_frame_bytes, ..ClientLimits::default() }
}

fn pair(capacity: usize, limit: usize) -> (DuplexStream, SocketWriter, SocketReader) {
    let (server, client) = duplex(capacity);
    let (writer, reader) = Socket::from_stream(client, &limits(limit)).split();
    (server, writer, reader)
}

/// Reads the frames that are available, up to the end of the stream.
fn read_all(reader: &mut SocketReader) -> Vec<Result<Frame, SocketError>> {
    std::iter::from_fn(|| reader.next().now_or_never().flatten()).collect()
}

/// True if the stream reports its end immediately.
fn ended(reader: &mut SocketReader) -> bool {
    matches!(reader.next().now_or_never(), Some(None))
}

fn text(text: &str) -> Frame {
    Frame::Text(text.into())
}

async fn received(bytes: &[u8], limit: usize) -> (Vec<Result<Frame, SocketError>>, SocketReader) {
    let (mut server, _writer, mut reader) = pair(PIPE, limit);
    server.write_all(bytes).await.unwrap();
    let frames = read_all(&mut reader);
    // Keep the peer open, or the stream would end as well.
    std::mem::forget(server);
    (frames, reader)
}

#[tokio::test]
async fn a_frame_over_the_limit_is_refused_by_its_header() {
    let limit = 64 * 1024;
    let announced = 400 * 1024 * 1024;
    let mut bytes = header(TEXT, announced);
    bytes.resize(300 * 1024, b'x');
    let (frames, mut reader) = received(&bytes, limit).await;
    let [Err(SocketError::FrameTooLarge { limit: 65_536, announced: 419_430_400 })] = frames[..] else {
        panic!("{frames:?}")
    };
    assert!(reader.buffered_bytes() <= 2 * limit, "{}", reader.buffered_bytes());
    assert!(ended(&mut reader) && ended(&mut reader));
}

#[tokio::test]
async fn the_limit_is_exact() {
    let (frames, _) = received(&frame(TEXT, &[b'x'; 1000]), 1000).await;
    assert!(matches!(&frames[..], [Ok(Frame::Text(text))] if text.len() == 1000));
    let (frames, _) = received(&frame(TEXT, &[b'x'; 1001]), 1000).await;
    assert!(matches!(frames[..], [Err(SocketError::FrameTooLarge { limit: 1000, announced: 1001 })]));
    let (frames, _) = received(&[TEXT, 127, 255, 255, 255, 255, 255, 255, 255, 255], 1000).await;
    assert!(matches!(frames[..], [Err(SocketError::FrameTooLarge { announced: u64::MAX, .. })]));
}

#[tokio::test]
async fn an_announcement_alone_reserves_nothing() {
    let mut bytes = header(TEXT, 4_000_000);
    bytes.resize(STANDARD + 1000, b'x');
    let (frames, reader) = received(&bytes, 4_000_000).await;
    assert!(frames.is_empty());
    assert!(reader.buffered_bytes() <= 3 * STANDARD, "{}", reader.buffered_bytes());
}

#[tokio::test]
async fn fragments_are_joined_around_a_ping() {
    let bytes = [
        frame(0x01, b"{\"a\xc3"),
        frame(0x89, b"hi"),
        frame(0x00, b"\xa9"),
        frame(0x80, b"\"}"),
        frame(TEXT, b"next"),
    ];
    let (frames, reader) = received(&bytes.concat(), 7).await;
    let frames: Vec<Frame> = frames.into_iter().map(Result::unwrap).collect();
    assert_eq!(frames, [Frame::Ping("hi".into()), text("{\"aé\"}"), text("next")]);
    assert_eq!(reader.buffered_bytes(), 0);
}

#[tokio::test]
async fn fragments_are_bounded_together() {
    let bytes = [frame(0x01, &[b'x'; 600]), frame(0x00, &[b'x'; 300]), header(0x00, 101)].concat();
    let (frames, _) = received(&bytes, 1000).await;
    assert!(matches!(frames[..], [Err(SocketError::FrameTooLarge { limit: 1000, announced: 1001 })]));
}

#[tokio::test]
async fn invalid_websocket_bytes_are_an_error_once() {
    let compressed = received(&[0xC1, 1, b'x'], 1000).await.0;
    assert!(matches!(compressed[..], [Err(SocketError::Compressed)]));
    let cases: [&[u8]; 10] = [
        &[0xA1, 1, b'x'],             // RSV2
        &[0x81, 0x81, 0, 0, 0, 0, 0], // masked
        &[0x83, 0],                   // unknown opcode
        &[0x80, 1, b'x'],             // a fragment without a first one
        &[0x01, 1, b'x', 0x81, 0],    // a message within another
        &[0x09, 0],                   // a fragmented ping
        &[0x89, 126, 0, 126],         // a long ping
        &[0x88, 1, 3],                // half a close code
        &[0x81, 1, 0xFF],             // not UTF-8
        b"HTTP/1.1 400 Bad Request\r\n",
    ];
    for bytes in cases {
        let (frames, mut reader) = received(bytes, 1000).await;
        assert!(matches!(frames[..], [Err(SocketError::Protocol(_) | SocketError::Compressed)]), "{bytes:?}");
        assert!(ended(&mut reader));
    }
}

#[tokio::test]
async fn an_idle_socket_holds_no_buffer_also_after_a_long_frame() {
    let (mut server, writer, mut reader) = pair(PIPE, 1_000_000);
    assert_eq!(reader.buffered_bytes(), 0);
    assert!(reader.next().now_or_never().is_none());
    assert_eq!(reader.buffered_bytes(), 0);
    server.write_all(&frame(TEXT, &vec![b'x'; 500_000])).await.unwrap();
    assert!(matches!(reader.next().await, Some(Ok(Frame::Text(text))) if text.len() == 500_000));
    assert_eq!(reader.buffered_bytes(), 0);
    writer.send_text("x").unwrap();
    assert_eq!(reader.buffered_bytes(), 0);
    // The first byte of the next frame must not keep the long frame's memory.
    let mut bytes = frame(TEXT, &vec![b'x'; 500_000]);
    bytes.push(TEXT);
    server.write_all(&bytes).await.unwrap();
    assert!(matches!(reader.next().await, Some(Ok(Frame::Text(_)))));
    assert!(reader.next().now_or_never().is_none());
    assert!(reader.buffered_bytes() <= STANDARD, "{}", reader.buffered_bytes());
}

#[tokio::test]
async fn a_socket_keeps_a_partial_message() {
    let (mut server, _writer, mut reader) = pair(PIPE, 1_000_000);
    let long = frame(TEXT, &vec![b'x'; 20_000]);
    let mut before = 0;
    for (came, held) in [(1_000, 1_000), (7_000, 7_000), (12_000, STANDARD)] {
        server.write_all(&long[before..came]).await.unwrap();
        before = came;
        assert!(reader.next().now_or_never().is_none());
        assert_eq!(reader.buffered_bytes(), held);
    }
    server.write_all(&long[before..]).await.unwrap();
    assert!(matches!(reader.next().await, Some(Ok(Frame::Text(text))) if text.len() == 20_000));
    assert!(reader.next().now_or_never().is_none());
    assert_eq!(reader.buffered_bytes(), 0);
}

#[tokio::test]
async fn a_kept_text_keeps_nothing_else() {
    let bytes = [frame(TEXT, b"small"), frame(TEXT, &[b'x'; 9000])].concat();
    let (mut frames, _) = received(&bytes, 10_000).await;
    let Ok(Frame::Text(small)) = frames.swap_remove(0) else { panic!("{frames:?}") };
    // Unshared memory is taken over without a copy, so the capacity shows its size.
    assert_eq!(Vec::from(small.into_bytes()).capacity(), 5);
}

#[tokio::test]
async fn bytes_received_with_the_handshake_are_read_first() {
    let (mut server, client) = duplex(PIPE);
    let hello = frame(TEXT, b"hello");
    let (_writer, mut reader) = Socket::with_received(Box::new(client), &hello[..3], &limits(1000)).split();
    server.write_all(&hello[3..]).await.unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap(), text("hello"));
    assert_eq!(reader.buffered_bytes(), 0);
}

#[tokio::test]
async fn a_server_that_closes_ends_the_stream() {
    let goodbye = [&1001u16.to_be_bytes()[..], b"bye"].concat();
    let (frames, mut reader) = received(&[frame(0x88, &goodbye), frame(TEXT, b"late")].concat(), 1000).await;
    assert!(matches!(&frames[..], [Ok(Frame::Close(Some((1001, reason))))] if reason == "bye"));
    assert!(ended(&mut reader));
    let (server, _writer, mut reader) = pair(PIPE, 1000);
    drop(server);
    assert!(ended(&mut reader));
}

#[tokio::test]
async fn a_drop_amid_a_message_is_an_error() {
    for bytes in [&frame(TEXT, b"hello")[..4], &frame(0x01, b"piece")] {
        let (mut server, _writer, mut reader) = pair(PIPE, 1000);
        server.write_all(bytes).await.unwrap();
        drop(server);
        let Some(Err(SocketError::Io(error))) = reader.next().await else { panic!() };
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
        assert!(ended(&mut reader));
    }
}

/// Encodes a message in fragments of these sizes, optionally with a ping after each.
fn fragmented(message: &str, cuts: &[usize], ping: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut rest, mut opcode) = (message.as_bytes(), 0x01);
    for cut in cuts {
        let (piece, left) = rest.split_at((*cut).min(rest.len()));
        bytes.extend(frame(opcode, piece));
        if ping {
            bytes.extend(frame(0x89, b"p"));
        }
        (rest, opcode) = (left, 0x00);
    }
    bytes.extend(frame(opcode | 0x80, rest));
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn neither_pieces_nor_reads_matter(
        messages in prop::collection::vec(("\\PC{0,300}|[a-z]{20000}", prop::collection::vec(0usize..200, 0..4), any::<bool>()), 0..6),
        reads in prop::collection::vec(1usize..40_000, 1..50),
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(|(m, cuts, ping)| fragmented(m, cuts, *ping)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let seen = runtime.block_on(async {
            let (mut server, _writer, mut reader) = pair(PIPE, 1_000_000);
            let (mut seen, mut rest) = (Vec::new(), &bytes[..]);
            for size in reads.iter().cycle() {
                let (now, left) = rest.split_at((*size).min(rest.len()));
                server.write_all(now).await.unwrap();
                seen.extend(read_all(&mut reader));
                rest = left;
                if rest.is_empty() { break }
            }
            assert_eq!(reader.buffered_bytes(), 0);
            seen
        });
        let texts = seen.into_iter().map(Result::unwrap).filter_map(|frame| match frame {
            Frame::Text(text) => Some(text.to_string()),
            _ => None,
        });
        prop_assert_eq!(texts.collect::<Vec<_>>(), messages.into_iter().map(|m| m.0).collect::<Vec<_>>());
    }

    #[test]
    fn any_bytes_end_in_frames_or_one_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (frames, reader) = runtime.block_on(received(&bytes, 100));
        prop_assert!(frames.iter().rev().skip(1).all(Result::is_ok));
        prop_assert!(reader.buffered_bytes() <= STANDARD + 200);
    }
}
