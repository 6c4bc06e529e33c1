//! State on disk: a process that hosts a bot ends or is killed, and another one goes on.

use std::{
    collections::BTreeMap,
    env,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
};

use matterhost_actors::{
    bots::{Bot, BotResult, Context, Host, Post},
    model::Fact,
};
use matterhost_simulator::{Account, Simulator};
use tokio::sync::broadcast::error::RecvError;

use super::builder::start_simulator;
use crate::{
    harness::REAL_TIMEOUT,
    simulator_harness::{fast_settings, run},
};

const URL: &str = "MATTERHOST_TEST_URL";
const TOKEN: &str = "MATTERHOST_TEST_TOKEN";
const DIRECTORY: &str = "MATTERHOST_TEST_DIRECTORY";

/// Tells the parent process of each post before it answers.
struct Echo;

impl Bot for Echo {
    async fn posted(&self, context: &Context, post: &Post) -> BotResult {
        print_line(&format!("told {}", post.message));
        context.reply(format!("re: {}", post.message)).await?;
        Ok(())
    }
}

/// Writes past the test's capture of the output.
fn print_line(line: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// The part of the child process: it hosts a bot until its standard input ends.
#[test]
fn hosts_until_its_input_ends() {
    // In a normal run of all tests there is no part to play.
    let Ok(url) = env::var(URL) else { return };
    let host = Host::builder()
        .settings(fast_settings())
        .state(env::var_os(DIRECTORY).unwrap())
        .server(&url)
        .account("echo", env::var(TOKEN).unwrap(), Echo);
    let mut observations = host.subscribe();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::spawn(async move {
            loop {
                match observations.recv().await {
                    Ok(seen) if matches!(seen.fact, Fact::Ready { .. }) => print_line("ready"),
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
        let until_end = tokio::task::spawn_blocking(|| io::stdin().read(&mut [0]).unwrap());
        host.run_until(until_end).await.unwrap();
    });
}

/// A child process that hosts the bot, and the lines that it prints.
struct Process {
    child: Child,
    lines: Receiver<String>,
    told: Vec<String>,
}

impl Process {
    /// Starts it and waits until the bot is ready.
    fn start(simulator: &Simulator, bot: &Account, directory: &Path) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "bots::state::hosts_until_its_input_ends", "--nocapture"]);
        command.env(URL, simulator.url()).env(TOKEN, &*bot.token).env(DIRECTORY, directory);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (sender, lines) = channel();
        let printed = BufReader::new(child.stdout.take().unwrap()).lines();
        thread::spawn(move || printed.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut process = Self { child, lines, told: Vec::new() };
        while process.next_line() != "ready" {}
        process
    }

    fn next_line(&mut self) -> String {
        let line = self.lines.recv_timeout(REAL_TIMEOUT).expect("the process printed nothing in time");
        self.told.extend(line.strip_prefix("told ").map(str::to_owned));
        line
    }

    /// Ends the process, and returns the posts that its bot was told of.
    fn end(mut self, kill: bool) -> Vec<String> {
        if kill {
            self.child.kill().unwrap();
        }
        drop(self.child.stdin.take());
        assert_eq!(self.child.wait().unwrap().success(), !kill);
        // The lines end with the process.
        while let Ok(line) = self.lines.recv_timeout(REAL_TIMEOUT) {
            self.told.extend(line.strip_prefix("told ").map(str::to_owned));
        }
        self.told
    }
}

fn count(texts: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for text in texts {
        *counts.entry(text).or_default() += 1;
    }
    counts
}

#[test]
fn a_post_made_between_two_runs_is_answered_once() {
    for kill in [false, true] {
        let (simulator, channel, bots, ana) = start_simulator(&["echo"]);
        let directory = tempfile::tempdir().unwrap();
        let post = |text| simulator.post(&ana.user_id, &channel, text);
        let wait_for_posts = |count| {
            assert!(simulator.wait_for(|seen| seen.posts_created >= count, REAL_TIMEOUT), "{count} posts");
        };
        let first = Process::start(&simulator, &bots[0], directory.path());
        post("first");
        wait_for_posts(2);
        let mut told = first.end(kill);
        post("missed");
        let second = Process::start(&simulator, &bots[0], directory.path());
        wait_for_posts(4);
        post("live");
        wait_for_posts(6);
        told.extend(second.end(false));
        let answers = simulator.posts_in(&channel).into_iter().filter(|post| post.user_id == bots[0].user_id);
        let answers = count(answers.map(|post| post.message));
        assert_eq!(
            answers,
            count(["first", "missed", "live"].map(|text| format!("re: {text}"))),
            "kill: {kill}"
        );
        let told = count(told);
        assert_eq!((told["missed"], told["live"]), (1, 1), "{told:?}");
        assert!(told["first"] == 1 || (kill && told["first"] == 2), "kill: {kill}, {told:?}");
    }
}

#[test]
fn a_directory_that_cannot_be_used_keeps_the_host_from_starting() {
    run(async || {
        let (simulator, _, bots, _) = start_simulator(&["echo"]);
        let directory = tempfile::tempdir().unwrap();
        let host = || Host::builder().server(simulator.url()).account("echo", &*bots[0].token, Echo);
        let running = host().state(directory.path()).start().await.unwrap();
        let refused = host().state(directory.path()).start().await.unwrap_err().to_string();
        for part in ["cursors.redb", "another process is using it", "HostBuilder::state"] {
            assert!(refused.contains(part), "{part}: {refused}");
        }
        running.shutdown(REAL_TIMEOUT).await;
        // It is free as soon as the first host has ended.
        let again = host().state(directory.path()).start().await.unwrap();
        again.shutdown(REAL_TIMEOUT).await;
        let file = directory.path().join("cursors.redb");
        std::fs::write(&file, "no store").unwrap();
        let refused = host().state(directory.path()).start().await.unwrap_err().to_string();
        assert!(refused.contains("damaged") && refused.contains("restore a backup"), "{refused}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "no store");
    });
}
