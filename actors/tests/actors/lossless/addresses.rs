//! Two addresses of a server, each with troubles of its own.

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use rcgen::{CertificateParams, KeyPair};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Notify, watch},
};
use tokio_rustls::TlsAcceptor;

/// The faults of addresses that lead to a server; the last two need TLS.
pub(super) const ADDRESS_FAULTS: [&str; 4] =
    ["silent address", "closing address", "wrong certificate", "plain answer"];

/// The number of the faults above that need no TLS.
const PLAIN_FAULTS: usize = 2;

/// Connections that wait at an address. While it is silent, all others are dropped by the kernel.
const BACKLOG: u32 = 1;

/// A server that shows a certificate for another name.
static WRONG_SERVER: LazyLock<TlsAcceptor> = LazyLock::new(|| {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["other.test".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
});

/// The trouble of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// Connections are led to the server.
    None,
    /// Nobody answers until it is over.
    Silent,
    /// Connections are closed at once.
    Closing,
    /// Connections get a certificate for another name.
    WrongCertificate,
    /// Connections get an answer in plain HTTP.
    Plain,
}

/// Two addresses that lead to one server.
pub(super) struct TwoAddresses {
    fronts: [Front; 2],
    has_tls: bool,
}

struct Front {
    address: SocketAddr,
    trouble: Arc<watch::Sender<Trouble>>,
    /// Ends the connections made before.
    ending: Arc<Notify>,
}

impl TwoAddresses {
    pub(super) fn of(server: SocketAddr, has_tls: bool) -> Self {
        Self { fronts: [Front::start(server), Front::start(server)], has_tls }
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.fronts.iter().map(|front| front.address).collect()
    }

    /// Returns the faults that can strike here.
    pub(super) fn faults(&self) -> &'static [&'static str] {
        if self.has_tls { &ADDRESS_FAULTS } else { &ADDRESS_FAULTS[..PLAIN_FAULTS] }
    }

    /// Gives the first address, the second or both a trouble for a while. Connections made before may end.
    pub(super) fn strike(&self, random: &mut fastrand::Rng, name: &str) {
        let trouble = match name {
            "silent address" => Trouble::Silent,
            "closing address" => Trouble::Closing,
            "wrong certificate" => Trouble::WrongCertificate,
            _ => Trouble::Plain,
        };
        let lasting = Duration::from_millis(random.u64(50..=700));
        let ends_connections = random.bool();
        let struck = [&self.fronts[..1], &self.fronts[1..], &self.fronts[..]][random.usize(..3)];
        for front in struck {
            front.trouble.send_replace(trouble);
            if ends_connections {
                front.ending.notify_waiters();
            }
            let over = Arc::clone(&front.trouble);
            tokio::spawn(async move {
                tokio::time::sleep(lasting).await;
                over.send_replace(Trouble::None);
            });
        }
    }

    /// Ends all troubles.
    pub(super) fn clear(&self) {
        for front in &self.fronts {
            front.trouble.send_replace(Trouble::None);
        }
    }
}

impl Front {
    fn start(server: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(BACKLOG).unwrap();
        let (trouble, watched) = watch::channel(Trouble::None);
        let address = listener.local_addr().unwrap();
        let ending = Arc::<Notify>::default();
        tokio::spawn(lead_all(listener, server, watched, Arc::clone(&ending)));
        Self { address, trouble: Arc::new(trouble), ending }
    }
}

/// Accepts connections until the test ends.
async fn lead_all(
    listener: TcpListener,
    server: SocketAddr,
    mut watched: watch::Receiver<Trouble>,
    ending: Arc<Notify>,
) {
    loop {
        let trouble = *watched.borrow_and_update();
        tokio::select! {
            accepted = listener.accept(), if trouble != Trouble::Silent => {
                tokio::spawn(lead(accepted.unwrap().0, server, trouble, Arc::clone(&ending)));
            }
            changed = watched.changed() => if changed.is_err() { return },
        }
    }
}

/// Leads a connection to the server, or into trouble. Its end is seen on both sides, so errors say nothing more.
async fn lead(mut stream: TcpStream, server: SocketAddr, trouble: Trouble, ending: Arc<Notify>) {
    match trouble {
        Trouble::Closing => {}
        Trouble::WrongCertificate => drop(WRONG_SERVER.accept(stream).await),
        Trouble::Plain => drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await),
        Trouble::None | Trouble::Silent => {
            let Ok(mut onward) = TcpStream::connect(server).await else { return };
            let _ = (stream.set_nodelay(true), onward.set_nodelay(true));
            tokio::select! {
                _ = copy_bidirectional(&mut stream, &mut onward) => {}
                () = ending.notified() => {}
            }
        }
    }
}
