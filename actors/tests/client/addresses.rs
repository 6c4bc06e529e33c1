//! Servers with several addresses.

use std::{net::SocketAddr, time::Duration};

use matterhost_actors::mattermost::{Client, ClientConfig, ClientLimits, RestErrorKind, Tls};
use tokio::{net::TcpListener, time::Instant};
use tokio_tungstenite::accept_async;

use crate::{
    support::{AfterResponse, Server, json, run, token},
    tls_server::TlsServer,
};

/// A client of `https://localhost` at these addresses, which closes its connections after each request.
fn client_at(addresses: Vec<SocketAddr>, tls: Option<Tls>) -> Client {
    let url = if tls.is_some() { "https://localhost" } else { "http://localhost" };
    let limits = ClientLimits { keep_alive: Duration::ZERO, ..ClientLimits::default() };
    let config = ClientConfig::new(url.parse().unwrap(), tls, limits, "matterhost/test");
    Client::new(&config.with_addresses(addresses))
}

async fn closed_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[test]
fn an_address_that_refuses_does_not_hide_the_next() {
    run(async {
        let server = Server::respond_with(json("{\"status\":\"OK\"}"), AfterResponse::KeepAlive).await;
        let client = client_at(vec![closed_address().await, server.address], None);
        client.system_ping().await.unwrap();
        let nowhere = client_at(vec![closed_address().await, closed_address().await], None);
        let error = nowhere.system_ping().await.unwrap_err();
        assert_eq!(error.kind, RestErrorKind::Unreachable);
        assert_eq!(error.to_string().matches("refused").count(), 2, "{error}");
    });
}

#[test]
fn a_wrong_certificate_does_not_hide_the_next_address_and_the_good_one_is_remembered() {
    run(async {
        let (good, wrong) = (
            TlsServer::bind("127.0.0.1:0", "localhost").await,
            TlsServer::bind("127.0.0.1:0", "other.test").await,
        );
        let pem = good.ca_pem.clone() + &wrong.ca_pem;
        let addresses = [&wrong, &good].map(|server| server.listener.local_addr().unwrap());
        let client = client_at(addresses.to_vec(), Some(Tls::load(Some(pem.as_bytes())).unwrap()));
        let (refused, kept, pinged) = tokio::join!(wrong.accept(), good.answer(), client.system_ping());
        assert!(refused.is_err() && kept.is_ok());
        pinged.unwrap();
        // From now on the wrong one is not asked: nobody accepts there.
        let (kept, pinged) = tokio::join!(good.answer(), client.system_ping());
        assert!(kept.is_ok());
        pinged.unwrap();
        let token = token();
        let accepting = async { accept_async(good.accept().await.unwrap()).await.unwrap() };
        let (_peer, dialed) = tokio::join!(accepting, client.dial(&token, None));
        dialed.unwrap();
        let waiting = tokio::time::timeout(Duration::ZERO, wrong.accept()).await;
        assert!(waiting.is_err(), "the wrong address was asked again");
    });
}

#[test]
fn an_address_that_is_silent_in_the_handshake_costs_seconds_once() {
    run(async {
        let good = TlsServer::bind("127.0.0.1:0", "localhost").await;
        // The kernel accepts; nobody answers.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = vec![silent.local_addr().unwrap(), good.listener.local_addr().unwrap()];
        let client = client_at(addresses, Some(good.trusted()));
        for limit in [Duration::from_secs(5), Duration::from_secs(1)] {
            let start = Instant::now();
            let (_kept, pinged) = tokio::join!(good.answer(), client.system_ping());
            pinged.unwrap();
            assert!(start.elapsed() < limit, "{:?}", start.elapsed());
        }
    });
}

#[test]
fn a_certificate_that_is_wrong_everywhere_is_told() {
    run(async {
        let wrong = TlsServer::bind("127.0.0.1:0", "other.test").await;
        let addresses = vec![closed_address().await, wrong.listener.local_addr().unwrap()];
        let client = client_at(addresses, Some(wrong.trusted()));
        let (_refused, pinged) = tokio::join!(wrong.accept(), client.system_ping());
        let error = pinged.unwrap_err();
        assert_eq!(error.kind, RestErrorKind::Tls);
        assert!(error.to_string().contains("other.test"), "{error}");
    });
}
