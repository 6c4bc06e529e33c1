//! The WebSocket handshake, and sockets over real connections.

use std::{rc::Rc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use matterhost_actors::{
    mattermost::{ClientLimits, DialErrorKind, Frame, Socket, SocketError},
    model::ResumePoint,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message};

use crate::support::{
    AfterResponse, SECRET, Server, client, client_with, header, json, read_head, recorded, response, run,
    token,
};

const ACCEPT: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nconnection: Upgrade\r\n";

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// Opens a socket to a reference implementation.
async fn open() -> (WebSocketStream<TcpStream>, Socket) {
    let (listener, url) = listen().await;
    let accepting = async { accept_async(listener.accept().await.unwrap().0).await.unwrap() };
    let (client, token) = (client(&url), token());
    let (server, dialed) = tokio::join!(accepting, client.dial(&token, None));
    (server, dialed.unwrap().socket)
}

/// Returns the 101 for a request.
pub(crate) fn accept(head: &str) -> String {
    let key = header(head, "sec-websocket-key").unwrap();
    let hash = actix_http::ws::hash_key(key.as_bytes());
    format!("{ACCEPT}sec-websocket-accept: {}\r\n", std::str::from_utf8(&hash).unwrap())
}

#[test]
fn text_and_pings_go_both_ways() {
    run(async {
        let (mut server, socket) = open().await;
        let (writer, mut reader) = socket.split();
        let long = "ä".repeat(300_000);
        for message in [Message::text("hello"), Message::text(&*long), Message::Ping("p".into())] {
            server.send(message).await.unwrap();
        }
        assert_eq!(reader.next().await.unwrap().unwrap(), Frame::Text("hello".into()));
        assert_eq!(reader.next().await.unwrap().unwrap(), Frame::Text(long.into()));
        let Some(Ok(Frame::Ping(payload))) = reader.next().await else { panic!() };
        writer.send_pong(&payload).unwrap();
        writer.send_text("hi").unwrap();
        writer.send_close(1000).unwrap();
        drop((writer, reader));
        assert_eq!(server.next().await.unwrap().unwrap(), Message::Pong("p".into()));
        assert_eq!(server.next().await.unwrap().unwrap(), Message::text("hi"));
        assert!(matches!(server.next().await.unwrap().unwrap(), Message::Close(Some(_))));
    });
}

#[test]
fn the_upgrade_carries_the_token_and_the_resume_point() {
    run(async {
        let (listener, url) = listen().await;
        let accepting = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = read_head(&mut stream).await.unwrap();
            // The first frame comes along with the response.
            let reply = accept(&head)
                + "x-ratelimit-limit: 9\r\nx-ratelimit-remaining: 8\r\nx-ratelimit-reset: 1\r\n\r\n\u{1}";
            let mut reply = reply.into_bytes();
            reply.pop();
            reply.extend_from_slice(b"\x81\x05hello");
            stream.write_all(&reply).await.unwrap();
            (head, stream)
        };
        let resume = ResumePoint { connection_id: "a&b".into(), next_seq: 6, handled: Vec::new() };
        let (client, token) = (client(&format!("{url}/chat")), token());
        let ((head, _stream), dialed) = tokio::join!(accepting, client.dial(&token, Some(&resume)));
        let query = "?connection_id=a%26b&sequence_number=6";
        assert!(head.starts_with(&format!("GET /chat/api/v4/websocket{query} HTTP/1.1\r\n")), "{head}");
        assert_eq!(header(&head, "authorization"), Some(&*format!("Bearer {SECRET}")));
        assert_eq!(header(&head, "host"), url.strip_prefix("http://"));
        assert_eq!(header(&head, "origin"), None);
        let dialed = dialed.unwrap();
        assert_eq!(dialed.rate.unwrap().remaining, 8);
        let (_, mut reader) = dialed.socket.split();
        assert_eq!(reader.next().await.unwrap().unwrap(), Frame::Text("hello".into()));
    });
}

#[test]
fn refusals_keep_their_status_and_headers() {
    run(async {
        let second = Some(Duration::from_secs(1));
        let refused = |status, retry_after| DialErrorKind::Refused { status, retry_after };
        let page = response("200 OK", "content-type: text/html\r\n", "<html>");
        let redirect = response("302 x", "location: http://127.0.0.1:9/\r\n", "");
        let cases = [
            (recorded("rate_limit", "/api/v4/users/me", 429), refused(429, second)),
            (response("404 x", "", ""), refused(404, None)),
            (response("502 x", "", "<html>"), refused(502, None)),
            (page, DialErrorKind::NotWebSocket),
            (json("{}"), DialErrorKind::NotWebSocket),
            (redirect, DialErrorKind::Redirect),
            (format!("{ACCEPT}\r\n"), DialErrorKind::NotWebSocket),
            (format!("{ACCEPT}sec-websocket-accept: AAAA\r\n\r\n"), DialErrorKind::NotWebSocket),
            ("junk\r\n\r\n".to_owned(), DialErrorKind::NotWebSocket),
        ];
        for (reply, kind) in cases {
            let server = Server::respond_with(reply.clone(), AfterResponse::Close).await;
            let error = client(&server.url()).dial(&token(), None).await.unwrap_err();
            assert_eq!(error.kind, kind, "{reply}: {error}");
        }
    });
}

#[test]
fn an_extension_that_was_not_asked_for_is_refused() {
    run(async {
        let (listener, url) = listen().await;
        let accepting = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = read_head(&mut stream).await.unwrap();
            assert_eq!(header(&head, "sec-websocket-extensions"), None);
            let reply = accept(&head) + "sec-websocket-extensions: permessage-deflate\r\n\r\n";
            stream.write_all(reply.as_bytes()).await.unwrap();
            stream
        };
        let (client, token) = (client(&url), token());
        let (_stream, dialed) = tokio::join!(accepting, client.dial(&token, None));
        assert_eq!(dialed.unwrap_err().kind, DialErrorKind::NotWebSocket);
    });
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    run(async {
        let request_timeout = Duration::from_millis(100);
        let limits = ClientLimits { request_timeout, ..ClientLimits::default() };
        let silent = Server::respond_with("", AfterResponse::Hang).await;
        let error = client_with(&silent.url(), None, limits).dial(&token(), None).await.unwrap_err();
        assert_eq!(error.kind, DialErrorKind::Timeout);
        let closing = Server::respond_with("", AfterResponse::Close).await;
        let error = client(&closing.url()).dial(&token(), None).await.unwrap_err();
        assert_eq!(error.kind, DialErrorKind::Unreachable);
    });
}

#[test]
fn the_number_of_sockets_is_unlimited_and_does_not_affect_rest() {
    run(async {
        let (listener, url) = listen().await;
        let served = Rc::new(std::cell::RefCell::new(Vec::new()));
        let keeping = Rc::clone(&served);
        actix_rt::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let head = read_head(&mut stream).await.unwrap();
                let reply = if head.contains("/websocket") { accept(&head) + "\r\n" } else { json("{}") };
                stream.write_all(reply.as_bytes()).await.unwrap();
                keeping.borrow_mut().push(stream);
            }
        });
        let client = client(&url);
        let mut sockets = Vec::new();
        for _ in 0..150 {
            sockets.push(client.dial(&token(), None).await.unwrap().socket);
        }
        client.system_ping().await.unwrap();
        assert_eq!(sockets.len(), 150);
    });
}

#[test]
fn a_reset_is_an_error_once() {
    run(async {
        let (server, socket) = open().await;
        let (_writer, mut reader) = socket.split();
        let stream = server.into_inner();
        // A close without lingering resets the connection.
        stream.set_zero_linger().unwrap();
        drop(stream);
        let Some(Err(SocketError::Io(error))) = reader.next().await else { panic!() };
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert!(reader.next().await.is_none());
    });
}

#[test]
fn bytes_that_a_real_connection_does_not_take_are_flushed_by_the_reader() {
    run(async {
        let (listener, url) = listen().await;
        let accepting = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = read_head(&mut stream).await.unwrap();
            stream.write_all((accept(&head) + "\r\n").as_bytes()).await.unwrap();
            stream
        };
        let (client, token) = (client(&url), token());
        let (mut server, dialed) = tokio::join!(accepting, client.dial(&token, None));
        let (writer, mut reader) = dialed.unwrap().socket.split();
        let text = "x".repeat(8000);
        let mut sent = 0;
        while writer.send_text(&text).is_ok() {
            sent += 8008;
        }
        let reading = actix_rt::spawn(async move { while reader.next().await.is_some() {} });
        let mut bytes = vec![0; sent];
        server.read_exact(&mut bytes).await.unwrap();
        drop(server);
        reading.await.unwrap();
    });
}
