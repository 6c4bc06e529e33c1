//! Ways to a server and a handler: proxies, headers, self-signed certificates; and causes that are kept.

use std::{
    fmt::Write as _,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, mpsc},
    thread,
};

use matterhost_simulator::Simulator;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use rustls::{ServerConfig, ServerConnection, StreamOwned, pki_types::PrivateKeyDer};
use serde_json::Value;

use crate::program::{ConfigDir, DEADLINE, Fixture, RunningProgram, text};

const SECRET: &str = "whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw";

/// An HTTP proxy that leads to one place, whatever is asked for, and remembers what was.
struct ConnectProxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ConnectProxy {
    fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let log = Arc::clone(&log);
                thread::spawn(move || lead(&stream, target, &log));
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn lead(stream: &TcpStream, target: SocketAddr, asked: &Mutex<Vec<String>>) -> io::Result<()> {
    let head = read_head(stream.try_clone()?)?;
    asked.lock().unwrap().push(head);
    let mut client = stream.try_clone()?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let server = TcpStream::connect(target)?;
    let (mut up, mut from) = (server.try_clone()?, stream.try_clone()?);
    thread::spawn(move || io::copy(&mut from, &mut up).and_then(|_| up.shutdown(std::net::Shutdown::Both)));
    io::copy(&mut &server, &mut client)?;
    client.shutdown(std::net::Shutdown::Both)
}

/// Reads up to the empty line, and nothing of what follows.
fn read_head(mut stream: impl io::Read) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

/// A handler with a certificate as `openssl req -x509` makes it. Returns its address, its certificate, and what it is
/// sent.
fn self_signed_handler() -> (SocketAddr, String, mpsc::Receiver<String>) {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let (given, taken) = mpsc::channel();
    let (address, certificate) = self_signed_server(&params, move |stream| handle(stream, &given));
    (address, certificate, taken)
}

/// A server that shows a certificate and handles one connection after another. Returns its address and the certificate.
fn self_signed_server(
    params: &CertificateParams,
    handle: impl Fn(StreamOwned<ServerConnection, TcpStream>) -> io::Result<()> + Send + 'static,
) -> (SocketAddr, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let _ = handle(StreamOwned::new(connection, stream));
        }
    });
    (address, certificate.pem())
}

/// Answers one request, hints first.
fn handle(stream: StreamOwned<ServerConnection, TcpStream>, given: &mpsc::Sender<String>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    given.send(String::from_utf8_lossy(&body).into_owned()).map_err(io::Error::other)?;
    let hints = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
    let stream = reader.get_mut();
    stream.write_all(&[&hints[..], b"HTTP/1.1 204 x\r\nconnection: close\r\n\r\n"].concat())?;
    stream.flush()
}

/// A configuration whose server has a name that only the proxy knows.
fn config_behind(fixture: &Fixture) -> String {
    fixture.config().replace(fixture.simulator.url(), "http://chat.inner.invalid:8065")
}

#[test]
fn a_proxy_of_the_environment_leads_rest_sockets_and_webhooks() {
    let fixture = Fixture::new();
    let proxy = ConnectProxy::start(fixture.simulator.address());
    // The handler's way leads to the simulator as well, which knows no such route.
    let hook = format!(
        "[sinks.hook]\ntype = \"webhook\"\nurl = \"http://hook.inner.invalid/x\"\nsecret = \"{SECRET}\"\n"
    );
    let dir = ConfigDir::with(&(config_behind(&fixture) + &hook));
    let mut command = dir.matterhost(&["run"]);
    command.env("HTTP_PROXY", format!("http://me:mustnotshow@{}", proxy.address));
    let mut running = RunningProgram::start(command);
    running.log.wait_for_fact("ready");
    fixture.post("through the proxy");
    running.log.wait_for_line("the handler answered 404 Not Found");
    let asked = proxy.asked();
    let of = |host: &str| asked.iter().filter(|head| head.starts_with(&format!("CONNECT {host} "))).count();
    assert!(of("chat.inner.invalid:8065") >= 2, "REST and the socket: {asked:?}");
    assert!(of("hook.inner.invalid:80") >= 1, "{asked:?}");
    assert!(asked.iter().all(|head| head.contains("Proxy-Authorization: Basic bWU6bXVzdG5vdHNob3c=")));
}

#[test]
fn check_shows_the_route_to_each_server() {
    let fixture = Fixture::new();
    let proxy = ConnectProxy::start(fixture.simulator.address());
    let way = |config: &str, environment: &[(&str, &str)]| {
        let dir = ConfigDir::with(config);
        dir.write("auth", "me:mustnotshow\n");
        let mut command = dir.matterhost(&["check", "--json"]);
        command.envs(environment.iter().copied());
        let output = command.output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(!text(&output.stdout).contains("mustnotshow"));
        assert_eq!(report["servers"][0]["reachable"]["ok"], true, "{report:#}");
        report["servers"][0]["way"].as_str().unwrap().to_owned()
    };
    let address = proxy.address.to_string();
    assert_eq!(way(&fixture.config(), &[("ALL_PROXY", &address)]), "direct", "loopback goes around it");
    let expected = format!("http://{address} (ALL_PROXY)");
    assert_eq!(way(&config_behind(&fixture), &[("ALL_PROXY", &address)]), expected);
    let keys = format!("[servers.main]\nproxy = \"http://{address}\"\nproxy_auth_file = \"auth\"\n");
    let configured = config_behind(&fixture).replace("[servers.main]\n", &keys);
    assert_eq!(way(&configured, &[]), format!("http://{address}"));
    let dir = ConfigDir::with(&fixture.config());
    let table = text(&dir.matterhost(&["check"]).output().unwrap().stdout);
    assert!(table.contains("way") && table.contains("direct"), "{table}");
}

#[test]
fn a_self_signed_handler_that_is_named_gets_events() {
    let (address, certificate, taken) = self_signed_handler();
    let fixture = Fixture::new();
    let hook = format!(
        "[sinks.hook]\ntype = \"webhook\"\nurl = \"https://localhost:{}/x\"\nsecret = \"{SECRET}\"\n\
         ca_file = \"hook.pem\"\n",
        address.port()
    );
    let dir = ConfigDir::with(&(fixture.config() + &hook));
    dir.write("hook.pem", &certificate);
    let _running = RunningProgram::ready(&fixture, &dir);
    fixture.post("for the handler");
    let end = std::time::Instant::now() + DEADLINE;
    while !taken.recv_timeout(end - std::time::Instant::now()).unwrap().contains("for the handler") {}
}

#[test]
fn run_and_status_keep_the_cause_and_the_remedy() {
    let simulator = Simulator::builder().tls(true).start().unwrap();
    let bot = simulator.create_bot("helper");
    let dir = ConfigDir::with(&format!(
        "[servers.main]\nurl = \"{}\"\n[accounts.helpdesk]\ntoken = \"{}\"\n[log]\nformat = \"json\"\n[admin]\n\
         unix = \"admin.sock\"\n",
        simulator.url(),
        bot.token
    ));
    let mut running = RunningProgram::start(dir.matterhost(&["run"]));
    let closed = running.log.wait_for_fact("closed").to_string();
    for words in ["the issuer of the certificate is not known", "ca_file"] {
        assert!(closed.contains(words), "{closed}");
    }
    running.log.wait_for_fact("misconfigured");
    let status = text(&dir.matterhost(&["status", "helpdesk"]).output().unwrap().stdout);
    assert!(status.contains("the issuer of the certificate is not known"), "{status}");
    let json = text(&dir.matterhost(&["status", "--json"]).output().unwrap().stdout);
    assert!(json.contains("the issuer of the certificate is not known"), "{json}");
}

/// Adds a server whose certificate is in the file of its name, with an account of the same name.
fn add_server(config: &mut String, name: &str, url: &str) {
    write!(
        config,
        "[servers.{name}]\nurl = \"{url}\"\nca_file = \"{name}.pem\"\n[accounts.{name}]\nserver = \"{name}\"\n\
         token = \"a-token-of-{name}\"\n"
    )
    .unwrap();
}

#[test]
fn status_shows_the_cause_and_the_whole_remedy_of_each_tls_failure() {
    let of = |name: &str| CertificateParams::new(vec![name.to_owned()]).unwrap();
    let mut expired = of("localhost");
    expired.not_after = date_time_ymd(2021, 2, 3);
    let shake = |mut stream: StreamOwned<ServerConnection, TcpStream>| stream.flush();
    let (unknown, plain) = (Simulator::builder().tls(true).start().unwrap(), Simulator::start().unwrap());
    let ((expired, expired_pem), (named, named_pem)) =
        (self_signed_server(&expired, shake), self_signed_server(&of("other.test"), shake));
    let mut config = "[log]\nformat = \"json\"\n[admin]\nunix = \"admin.sock\"\n".to_owned();
    add_server(&mut config, "unknown", unknown.url());
    add_server(&mut config, "plain", &plain.url().replace("http://", "https://"));
    add_server(&mut config, "expired", &format!("https://localhost:{}", expired.port()));
    add_server(&mut config, "named", &format!("https://localhost:{}", named.port()));
    let dir = ConfigDir::with(&config);
    for (name, pem) in
        [("unknown", &named_pem), ("plain", &named_pem), ("expired", &expired_pem), ("named", &named_pem)]
    {
        dir.write(&format!("{name}.pem"), pem);
    }
    let causes = [
        ("unknown", "the issuer of the certificate is not known", "(fullchain.pem)"),
        ("plain", "plain HTTP", "http://"),
        ("expired", "the certificate expired at 2021-02-03", "renew the certificate on the server"),
        (
            "named",
            "not valid for localhost, but for other.test",
            "write one of these names into url, or make",
        ),
    ];
    let mut running = RunningProgram::start(dir.matterhost(&["run"]));
    for _ in causes {
        running.log.wait_for_fact("misconfigured");
    }
    let json = text(&dir.matterhost(&["status", "--json"]).output().unwrap().stdout);
    for (name, cause, remedy) in causes {
        let status = text(&dir.matterhost(&["status", name]).output().unwrap().stdout);
        assert!(status.contains(cause) && status.contains(remedy), "{status}");
        assert!(json.contains(cause) && json.contains(remedy), "{json}");
    }
}

#[test]
fn a_command_reaches_a_host_behind_the_proxy_of_the_environment() {
    let fixture = Fixture::new();
    // What answers behind the proxy is no TLS, so the command fails; the way is what counts.
    let proxy = ConnectProxy::start(fixture.simulator.address());
    let run = |address: &str, exceptions: &str| {
        let dir = ConfigDir::with("");
        dir.write("token", "mth_mustnotshowrTwjUPD8ILPZIo2LaLaSw");
        let mut command = dir.matterhost(&["status", "--admin", address, "--token-file", "token"]);
        command.env("HTTPS_PROXY", proxy.address.to_string()).env("NO_PROXY", exceptions);
        text(&command.output().unwrap().stderr)
    };
    let refused = run("https://ops.inner.invalid:8466", "");
    assert!(refused.contains("https://ops.inner.invalid:8466"), "{refused}");
    let [asked] = &proxy.asked()[..] else { panic!("{:?}", proxy.asked()) };
    assert!(asked.starts_with("CONNECT ops.inner.invalid:8466 "), "{asked}");
    run("https://ops.inner.invalid:8466", "inner.invalid");
    run("https://127.0.0.1:1", "");
    assert_eq!(proxy.asked().len(), 1, "exceptions and loopback go around it");
}
