//! Handlers with several addresses.

use std::{
    io::{BufReader, Write as _},
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use matterhost_actors::mattermost::{ClientConfig, ClientLimits, Tls};
use rcgen::{CertificateParams, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::ring, pki_types::PrivateKeyDer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::*;
use crate::sinks::tests::http;

/// More than one silent address costs on a busy machine, and less than the limit on the time for connecting.
const QUICK: Duration = Duration::from_secs(5);

/// An address at which nobody answers: the queue of its listener is full, so the kernel drops what comes.
struct SilentAddress {
    listener: TcpListener,
    _filler: TcpStream,
}

impl SilentAddress {
    async fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let filler = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        Self { listener, _filler: filler }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }
}

/// A handler with a self-signed certificate, which answers one request in a connection.
struct TlsHandler {
    address: SocketAddr,
    certificate: String,
    connections: Arc<AtomicUsize>,
}

impl TlsHandler {
    fn start(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let (config, connections) = (Arc::new(config), Arc::<AtomicUsize>::default());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, count) = (listener.local_addr().unwrap(), Arc::clone(&connections));
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                count.fetch_add(1, Ordering::AcqRel);
                answer_one(&config, stream);
            }
        });
        Self { address, certificate: certificate.pem(), connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Acquire)
    }
}

/// Accepts the next request, unless the client refuses the certificate.
fn answer_one(config: &Arc<ServerConfig>, stream: std::net::TcpStream) {
    let connection = ServerConnection::new(Arc::clone(config)).unwrap();
    let mut reader = BufReader::new(StreamOwned::new(connection, stream));
    if http::read(&mut reader).is_some() {
        reader.get_mut().write_all(b"HTTP/1.1 204 X\r\nconnection: close\r\n\r\n").unwrap();
    }
}

/// A client of `localhost` at these addresses, which keeps no connection.
fn client_at(url: &str, tls: Option<Tls>, addresses: Vec<SocketAddr>) -> ClientConfig {
    let limits = ClientLimits { keep_alive: Duration::ZERO, ..ClientLimits::default() };
    ClientConfig::new(url.parse().unwrap(), tls, limits, "matterhost/test").with_addresses(addresses)
}

#[tokio::test]
async fn a_silent_address_does_not_hide_the_next_and_is_not_tried_again() {
    let (silent, server) = (SilentAddress::new().await, server(Vec::new()));
    let addresses = vec![silent.address(), server.address];
    let hook = start(&server, |config| config.client = client_at("http://localhost", None, addresses));
    let start = Instant::now();
    assert_eq!(outcome(hook.deliver(&post("c", "1"))).await, Outcome::Acknowledged);
    assert!(start.elapsed() < QUICK, "{:?}", start.elapsed());
    // The address takes connections now, and still answers nothing.
    drop(silent.listener.accept().await.unwrap());
    assert_eq!(outcome(hook.deliver(&post("c", "2"))).await, Outcome::Acknowledged);
    let again = tokio::time::timeout(Duration::ZERO, silent.listener.accept()).await;
    assert!(again.is_err(), "the silent address was tried again");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_wrong_certificate_does_not_hide_the_next_address_and_is_not_tried_again() {
    let (wrong, good) = (TlsHandler::start("other.test"), TlsHandler::start("localhost"));
    let trusted = good.certificate.clone() + &wrong.certificate;
    let tls = Tls::load(Some(trusted.as_bytes())).unwrap();
    let client = client_at("https://localhost", Some(tls), vec![wrong.address, good.address]);
    let hook = start(&server(Vec::new()), |config| config.client = client);
    for id in ["1", "2"] {
        assert_eq!(outcome(hook.deliver(&post("c", id))).await, Outcome::Acknowledged);
    }
    assert_eq!((wrong.connections(), good.connections()), (1, 2));
}

#[tokio::test]
async fn a_certificate_that_is_wrong_at_each_address_is_named() {
    let wrong = TlsHandler::start("other.test");
    let tls = Tls::load(Some(wrong.certificate.as_bytes())).unwrap();
    let refusing = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = client_at("https://localhost", Some(tls), vec![refusing, wrong.address]);
    let hook = start(&server(Vec::new()), |config| config.client = client);
    let cause = cause(outcome(hook.deliver(&post("c", "1"))).await);
    assert!(cause.contains("not valid for localhost, but for other.test"), "{cause}");
}
