//! The child process, in a process group of its own.

use std::{
    io,
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::StreamExt as _;
use matterhost_actors::model::Excerpt;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    time::timeout,
};
use tokio_util::codec::{FramedRead, LinesCodec};

use crate::{config::ExecConfig, telemetry::logging::HANDLER_TARGET};

/// What a child gets of our environment unless told otherwise: none of these holds a token.
const PASSED: [&str; 7] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"];
/// A longer line of the child's log is left out.
const LONGEST_LOG_LINE: usize = 8 * 1024;
/// A child whose input has ended has this long to end by itself.
pub(super) const EXIT_GRACE_PERIOD: Duration = Duration::from_secs(3);
/// One that was told by SIGTERM has this long.
pub(super) const TERM_GRACE_PERIOD: Duration = Duration::from_secs(2);
/// A killed process is gone at once, unless it is stuck in the kernel.
const REAPED_WITHIN: Duration = Duration::from_secs(1);

/// The process group that is alive, for whoever must kill it at once. Its number is believed until its first
/// process was waited for: then the system may give it to another.
#[derive(Debug, Clone, Default)]
pub(super) struct ProcessGroup(Arc<Mutex<Option<Pid>>>);

/// A child, and what of it is not read or written by others.
pub(super) struct Process {
    child: Child,
    group: ProcessGroup,
}

/// The child's ends of the pipes.
pub(super) struct Pipes {
    pub(super) input: ChildStdin,
    pub(super) output: ChildStdout,
    pub(super) log: ChildStderr,
}

impl Process {
    /// Starts a child.
    pub(super) fn start(config: &ExecConfig, group: &ProcessGroup) -> io::Result<(Self, Pipes)> {
        let (program, arguments) = config.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let passed = PASSED.into_iter().chain(config.pass_env.iter().map(String::as_str));
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(passed.filter_map(|name| Some((name, std::env::var_os(name)?))))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if !config.dir.as_os_str().is_empty() {
            command.current_dir(&config.dir);
        }
        let mut child = command.spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        *group.lock() = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let process = Self { child, group: group.clone() };
        let (Some(input), Some(output), Some(log)) = pipes else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        Ok((process, Pipes { input, output, log }))
    }

    /// Waits until it has ended, and says how. What it left behind is killed.
    pub(super) async fn wait(&mut self) -> String {
        let status = self.child.wait().await;
        // At once: in a moment the number may mean others.
        self.group.signal(Signal::KILL);
        *self.group.lock() = None;
        status.map_or_else(|error| error.to_string(), |status| status.to_string())
    }

    /// Asks it to end.
    pub(super) fn terminate(&self) {
        self.group.signal(Signal::TERM);
    }

    /// Kills it with its whole group.
    pub(super) async fn kill(&mut self) {
        self.group.signal(Signal::KILL);
        if timeout(REAPED_WITHIN, self.wait()).await.is_err() {
            tracing::warn!("a killed child process does not end");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.group.kill();
    }
}

impl ProcessGroup {
    /// Kills it, if there is one.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = *self.lock() {
            // It may have ended already.
            let _ = kill_process_group(group, signal);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Pid>> {
        // A panic while it was held leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the child's log into ours, line by line.
pub(super) async fn forward_log(sink: Arc<str>, stderr: ChildStderr) {
    let mut lines = FramedRead::new(stderr, LinesCodec::new_with_max_length(LONGEST_LOG_LINE));
    loop {
        match lines.next().await {
            Some(Ok(line)) => tracing::info!(target: HANDLER_TARGET, sink = &*sink, "{}", Excerpt::of(&line)),
            Some(Err(_)) => {
                tracing::info!(target: HANDLER_TARGET, sink = &*sink, "(a line that is too long, or no UTF-8)");
                // After an error the stream says once that it is at its end, and goes on.
                let _ = lines.next().await;
            }
            None => return,
        }
    }
}
