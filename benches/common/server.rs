//! The simulator in its own process.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context as _, ensure};
use matterhost_actors::mattermost::{ClientConfig, ClientLimits, Tls};
use serde::Deserialize;

/// A simulator process that runs until this is dropped.
pub(crate) struct Server {
    pub(crate) info: ServerInfo,
    /// The limits of its clients.
    pub(crate) limits: ClientLimits,
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// The first line of the simulator's output.
#[derive(Deserialize)]
pub(crate) struct ServerInfo {
    pub(crate) url: String,
    ca: Option<String>,
    pub(crate) channel: String,
    pub(crate) bots: Vec<Bot>,
}

/// A bot of the simulator, a member of the channel.
#[derive(Deserialize)]
pub(crate) struct Bot {
    pub(crate) user_id: String,
    pub(crate) token: String,
}

impl Server {
    pub(crate) fn start(bots: usize, tls: bool) -> anyhow::Result<Self> {
        let tls: &[&str] = if tls { &["--tls"] } else { &[] };
        Self::start_with(bots, tls)
    }

    /// Starts a simulator with further arguments.
    pub(crate) fn start_with(bots: usize, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["--simulator", "--bots", &bots.to_string()]).args(arguments);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let commands = process.stdin.take().context("no standard input")?;
        let mut answers = BufReader::new(process.stdout.take().context("no standard output")?);
        let mut line = String::new();
        answers.read_line(&mut line)?;
        let info = serde_json::from_str(&line)
            .with_context(|| format!("unexpected first line of the simulator: {line:?}"))?;
        Ok(Self { info, limits: ClientLimits::default(), process, commands, answers })
    }

    /// Executes a command.
    pub(crate) fn command(&mut self, command: &str) -> anyhow::Result<()> {
        let answer = self.query(command)?;
        ensure!(answer == "ok", "the simulator answered {answer:?} to {command:?}");
        Ok(())
    }

    /// Executes a query, and returns the answer.
    pub(crate) fn query(&mut self, command: &str) -> anyhow::Result<String> {
        writeln!(self.commands, "{command}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        Ok(answer.trim().to_owned())
    }

    /// Sends a number of posts of the given length to each of the first `bots` bots.
    pub(crate) fn flood(&mut self, bots: usize, posts: u32, characters: u32) -> anyhow::Result<()> {
        let channel = self.info.channel.clone();
        let users: Vec<String> = self.info.bots.iter().take(bots).map(|bot| bot.user_id.clone()).collect();
        users
            .iter()
            .try_for_each(|user| self.command(&format!("flood-user {user} {channel} {posts} {characters}")))
    }

    /// Returns the configuration for a client.
    pub(crate) fn client(&self) -> anyhow::Result<ClientConfig> {
        let tls = self.info.ca.as_ref().map(|ca| Tls::load(Some(ca.as_bytes()))).transpose()?;
        Ok(ClientConfig::new(self.info.url.parse()?, tls, self.limits.clone(), "matterhost/bench"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
