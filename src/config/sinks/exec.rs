//! `type = "exec"`.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::attempts::{self, AttemptLimits};
use crate::config::{key_reader::TableReader, servers::ReadContext, value::StringList};

/// Enough for four accounts with the default `delivery.in_flight`.
const IN_FLIGHT: usize = 64;
/// More lines than any handler processes at once.
const MOST_IN_FLIGHT: usize = 65_536;
/// A handler that calls another service takes seconds; after this long it hangs.
const TIMEOUT: Duration = Duration::from_secs(30);
/// An interpreter may need this long to start.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(100);
/// An answer after more than an hour is of no use.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(3600);

/// A child process that reads events as lines and answers them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecConfig {
    /// The program and its arguments; at least the program.
    pub command: Vec<String>,
    /// The working directory.
    pub dir: PathBuf,
    /// True if `dir` is configured: the child may post the files below it. The default directory holds the configuration.
    pub may_post_files: bool,
    /// Environment variables passed to the child, besides a few harmless ones. Others may hold tokens.
    pub pass_env: Vec<String>,
    /// The limit of unanswered events.
    pub in_flight: usize,
    /// The time to answer an event. A child that answers nothing at all for as long hangs.
    pub timeout: Duration,
    /// The limits of the attempts for one event.
    pub attempts: AttemptLimits,
    /// True if the bot is shown as typing while the handler works.
    pub typing: bool,
}

pub(super) fn read(section: &mut TableReader<'_>, context: &ReadContext<'_>) -> Option<ExecConfig> {
    let command = command(section);
    let dir = section.optional_path("dir", context);
    let may_post_files = dir.is_some();
    let pass_env = section.read("pass_env", StringList::default()).0;
    let in_flight = section.within("in_flight", IN_FLIGHT, 1..=MOST_IN_FLIGHT);
    let timeout = section.within("answer_timeout", TIMEOUT, SHORTEST_TIMEOUT..=LONGEST_TIMEOUT);
    let attempts = attempts::read(section);
    let typing = section.read("typing", false);
    let dir = dir.unwrap_or_else(|| section.resolve("dir", Path::new(""), context));
    if !dir.as_os_str().is_empty() && !dir.is_dir() {
        let message = format!("{} is not a directory", dir.display());
        section.refuse("dir", message, "use an existing directory");
        return None;
    }
    let command = command?;
    Some(ExecConfig { command, dir, may_post_files, pass_env, in_flight, timeout, attempts, typing })
}

fn command(section: &mut TableReader<'_>) -> Option<Vec<String>> {
    let remedy = "name the program and its arguments, such as [\"python3\", \"handler.py\"]";
    let StringList(command) = match section.optional::<StringList>("command") {
        Some(command) => command,
        None if section.has("command") => return None,
        None => {
            section.refuse("command", "it is missing", remedy);
            return None;
        }
    };
    if command.first().is_none_or(|program| program.trim().is_empty()) {
        section.refuse("command", "it is empty", remedy);
        return None;
    }
    Some(command)
}
