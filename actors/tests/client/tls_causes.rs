//! Certificates that `ca_file` names, client certificates, and the causes that are told of others.

use matterhost_actors::mattermost::{ClientLimits, RestError, RestErrorKind, Tls, TlsIdentity};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, date_time_ymd};
use tokio::{io::AsyncWriteExt as _, net::TcpListener};

use crate::{
    support::{AfterResponse, Server, client_with, json, run, token},
    tls_server::{TlsServer, authority},
};

const ADDRESS: &str = "127.0.0.1:0";

/// As `openssl req -x509` makes a certificate: one of an authority.
fn openssl_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

async fn ping(server: &TlsServer, tls: Tls) -> Result<(), RestError> {
    let client = client_with(&server.url(), Some(tls), ClientLimits::default());
    let (_kept, pinged) = tokio::join!(server.answer(), client.system_ping());
    pinged.map(|_| ())
}

/// The cause and the remedy that are told.
async fn told(server: &TlsServer, tls: Tls) -> (String, String) {
    let error = ping(server, tls).await.unwrap_err();
    assert_eq!(error.kind, RestErrorKind::Tls, "{error}");
    (error.to_string(), error.remedy().unwrap())
}

#[test]
fn a_self_signed_certificate_that_is_named_is_accepted() {
    run(async {
        let mut end_entity = openssl_params("localhost");
        end_entity.is_ca = IsCa::ExplicitNoCa;
        let plain = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        for params in [openssl_params("localhost"), end_entity, plain] {
            let server = TlsServer::self_signed(ADDRESS, params).await;
            ping(&server, server.trusted()).await.unwrap();
        }
    });
}

#[test]
fn another_self_signed_certificate_is_not() {
    run(async {
        let server = TlsServer::self_signed(ADDRESS, openssl_params("localhost")).await;
        let other = TlsServer::self_signed(ADDRESS, openssl_params("localhost")).await;
        let (cause, remedy) = told(&server, other.trusted()).await;
        assert!(cause.contains("self-signed") && remedy.contains("ca_file"), "{cause}; {remedy}");
    });
}

#[test]
fn a_named_certificate_has_its_dates_and_names_checked_all_the_same() {
    run(async {
        let mut expired = openssl_params("localhost");
        (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 2, 3));
        let server = TlsServer::self_signed(ADDRESS, expired).await;
        let (cause, remedy) = told(&server, server.trusted()).await;
        assert!(cause.contains("expired at 2021-02-03") && remedy.contains("renew"), "{cause}; {remedy}");
        let server = TlsServer::self_signed(ADDRESS, openssl_params("other.test")).await;
        let (cause, _) = told(&server, server.trusted()).await;
        assert!(cause.contains("not valid for localhost, but for other.test"), "{cause}");
    });
}

#[test]
fn each_cause_is_told_with_its_remedy() {
    run(async {
        let server = TlsServer::bind(ADDRESS, "localhost").await;
        let stranger = TlsServer::bind(ADDRESS, "localhost").await;
        let (cause, remedy) = told(&server, stranger.trusted()).await;
        assert!(cause.contains("issuer") && remedy.contains("ca_file"), "{cause}; {remedy}");
        let again =
            TlsServer::self_signed(ADDRESS, CertificateParams::new(vec!["localhost".to_owned()]).unwrap());
        let before =
            TlsServer::self_signed(ADDRESS, CertificateParams::new(vec!["localhost".to_owned()]).unwrap());
        let (cause, remedy) = told(&again.await, before.await.trusted()).await;
        assert!(cause.contains("not signed by") && remedy.contains("made anew"), "{cause}; {remedy}");
        let mut expired = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        expired.not_after = date_time_ymd(2021, 2, 3);
        let server = TlsServer::issued(ADDRESS, expired).await;
        let (cause, _) = told(&server, server.trusted()).await;
        assert!(cause.contains("expired at 2021-02-03"), "{cause}");
        let mut early = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        early.not_before = date_time_ymd(2200, 1, 1);
        let server = TlsServer::issued(ADDRESS, early).await;
        let (cause, remedy) = told(&server, server.trusted()).await;
        assert!(cause.contains("not valid before 2200-01-01") && remedy.contains("clocks"), "{cause}");
        let server = TlsServer::bind(ADDRESS, "chat.test").await;
        let (cause, remedy) = told(&server, server.trusted()).await;
        assert!(cause.contains("but for chat.test") && remedy.contains("url"), "{cause}; {remedy}");
        let mut nameless = CertificateParams::new(Vec::new()).unwrap();
        nameless.distinguished_name.push(DnType::CommonName, "localhost");
        let server = TlsServer::self_signed(ADDRESS, nameless).await;
        let (cause, remedy) = told(&server, server.trusted()).await;
        assert!(cause.contains("names no host") && remedy.contains("subjectAltName"), "{cause}; {remedy}");
    });
}

#[test]
fn the_wrong_scheme_is_told_with_its_remedy() {
    run(async {
        let plain = Server::respond_with("HTTP/1.1 400 Bad Request\r\n\r\n", AfterResponse::Close).await;
        let listener = TcpListener::bind(ADDRESS).await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let trusting = TlsServer::bind(ADDRESS, "localhost").await;
        let client = client_with(&url, Some(trusting.trusted()), ClientLimits::default());
        let answering = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            stream
        };
        let (_kept, pinged) = tokio::join!(answering, client.system_ping());
        let error = pinged.unwrap_err();
        assert!(error.to_string().contains("plain HTTP"), "{error}");
        assert!(error.remedy().unwrap().contains("http://"));
        drop(plain);
        let url = format!("http://localhost:{}", trusting.port());
        let client = client_with(&url, None, ClientLimits::default());
        let (_refused, pinged) = tokio::join!(trusting.accept(), client.system_ping());
        let error = pinged.unwrap_err();
        assert!(error.to_string().contains("speaks TLS on this port"), "{error}");
        assert!(error.remedy().unwrap().contains("https://"));
    });
}

#[test]
fn a_client_certificate_is_shown_and_its_lack_is_told() {
    run(async {
        let (clients, key) = (authority(), KeyPair::generate().unwrap());
        let certificate =
            CertificateParams::new(vec!["us".to_owned()]).unwrap().signed_by(&key, &clients).unwrap();
        let server = TlsServer::wanting_clients(ADDRESS, clients.der().clone()).await;
        let (certificates, key) = (certificate.pem(), key.serialize_pem());
        let identity = TlsIdentity { certificates: certificates.as_bytes(), key: key.as_bytes() };
        let tls = Tls::load_with_identity(Some(server.ca_pem.as_bytes()), Some(identity)).unwrap();
        ping(&server, tls).await.unwrap();
        let (cause, remedy) = told(&server, server.trusted()).await;
        assert!(cause.contains("wants one") && remedy.contains("cert_file"), "{cause}; {remedy}");
    });
}

#[test]
fn a_dial_keeps_the_cause_too() {
    run(async {
        let server = TlsServer::bind(ADDRESS, "chat.test").await;
        let client = client_with(&server.url(), Some(server.trusted()), ClientLimits::default());
        let token = token();
        let (_refused, dialed) = tokio::join!(server.accept(), client.dial(&token, None));
        let error = dialed.unwrap_err();
        assert!(error.to_string().contains("but for chat.test"), "{error}");
        assert!(error.remedy().unwrap().contains("url"));
        // Without a word of its own about the cause there is no remedy either.
        let gone = Server::respond_with(json("{}"), AfterResponse::Close).await;
        let error =
            client_with(&gone.url(), None, ClientLimits::default()).dial(&token, None).await.unwrap_err();
        assert_eq!(error.remedy(), None);
    });
}
