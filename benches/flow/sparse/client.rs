//! The compared clients, each a process of its own that prints a line for each post.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::{
    bare_loop,
    server::{Bot, Server},
};

/// The argument with which this program runs as the bare loop.
pub(crate) const BARE_LOOP: &str = "--bare-loop";

/// The directory of the Node client and its modules.
const NODE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/flow/node");

/// A running client. Dropping it ends the process.
pub(crate) struct Client {
    process: Child,
    posts: Arc<AtomicU64>,
    /// The configuration and the state of the host.
    dir: Option<TempDir>,
}

impl Client {
    /// Starts the host, with a sink, or with standard output if the sink is empty.
    pub(crate) fn host(server: &Server, bots: &[Bot], sink: &str) -> anyhow::Result<Self> {
        // Not in memory, as the system's directory for temporary files may be.
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let sink = if sink.is_empty() { "type = \"stdout\"\n" } else { sink };
        fs::write(dir.path().join("matterhost.toml"), configuration(server, bots, sink, dir.path()))?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_matterhost"));
        command.args(["run", "--config", "matterhost.toml"]).current_dir(dir.path()).stderr(Stdio::null());
        let mut client = Self::start(command, &[])?;
        client.dir = Some(dir);
        Ok(client)
    }

    /// Starts the bare loop over tokio-tungstenite.
    pub(crate) fn bare(server: &Server, bots: &[Bot]) -> anyhow::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args([BARE_LOOP, &server.info.url]);
        Self::start(command, bots)
    }

    /// Starts the official client in Node. Returns nothing if Node or its modules are not there.
    pub(crate) fn node(server: &Server, bots: &[Bot]) -> anyhow::Result<Option<Self>> {
        let has_node = Command::new("node").arg("--version").stdout(Stdio::null()).status();
        if !Path::new(NODE).join("node_modules").is_dir() || !has_node.is_ok_and(|status| status.success()) {
            eprintln!("left out: Node; it needs `npm install` in {NODE}");
            return Ok(None);
        }
        let mut command = Command::new("node");
        command.arg(format!("{NODE}/client.mjs")).arg(&server.info.url).current_dir(NODE);
        Self::start(command, bots).map(Some)
    }

    /// Starts a process, gives it the tokens, and counts the posts that it prints.
    fn start(mut command: Command, bots: &[Bot]) -> anyhow::Result<Self> {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut input = process.stdin.take().context("no standard input")?;
        for bot in bots {
            writeln!(input, "{}", bot.token)?;
        }
        let posts = Arc::new(AtomicU64::new(0));
        let (output, counter) = (process.stdout.take().context("no standard output")?, posts.clone());
        thread::spawn(move || {
            for line in BufReader::with_capacity(1 << 16, output).lines().map_while(Result::ok) {
                counter.fetch_add(u64::from(line.contains("posted")), Ordering::Relaxed);
            }
        });
        Ok(Self { process, posts, dir: None })
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Returns the number of posts printed so far.
    pub(crate) fn posts(&self) -> u64 {
        self.posts.load(Ordering::Relaxed)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configuration(server: &Server, bots: &[Bot], sink: &str, dir: &Path) -> String {
    let mut text = format!(
        "[servers.s]\nurl = {:?}\nrequests_per_second = 10000\ndial_slots = 1000\n[sinks.out]\n{sink}\n\
         [state]\ndir = {:?}\n[log]\nlevel = \"error\"\n",
        server.info.url,
        dir.join("state").display().to_string(),
    );
    for (n, bot) in bots.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "[accounts.bot-{n}]\ntoken = {:?}", bot.token);
    }
    text
}

/// Runs this program as the bare loop: reads tokens from standard input, and prints a line for each post.
pub(crate) fn run_bare_loop() -> anyhow::Result<ExitCode> {
    let url = env::args().nth(2).context("no URL")?;
    let tokens: Vec<String> = std::io::stdin().lines().collect::<Result<_, _>>()?;
    bare_loop::print_posts(&url, &tokens)?;
    Ok(ExitCode::SUCCESS)
}
