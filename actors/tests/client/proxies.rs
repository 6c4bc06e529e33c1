//! Connections through proxies, and the extra headers of a server.

use std::{cell::RefCell, rc::Rc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use matterhost_actors::mattermost::{
    Client, ClientConfig, ClientLimits, ExtraHeaders, Proxy, RestErrorKind, Tls,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::accept_async;

use crate::{
    support::{AfterResponse, SECRET, Server, header, json, read_head, run, token},
    tls_server::TlsServer,
};

/// A name that only the proxy can look up.
const INNER: &str = "chat.inner.test";

/// A proxy that leads every connection to one server, and remembers what it was asked for.
#[derive(Clone, Default)]
struct Way {
    asked: Rc<RefCell<Vec<String>>>,
}

impl Way {
    fn asked(&self) -> Vec<String> {
        self.asked.borrow().clone()
    }

    /// Answers CONNECT, and connects to `target` where the answer is 200.
    async fn connect<S: AsyncRead + AsyncWrite + Unpin>(self, mut stream: S, status: &str, target: u16) {
        let Some(head) = read_head(&mut stream).await else { return };
        self.asked.borrow_mut().push(head);
        // An interim response goes before.
        let answer = format!("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 {status}\r\nserver: test\r\n\r\n");
        if stream.write_all(answer.as_bytes()).await.is_ok() && status.starts_with("200") {
            self.join(stream, target).await;
        }
    }

    /// Answers SOCKS 5 with a user name and a password.
    async fn socks(self, mut stream: TcpStream, password: &str, answer: u8, target: u16) -> Option<()> {
        let methods = read_block::<1>(&mut stream).await?;
        let wanted = if password.is_empty() { 0 } else { 2 };
        if !methods.contains(&wanted) {
            stream.write_all(&[5, 0xff]).await.ok()?;
            return None;
        }
        stream.write_all(&[5, wanted]).await.ok()?;
        if wanted == 2 {
            let _user = read_block::<1>(&mut stream).await?;
            let length = stream.read_u8().await.ok()?;
            let mut given = vec![0; length.into()];
            stream.read_exact(&mut given).await.ok()?;
            let wrong = u8::from(given != password.as_bytes());
            stream.write_all(&[1, wrong]).await.ok()?;
            if wrong != 0 {
                return None;
            }
        }
        let name = read_block::<4>(&mut stream).await?;
        let port = stream.read_u16().await.ok()?;
        self.asked.borrow_mut().push(format!("{}:{port}", String::from_utf8(name).unwrap()));
        stream.write_all(&[5, answer, 0, 1, 0, 0, 0, 0, 0, 0]).await.ok()?;
        if answer == 0 {
            self.join(stream, target).await;
        }
        Some(())
    }

    async fn join<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S, target: u16) {
        let mut server = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
        let _ = copy_bidirectional(&mut stream, &mut server).await;
    }
}

/// Reads a head of `HEAD` bytes, a length, and as many bytes.
async fn read_block<const HEAD: usize>(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = [0; HEAD];
    stream.read_exact(&mut head).await.ok()?;
    let mut block = vec![0; stream.read_u8().await.ok()?.into()];
    stream.read_exact(&mut block).await.ok()?;
    Some(block)
}

/// Starts an HTTP proxy on its own port.
async fn http_proxy(status: &'static str, target: u16) -> (Way, String) {
    let (way, listener) = (Way::default(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap().to_string();
    let serving = way.clone();
    actix_rt::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            actix_rt::spawn(serving.clone().connect(stream, status, target));
        }
    });
    (way, address)
}

async fn socks_proxy(password: &'static str, answer: u8, target: u16) -> (Way, String) {
    let (way, listener) = (Way::default(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap().to_string();
    let serving = way.clone();
    actix_rt::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            actix_rt::spawn(serving.clone().socks(stream, password, answer, target));
        }
    });
    (way, address)
}

fn client_through(proxy: &str, url: &str, tls: Option<Tls>) -> Client {
    let config = ClientConfig::new(url.parse().unwrap(), tls, ClientLimits::default(), "matterhost/test");
    Client::new(&config.with_proxy(Some(proxy.parse::<Proxy>().unwrap())))
}

async fn ok_server() -> Server {
    Server::respond_with(json("{\"status\":\"OK\"}"), AfterResponse::KeepAlive).await
}

#[test]
fn rest_goes_by_connect_also_in_the_clear_and_credentials_go_along() {
    run(async {
        let server = ok_server().await;
        let (way, proxy) = http_proxy("200 OK", server.address.port()).await;
        let client =
            client_through(&format!("http://me:pass@{proxy}"), &format!("http://{INNER}:8065"), None);
        client.me(&token(), None).await.unwrap_err();
        client.system_ping().await.unwrap();
        let [asked] = &way.asked()[..] else { panic!("{:?}", way.asked()) };
        assert!(asked.starts_with("CONNECT chat.inner.test:8065 HTTP/1.1\r\n"), "{asked}");
        assert_eq!(header(asked, "host"), Some("chat.inner.test:8065"));
        let expected = format!("Basic {}", BASE64_STANDARD.encode("me:pass"));
        assert_eq!(header(asked, "proxy-authorization"), Some(&*expected));
        assert!(!asked.contains(SECRET), "the token is for the server alone");
        assert!(server.heads().iter().all(|head| header(head, "proxy-authorization").is_none()));
        assert_eq!(header(&server.heads()[0], "host"), Some("chat.inner.test:8065"));
    });
}

#[test]
fn tls_and_sockets_go_through_a_tunnel() {
    run(async {
        let server = TlsServer::bind("127.0.0.1:0", INNER).await;
        let (way, proxy) = http_proxy("200 Connection established", server.port()).await;
        let (socks, socks_proxy) = socks_proxy("", 0, server.port()).await;
        for proxy in [format!("http://{proxy}"), format!("socks5://{socks_proxy}")] {
            let client = client_through(&proxy, &format!("https://{INNER}"), Some(server.trusted()));
            let (_kept, pinged) = tokio::join!(server.answer(), client.system_ping());
            pinged.unwrap();
            let token = token();
            let accepting = async { accept_async(server.accept().await.unwrap()).await.unwrap() };
            let (_peer, dialed) = tokio::join!(accepting, client.dial(&token, None));
            dialed.unwrap();
        }
        assert_eq!((way.asked().len(), socks.asked().len()), (2, 2));
        assert_eq!(socks.asked()[0], "chat.inner.test:443");
    });
}

#[test]
fn a_proxy_may_be_reached_over_tls() {
    run(async {
        let server = TlsServer::bind("127.0.0.1:0", INNER).await;
        let outer = Rc::new(TlsServer::bind("127.0.0.1:0", "localhost").await);
        let (way, target) = (Way::default(), server.port());
        let (serving, proxy) = (way.clone(), Rc::clone(&outer));
        actix_rt::spawn(async move {
            let stream = proxy.accept().await.unwrap();
            serving.connect(stream, "200 OK", target).await;
        });
        let pem = server.ca_pem.clone() + &outer.ca_pem;
        let tls = Tls::load(Some(pem.as_bytes())).unwrap();
        let client = client_through(
            &format!("https://localhost:{}", outer.port()),
            &format!("https://{INNER}"),
            Some(tls),
        );
        let (_kept, pinged) = tokio::join!(server.answer(), client.system_ping());
        pinged.unwrap();
        assert!(way.asked()[0].starts_with("CONNECT chat.inner.test:443"));
    });
}

#[test]
fn a_refusal_of_the_proxy_is_told_with_its_remedy() {
    run(async {
        let server = ok_server().await;
        for (status, credentials, kind, remedy) in [
            ("407 x", "", RestErrorKind::Proxy, Some("proxy_auth_file")),
            ("407 x", "me:hidden@", RestErrorKind::Proxy, Some("check the user name")),
            ("403 x", "", RestErrorKind::Proxy, Some("CONNECT")),
            ("502 x", "", RestErrorKind::Unreachable, None),
            ("503 x", "", RestErrorKind::Unreachable, None),
        ] {
            let (_way, proxy) = http_proxy(status, server.address.port()).await;
            let client =
                client_through(&format!("http://{credentials}{proxy}"), &format!("http://{INNER}"), None);
            let error = client.system_ping().await.unwrap_err();
            assert_eq!(error.kind, kind, "{error}");
            let told = format!("{error}; {:?}", error.remedy());
            assert!(
                told.contains(&proxy) && told.contains(&status[..3]) && !told.contains("hidden"),
                "{told}"
            );
            assert_eq!(error.remedy().is_some(), remedy.is_some());
            assert!(remedy.is_none_or(|remedy| told.contains(remedy)), "{told}");
        }
        assert!(server.heads().is_empty());
    });
}

#[test]
fn socks_takes_credentials_and_its_refusals_are_told() {
    run(async {
        let server = ok_server().await;
        for (credentials, password, answer, kind) in [
            ("me:pass@", "pass", 0, None),
            ("", "pass", 0, Some(RestErrorKind::Proxy)),
            ("me:hidden@", "pass", 0, Some(RestErrorKind::Proxy)),
            ("", "", 2, Some(RestErrorKind::Proxy)),
            ("", "", 5, Some(RestErrorKind::Unreachable)),
        ] {
            let (_way, proxy) = socks_proxy(password, answer, server.address.port()).await;
            let client =
                client_through(&format!("socks5://{credentials}{proxy}"), &format!("http://{INNER}"), None);
            let error = client.system_ping().await.err();
            assert_eq!(error.as_ref().map(|error| error.kind), kind, "{error:?}");
            assert!(!format!("{error:?}").contains("hidden"));
        }
    });
}

#[test]
fn what_is_no_proxy_is_told() {
    run(async {
        let other = Server::respond_with("SSH-2.0-x\r\n\r\n", AfterResponse::Close).await;
        let client = client_through(&other.url(), &format!("http://{INNER}"), None);
        let error = client.system_ping().await.unwrap_err();
        assert_eq!(error.kind, RestErrorKind::Proxy);
        assert!(error.remedy().unwrap().contains("address of an HTTP proxy"));
        let endless = Server::respond_with("HTTP/1.1 200 OK\r\n".repeat(10_000), AfterResponse::Hang).await;
        let error = client_through(&endless.url(), &format!("http://{INNER}"), None).system_ping().await;
        assert!(error.unwrap_err().to_string().contains("no end"));
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = client_through(&gone.to_string(), &format!("http://{INNER}"), None).system_ping().await;
        let error = error.unwrap_err();
        assert_eq!(error.kind, RestErrorKind::Unreachable);
        assert!(error.to_string().contains(&format!("proxy http://{gone}")), "{error}");
    });
}

#[test]
fn extra_headers_go_with_requests_and_dials() {
    run(async {
        let server = ok_server().await;
        let headers = ExtraHeaders::parse(["CF-Access-Client-Id: abc", "X-Team: bots"]).unwrap();
        let url = server.url().parse().unwrap();
        let config = ClientConfig::new(url, None, ClientLimits::default(), "matterhost/test");
        let client = Client::new(&config.with_headers(headers));
        client.system_ping().await.unwrap();
        client.dial(&token(), None).await.unwrap_err();
        let heads = server.heads();
        assert_eq!(heads.len(), 2);
        for head in heads {
            assert_eq!(
                (header(&head, "cf-access-client-id"), header(&head, "x-team")),
                (Some("abc"), Some("bots"))
            );
        }
    });
}
