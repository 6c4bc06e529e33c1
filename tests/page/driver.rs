//! chromedriver as a process, and Chromium beneath it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long it may take to end its browsers before it is killed.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// What it says once it listens, before the port.
const LISTENS: &str = "started successfully on port ";

/// As the tests run it: without a screen, without what asks the network for anything.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    // With a mouse, which a browser without a screen has not: buttons hide until they are pointed at.
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4",
];

/// A chromedriver on a free port. Dropping it ends it, and its browser.
pub(crate) struct Chromedriver {
    process: Child,
    port: u16,
    profile: TempDir,
}

impl Chromedriver {
    pub(crate) fn start() -> Self {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap_or_else(|error| {
            panic!("chromedriver cannot be started ({error}). tests/run.sh installs it; on Debian by hand: apt-get install chromium chromium-driver")
        });
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = said.find_map(|line| {
            let line = line.ok()?;
            let (_, port) = line.split_once(LISTENS)?;
            port.trim_end_matches('.').parse().ok()
        });
        // Nobody reads on: it says nothing more, and a pipe that is closed troubles it no more than one that is full.
        Self { process, port: port.unwrap(), profile: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What a session of it is to be like: its log is kept, and its profile is a new one.
    pub(crate) fn capabilities(&self) -> serde_json::Map<String, Value> {
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        let flags: Vec<&str> = FLAGS.into_iter().chain([profile.as_str()]).collect();
        let wishes = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": flags },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        wishes.as_object().unwrap().clone()
    }
}

impl Drop for Chromedriver {
    /// Killed by itself it would leave its browser behind.
    fn drop(&mut self) {
        let ask = || -> std::io::Result<()> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(ENDS_WITHIN))?;
            write!(
                stream,
                "GET /shutdown HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
                self.port
            )?;
            // It answers when its browsers are gone, and then closes.
            stream.read_to_end(&mut Vec::new()).map(drop)
        };
        // If it is gone already, so are they.
        let _ = ask();
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
