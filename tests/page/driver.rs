//! A chromedriver process, which starts Chromium.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The time limit for closing its browsers before it is killed.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(20);

/// The text before the port in its output once it listens.
const LISTENING: &str = "started successfully on port ";

/// The flags of Chromium: without a screen, and without requests and processes that these tests do not need.
const FLAGS: [&str; 17] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-breakpad",
    "--disable-extensions",
    "--disable-default-apps",
    "--disable-component-extensions-with-background-pages",
    "--disable-features=Translate,OptimizationHints,MediaRouter",
    "--in-process-gpu",
    "--metrics-recording-only",
    // Simulates a mouse, because buttons are hidden until the pointer is over their row.
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4",
];

/// A chromedriver on a free port, which is ended with its browser on drop.
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
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.ok()?;
            let (_, port) = line.split_once(LISTENING)?;
            port.trim_end_matches('.').parse().ok()
        });
        // The rest of its output is not read; a closed pipe does not disturb it.
        Self { process, port: port.unwrap(), profile: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the capabilities of a session: with a log and a new profile.
    pub(crate) fn capabilities(&self) -> serde_json::Map<String, Value> {
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        let flags: Vec<&str> = FLAGS.into_iter().chain([profile.as_str()]).collect();
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": flags },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        capabilities.as_object().unwrap().clone()
    }
}

impl Drop for Chromedriver {
    /// Asks it to shut down, because killing it would leave its browser running.
    fn drop(&mut self) {
        let shut_down = || -> std::io::Result<()> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(SHUTDOWN_TIMEOUT))?;
            write!(
                stream,
                "GET /shutdown HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
                self.port
            )?;
            // It responds once its browsers are closed, then closes the connection.
            stream.read_to_end(&mut Vec::new()).map(drop)
        };
        // An error means that it has already ended.
        let _ = shut_down();
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
