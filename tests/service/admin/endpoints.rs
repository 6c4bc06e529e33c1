//! The address of the API: TCP, a Unix socket, TLS, or an address in use.

use std::{
    fs,
    io::Write as _,
    net::{TcpListener, TcpStream},
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};

use super::{
    host::{ANY_PORT, AdminHost, wait_for_api},
    http_client::{self, Response},
};
use crate::program::{ConfigDir, DEADLINE, Fixture, RunningProgram};

fn request_over_socket(path: &Path, request: &str) -> Response {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    http_client::read(stream).unwrap()
}

fn configure_socket(fixture: &Fixture) -> (ConfigDir, PathBuf) {
    let dir = ConfigDir::with(&format!(
        "{}[admin]\nunix = \"admin.sock\"\nallow_anonymous = true\n",
        fixture.config()
    ));
    let path = dir.path().join("admin.sock");
    (dir, path)
}

fn run_at_socket(dir: &ConfigDir) -> RunningProgram {
    let mut running = RunningProgram::start(dir.matterhost(&["run"]));
    let line =
        running.log.wait_for_json("the admin API", |line| line["message"] == "the admin API is listening");
    assert!(line["url"].as_str().unwrap().ends_with("/admin.sock"), "{line}");
    running
}

#[test]
fn a_socket_is_for_its_user_alone_and_goes_with_the_host() {
    let fixture = Fixture::new();
    let (dir, path) = configure_socket(&fixture);
    let running = run_at_socket(&dir);
    let found = fs::metadata(&path).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    for request in [
        "GET /v1/instance HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "GET /v1/accounts HTTP/1.0\r\n\r\n",
    ] {
        assert_eq!(request_over_socket(&path, request).status, 200, "{request}");
    }
    running.signal("TERM");
    assert_eq!(running.wait_for_exit().0.code(), Some(0));
    assert!(!path.exists());
}

#[test]
fn a_socket_that_a_killed_run_left_is_taken_over() {
    let fixture = Fixture::new();
    let (dir, path) = configure_socket(&fixture);
    let running = run_at_socket(&dir);
    running.signal("KILL");
    running.wait_for_exit();
    assert!(path.exists());
    let _running = run_at_socket(&dir);
    assert_eq!(request_over_socket(&path, "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").status, 200);
}

/// Runs the program until it fails, and returns its log.
fn run_until_failure(dir: &ConfigDir) -> String {
    let running = RunningProgram::start(dir.matterhost(&["run"]));
    let (status, log) = running.wait_for_exit();
    assert_eq!(status.code(), Some(1), "{log:#?}");
    log.concat()
}

#[test]
fn an_occupied_socket_path_ends_the_host_and_stays_unchanged() {
    let fixture = Fixture::new();
    let (dir, path) = configure_socket(&fixture);
    let other = UnixListener::bind(&path).unwrap();
    let log = run_until_failure(&dir);
    assert!(log.contains("admin.sock") && log.contains("in use") && log.contains("admin."), "{log}");
    drop(other);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "another file").unwrap();
    let log = run_until_failure(&dir);
    assert!(log.contains("admin.sock") && log.contains("in use"), "{log}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "another file");
    fs::remove_file(&path).unwrap();
    let dir = ConfigDir::with(&format!("{}[admin]\nunix = \"no/where/a.sock\"\n", fixture.config()));
    assert!(run_until_failure(&dir).contains("No such file"));
}

#[test]
fn an_occupied_configured_address_ends_the_host() {
    let fixture = Fixture::new();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    let dir = ConfigDir::with(&format!("{}[admin]\nbind = \"{address}\"\n", fixture.config()));
    let log = run_until_failure(&dir);
    assert!(log.contains(&address.to_string()) && log.contains("set admin.bind to a free address"), "{log}");
    assert_eq!(log.matches("in use").count(), 1, "{log}");
    assert_eq!(fixture.simulator.counters().hellos_sent, 0);
}

/// Binds an address as soon as it is free: another test run on this machine may use it.
fn bind_when_free(address: &str) -> TcpListener {
    let end = Instant::now() + DEADLINE;
    loop {
        match TcpListener::bind(address) {
            Ok(listener) => return listener,
            Err(error) => assert!(Instant::now() < end, "{address} does not become free: {error}"),
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_occupied_default_address_is_only_a_warning() {
    let fixture = Fixture::new();
    let _other = bind_when_free(matterhost::config::DEFAULT_BIND);
    let dir = ConfigDir::with(&fixture.config());
    let mut running = RunningProgram::start(dir.matterhost(&["run"]));
    let line = running.log.wait_for_json("a warning", |line| line["level"] == "WARN");
    let message = line["message"].as_str().unwrap();
    assert!(message.contains("127.0.0.1:8466") && message.contains("admin.enabled = false"), "{message}");
    running.log.wait_for_fact("ready");
}

#[test]
fn a_disabled_api_does_not_listen() {
    let fixture = Fixture::new();
    let dir =
        ConfigDir::with(&format!("{}[admin]\nenabled = false\nunix = \"admin.sock\"\n", fixture.config()));
    let mut running = RunningProgram::start(dir.matterhost(&["run"]));
    running.log.wait_for_fact("ready");
    assert!(!dir.path().join("admin.sock").exists());
    running.signal("TERM");
    let (_, log) = running.wait_for_exit();
    assert!(log.iter().all(|line| !line.contains("admin API")), "{log:#?}");
}

/// Starts a host with TLS; returns it with its certificate.
fn start_with_tls() -> (AdminHost, String) {
    let certificate =
        rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let fixture = Fixture::new();
    let more = format!(
        "{ANY_PORT}allow_anonymous = true\ntls_cert_file = \"cert.pem\"\ntls_key_file = \"key.pem\"\n"
    );
    let dir = ConfigDir::with(&format!("{}{more}", fixture.config()));
    dir.write("cert.pem", &certificate.cert.pem());
    dir.write("key.pem", &certificate.signing_key.serialize_pem());
    let mut running = RunningProgram::start(dir.matterhost(&["run"]));
    let address = wait_for_api(&mut running);
    let api = super::host::Api { address, token: None };
    (AdminHost { running, api, dir, fixture }, certificate.cert.pem())
}

fn client_config(pem: &str, protocols: &[&[u8]]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config
}

#[test]
fn over_tls_the_api_shows_its_certificate() {
    let (host, pem) = start_with_tls();
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::new(client_config(&pem, &[])), name).unwrap();
    let mut stream = StreamOwned::new(session, http_client::connect(host.address));
    stream.write_all(b"GET /v1/instance HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    assert_eq!(http_client::read(stream).unwrap().status, 200);
    // A plain HTTP request is closed and does not disturb the server.
    let mut plain = http_client::connect(host.address);
    plain.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    assert!(http_client::is_closed(&mut plain, DEADLINE));
    // A silent connection is closed, too.
    let mut silent = http_client::connect(host.address);
    assert!(
        http_client::is_closed(&mut silent, Duration::from_secs(10)),
        "the connection without a handshake is still open"
    );
}

/// Performs a TLS handshake like a browser, which prefers HTTP/2; returns the stream and the protocol agreed on.
fn handshake(host: &AdminHost, pem: &str) -> (StreamOwned<ClientConnection, TcpStream>, Option<Vec<u8>>) {
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::new(client_config(pem, &[b"h2", b"http/1.1"])), name).unwrap();
    let mut stream = StreamOwned::new(session, http_client::connect(host.address));
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    let agreed = stream.conn.alpn_protocol().map(<[u8]>::to_vec);
    (stream, agreed)
}

#[test]
fn over_tls_only_http_1_works_and_idle_clients_are_disconnected() {
    let (host, pem) = start_with_tls();
    let own = format!("https://{}", host.address);
    for (name, origin, status) in [
        ("localhost", own.as_str(), 403),
        (own.trim_start_matches("https://"), own.as_str(), 200),
        ("localhost", "https://evil.example", 403),
        ("evil.example", "https://evil.example", 421),
    ] {
        let (mut stream, agreed) = handshake(&host, &pem);
        assert_eq!(agreed.as_deref(), Some(b"http/1.1".as_slice()));
        let head = http_client::head("GET", "/v1/accounts", &[("host", name), ("origin", origin)]);
        stream.write_all(head.as_bytes()).unwrap();
        assert_eq!(http_client::read(stream).unwrap().status, status, "{name} from {origin}");
    }
    let (mut idle, _) = handshake(&host, &pem);
    assert!(
        http_client::is_closed(&mut idle.sock, Duration::from_secs(20)),
        "the idle connection is still open"
    );
}
