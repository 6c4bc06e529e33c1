use std::task::Waker;

use actix_http::ws;
use tokio::io::AsyncReadExt as _;

use super::*;

/// Fails a future that hangs, immediately if time is paused.
async fn with_timeout<T>(future: impl Future<Output = T>) -> T {
    let limited = tokio::time::timeout(std::time::Duration::from_secs(5), future);
    limited.await.expect("the future does not finish")
}

/// Decodes the writer's bytes with a server's codec.
fn decode_as_server(bytes: &[u8]) -> Vec<ws::Frame> {
    use actix_codec::Decoder as _;
    let (mut codec, mut bytes) = (ws::Codec::new(), bytes::BytesMut::from(bytes));
    std::iter::from_fn(|| codec.decode(&mut bytes).unwrap()).collect()
}

#[tokio::test]
async fn sent_frames_arrive_even_if_both_halves_are_dropped_at_once() {
    let (mut server, writer, reader) = pair(PIPE, 1000);
    writer.send_text("héllo").unwrap();
    writer.send_pong(b"hi").unwrap();
    writer.send_close(1000).unwrap();
    assert_eq!(writer.send_text("more"), Err(SendError::Closing));
    drop((writer, reader));
    let mut bytes = Vec::new();
    server.read_to_end(&mut bytes).await.unwrap();
    let frames = decode_as_server(&bytes);
    assert_eq!(frames[..2], [ws::Frame::Text("héllo".into()), ws::Frame::Pong("hi".into())]);
    assert_eq!(frames[2], ws::Frame::Close(Some(ws::CloseCode::Normal.into())));
}

#[tokio::test(start_paused = true)]
async fn unsent_bytes_wait_for_the_reader_to_flush_them() {
    let (mut server, writer, mut reader) = pair(100, 1000);
    let reading = tokio::spawn(async move { drop(read_twenty(&mut server).await) });
    assert!(reader.next().now_or_never().is_none());
    let message = "x".repeat(1000);
    for _ in 0..20 {
        writer.send_text(&message).unwrap();
    }
    assert!(reader.buffered_bytes() > 19_000);
    // Only the woken reader drives the writes.
    assert!(with_timeout(reader.next()).await.is_none());
    reading.await.unwrap();
    assert_eq!(reader.buffered_bytes(), 0);
}

/// Reads twenty messages of a thousand bytes.
async fn read_twenty(server: &mut DuplexStream) -> Vec<u8> {
    let mut bytes = vec![0; 20 * (1000 + 8)];
    with_timeout(server.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(decode_as_server(&bytes).len(), 20);
    bytes
}

#[tokio::test(start_paused = true)]
async fn the_reader_is_woken_when_bytes_wait() {
    let (mut server, writer, mut reader) = pair(100, 1000);
    let polling = tokio::task::LocalSet::new();
    polling.spawn_local(async move { reader.next().await });
    polling
        .run_until(async move {
            tokio::task::yield_now().await;
            writer.send_text(&"x".repeat(1000)).unwrap();
            let mut bytes = vec![0; 1008];
            with_timeout(server.read_exact(&mut bytes)).await.unwrap();
            assert_eq!(decode_as_server(&bytes).len(), 1);
        })
        .await;
}

#[tokio::test]
async fn waiting_bytes_are_bounded_and_can_be_flushed_without_reading() {
    let (mut server, writer, reader) = pair(100, 1000);
    assert_eq!(writer.send_text(&"x".repeat(8193)), Err(SendError::TooLong { limit: 8192 }));
    let refused = (0..10).find_map(|_| writer.send_text(&"x".repeat(8192)).err());
    assert_eq!(refused, Some(SendError::Full { limit: 32_768 }));
    assert!(reader.buffered_bytes() < 70_000, "{}", reader.buffered_bytes());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(writer.poll_flush(&mut cx).is_pending());
    let reading = tokio::spawn(async move {
        let mut bytes = vec![0; 4 * (8192 + 8)];
        with_timeout(server.read_exact(&mut bytes)).await.unwrap();
        server
    });
    std::future::poll_fn(|cx| writer.poll_flush(cx)).await.unwrap();
    drop(reading.await.unwrap());
    assert_eq!(writer.send_text("x"), Err(SendError::Broken(std::io::ErrorKind::BrokenPipe)));
}

#[tokio::test]
async fn a_broken_writer_does_not_hide_earlier_frames() {
    let (mut server, writer, mut reader) = pair(PIPE, 1000);
    server.write_all(&frame(TEXT, b"last words")).await.unwrap();
    drop(server);
    assert!(writer.send_text("x").is_err());
    assert_eq!(reader.next().await.unwrap().unwrap(), text("last words"));
    let Some(Err(SocketError::Io(error))) = reader.next().await else { panic!() };
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}
