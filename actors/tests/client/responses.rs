//! Interim responses, and bodies that are encoded otherwise than was asked for.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use futures_util::StreamExt as _;
use matterhost_actors::mattermost::{Frame, RestErrorKind};
use tokio::{io::AsyncWriteExt as _, net::TcpListener};

use crate::support::{AfterResponse, Server, client, json, read_head, response, run, token};

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n";

#[test]
fn interim_responses_are_skipped_by_rest() {
    run(async {
        for interim in [HINTS.to_owned(), HINTS.repeat(3), "HTTP/1.1 100 Continue\r\n\r\n".to_owned() + HINTS]
        {
            let server =
                Server::respond_with(interim + &json("{\"status\":\"OK\"}"), AfterResponse::KeepAlive).await;
            let client = client(&server.url());
            for _ in 0..3 {
                assert_eq!(&*client.system_ping().await.unwrap().value.status, "OK");
            }
            assert_eq!(server.connections(), 1);
        }
    });
}

#[test]
fn interim_responses_are_skipped_before_a_socket_opens() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client(&format!("http://{}", listener.local_addr().unwrap()));
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = read_head(&mut stream).await.unwrap();
            let accept = crate::dial::accept(&head);
            // The first frame comes along with the response.
            let bytes = [HINTS.as_bytes(), accept.as_bytes(), b"\r\n\x81\x05hello"].concat();
            stream.write_all(&bytes).await.unwrap();
            stream
        };
        let token = token();
        let (mut stream, dialed) = tokio::join!(serving, client.dial(&token, None));
        let (writer, mut reader) = dialed.unwrap().socket.split();
        assert_eq!(reader.next().await.unwrap().unwrap(), Frame::Text("hello".into()));
        // Once the protocol was switched nothing is left out.
        writer.send_text("x").unwrap();
        let text = "HTTP/1.1 103 is no response here\r\n\r\n";
        let frame = [&[0x81, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        stream.write_all(&frame).await.unwrap();
        assert_eq!(reader.next().await.unwrap().unwrap(), Frame::Text(text.into()));
    });
}

#[test]
fn a_response_of_interim_responses_alone_is_an_error() {
    run(async {
        let server = Server::respond_with(HINTS, AfterResponse::Close).await;
        let kind = client(&server.url()).system_ping().await.unwrap_err().kind;
        assert_eq!(kind, RestErrorKind::Unreachable);
        let server = Server::respond_with(HINTS.repeat(10_000), AfterResponse::Close).await;
        let error = client(&server.url()).system_ping().await.unwrap_err();
        assert!(error.to_string().contains("interim"), "{error}");
    });
}

#[test]
fn a_foreign_encoding_is_named() {
    run(async {
        for (status, kind) in [("200 OK", RestErrorKind::BadBody), ("403 x", RestErrorKind::Refused(403))] {
            let headers = "content-type: application/json\r\ncontent-encoding: br\r\n";
            let server =
                Server::respond_with(response(status, headers, "???"), AfterResponse::KeepAlive).await;
            let error = client(&server.url()).system_ping().await.unwrap_err();
            assert_eq!(error.kind, kind);
            assert!(error.to_string().contains("encoded with br"), "{error}");
        }
    });
}

#[test]
fn what_was_asked_for_is_read() {
    run(async {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(b"{\"status\":\"OK\"}").unwrap();
        let body = encoder.finish().unwrap();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let answer = [HINTS.as_bytes(), head.as_bytes(), &body].concat();
        let server = Server::respond_with(answer, AfterResponse::KeepAlive).await;
        assert_eq!(&*client(&server.url()).system_ping().await.unwrap().value.status, "OK");
    });
}

#[test]
fn a_redirect_and_a_content_type_are_shown_plainly_and_briefly() {
    run(async {
        let long = "x".repeat(1_000);
        let location = format!("location: https://me:hidden@sso.test/login/{long}?token=hidden#hidden\r\n");
        let server = Server::respond_with(response("302 x", &location, ""), AfterResponse::KeepAlive).await;
        let client = client(&server.url());
        let rest = client.system_ping().await.unwrap_err().to_string();
        let dial = client.dial(&token(), None).await.unwrap_err().to_string();
        for told in [rest, dial] {
            assert!(
                told.contains("to https://sso.test") && !told.contains("hidden") && !told.contains("login"),
                "{told}"
            );
            assert!(told.len() < 300, "{told}");
        }
        let answer = response("200 OK", &format!("content-type: text/{long}\r\n"), "hello");
        let server = Server::respond_with(answer, AfterResponse::KeepAlive).await;
        let told = crate::support::client(&server.url()).system_ping().await.unwrap_err();
        assert_eq!(told.kind, RestErrorKind::NotJson);
        assert!(told.to_string().len() < 200, "{told}");
    });
}
