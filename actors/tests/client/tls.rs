//! Certificates that the client trusts, and protocols that it offers.

use futures_util::{SinkExt as _, StreamExt as _};
use matterhost_actors::mattermost::{ClientLimits, DialErrorKind, Frame, RestErrorKind};
use rustls::HandshakeKind;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_tungstenite::{accept_async, tungstenite::Message};

use crate::{
    support::{SECRET, client, client_with, json, read_head, run, token},
    tls_server::TlsServer,
};

#[test]
fn a_custom_ca_is_trusted_by_rest_and_sockets_over_http_1_1() {
    run(async {
        let server = TlsServer::bind("127.0.0.1:0", "localhost").await;
        let url = format!("https://localhost:{}", server.port());
        let client = client_with(&url, Some(server.trusted()), ClientLimits::default());
        let serving = async {
            let mut stream = server.accept().await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
            read_head(&mut stream).await.unwrap();
            stream.write_all(json("{\"status\":\"OK\"}").as_bytes()).await.unwrap();
            stream
        };
        let (_kept, answer) = tokio::join!(serving, client.system_ping());
        assert_eq!(&*answer.unwrap().value.status, "OK");
        let token = token();
        let accepting = async { accept_async(server.accept().await.unwrap()).await.unwrap() };
        let (mut peer, dialed) = tokio::join!(accepting, client.dial(&token, None));
        let (writer, mut reader) = dialed.unwrap().socket.split();
        peer.send(Message::text("hello")).await.unwrap();
        assert_eq!(reader.next().await.unwrap().unwrap(), Frame::Text("hello".into()));
        writer.send_text("hi").unwrap();
        assert_eq!(peer.next().await.unwrap().unwrap(), Message::text("hi"));
        assert_eq!(reader.buffered_bytes(), 0);
        // A drop without a close ends the stream, as with plain TCP.
        drop(peer);
        assert!(reader.next().await.is_none());
    });
}

#[test]
fn a_reconnect_takes_its_session_up_again() {
    run(async {
        let server = TlsServer::bind("127.0.0.1:0", "localhost").await;
        let url = format!("https://localhost:{}", server.port());
        let client = client_with(&url, Some(server.trusted()), ClientLimits::default());
        let mut kinds = Vec::new();
        for _ in 0..3 {
            let token = token();
            let accepting = async { accept_async(server.accept().await.unwrap()).await.unwrap() };
            let (mut peer, dialed) = tokio::join!(accepting, client.dial(&token, None));
            kinds.push(peer.get_ref().get_ref().1.handshake_kind().unwrap());
            // The server sends its session tickets after the handshake: make the client read them.
            peer.send(Message::text("x")).await.unwrap();
            dialed.unwrap().socket.split().1.next().await.unwrap().unwrap();
        }
        assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed]);
    });
}

#[test]
fn who_is_not_trusted_is_refused_before_the_token() {
    run(async {
        let server = TlsServer::bind("127.0.0.1:0", "other.test").await;
        let url = format!("https://localhost:{}", server.port());
        let stranger = TlsServer::bind("127.0.0.1:0", "localhost").await;
        // A certificate of another CA, one of the trusted CA with another name, and no trusted CA.
        for tls in [Some(stranger.trusted()), Some(server.trusted()), None] {
            let client = client_with(&url, tls, ClientLimits::default());
            let token = token();
            let (accepted, answer) = tokio::join!(server.accept(), client.me(&token, None));
            assert!(accepted.is_err());
            assert_eq!(answer.unwrap_err().kind, RestErrorKind::Tls);
            let (accepted, dialed) = tokio::join!(server.accept(), client.dial(&token, None));
            assert!(accepted.is_err());
            assert_eq!(dialed.unwrap_err().kind, DialErrorKind::Tls);
        }
    });
}

#[test]
fn an_ipv6_address_can_have_a_certificate() {
    run(async {
        let server = TlsServer::bind("[::1]:0", "::1").await;
        let url = format!("https://[::1]:{}", server.port());
        let client = client_with(&url, Some(server.trusted()), ClientLimits::default());
        let serving = async {
            let mut stream = server.accept().await.unwrap();
            read_head(&mut stream).await.unwrap();
            stream.write_all(json("{}").as_bytes()).await.unwrap();
            stream
        };
        let (_kept, answer) = tokio::join!(serving, client.system_ping());
        answer.unwrap();
    });
}

#[test]
fn the_wrong_scheme_is_told_both_ways() {
    run(async {
        let server = TlsServer::bind("127.0.0.1:0", "localhost").await;
        let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", plain.local_addr().unwrap());
        let client_of_plain = client_with(&url, Some(server.trusted()), ClientLimits::default());
        let refusing = async {
            let (mut stream, _) = plain.accept().await.unwrap();
            let mut hello = [0; 1000];
            let size = stream.read(&mut hello).await.unwrap();
            assert!(size > 0 && !String::from_utf8_lossy(&hello).contains(SECRET));
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            stream
        };
        let secret = token();
        let (_kept, answer) = tokio::join!(refusing, client_of_plain.me(&secret, None));
        assert_eq!(answer.unwrap_err().kind, RestErrorKind::Tls);
        let client = client(&format!("http://localhost:{}", server.port()));
        let token = token();
        let (accepted, answer) = tokio::join!(server.accept(), client.me(&token, None));
        assert!(accepted.is_err());
        let kind = answer.unwrap_err().kind;
        assert!(matches!(kind, RestErrorKind::BadBody | RestErrorKind::Unreachable), "{kind:?}");
    });
}
