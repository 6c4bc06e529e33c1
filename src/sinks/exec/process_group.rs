//! The child process, in a process group of its own and with a mark that all its descendants inherit.

use std::{cell::RefCell, collections::VecDeque, io, process::Stdio, rc::Rc, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use matterhost_actors::model::Excerpt;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::{
    child_lines::{UnreadableLine, child_lines},
    descendants,
};
use crate::{config::ExecConfig, sinks::monitor::SinkMonitor, telemetry::logging::HANDLER_TARGET};

/// The environment variables that every child gets; none of them holds a token.
const INHERITED_VARIABLES: [&str; 7] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"];
/// The longest line of the child's log; longer ones are left out.
const MAX_LOG_LINE_BYTES: usize = 8 * 1024;
/// The lines of a traceback that say what is wrong are the last.
const KEPT_LINES: usize = 5;
/// The time for a child to exit after its input is closed.
pub(super) const EXIT_GRACE_PERIOD: Duration = Duration::from_secs(3);
/// The time for a child to exit after SIGTERM.
pub(super) const TERM_GRACE_PERIOD: Duration = Duration::from_secs(2);
/// The time for a killed child to exit. It takes longer only if it is stuck in the kernel.
const KILL_TIMEOUT: Duration = Duration::from_secs(1);

/// A handle for killing the child and all its descendants at once. The group's id is forgotten when the child is reaped,
/// because the system may then reuse it.
#[derive(Debug, Clone, Default)]
pub(super) struct ProcessGroup(Arc<Mutex<Option<RunningGroup>>>);

/// The processes of a running child.
#[derive(Debug)]
struct RunningGroup {
    id: Pid,
    /// The mark of descendants that have left the group.
    mark: String,
}

/// A child process without its pipes.
pub(super) struct Process {
    child: Child,
    group: ProcessGroup,
}

/// The pipes to and from a child.
pub(super) struct Pipes {
    pub(super) input: ChildStdin,
    pub(super) output: ChildStdout,
    pub(super) log: ChildStderr,
}

impl Process {
    /// Starts a child.
    pub(super) fn start(config: &ExecConfig, group: &ProcessGroup) -> io::Result<(Self, Pipes)> {
        let (program, arguments) = config.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let passed = INHERITED_VARIABLES.into_iter().chain(config.pass_env.iter().map(String::as_str));
        let mark = format!("{:016x}", fastrand::u64(..));
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(passed.filter_map(|name| Some((name, std::env::var_os(name)?))))
            .env(descendants::MARK_VARIABLE, &mark)
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
        let id = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        *group.0.lock() = id.map(|id| RunningGroup { id, mark });
        let process = Self { child, group: group.clone() };
        let (Some(input), Some(output), Some(log)) = pipes else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        Ok((process, Pipes { input, output, log }))
    }

    /// Waits for the exit, kills what the child has left behind, and returns the exit status as text.
    pub(super) async fn wait(&mut self) -> String {
        let status = self.child.wait().await;
        // Immediately, because the id may soon belong to another group.
        self.group.kill();
        *self.group.0.lock() = None;
        status.map_or_else(|error| error.to_string(), |status| status.to_string())
    }

    /// Sends SIGTERM to the group.
    pub(super) fn terminate(&self) {
        self.group.signal(Signal::TERM);
    }

    /// Kills the whole group and waits for the exit.
    pub(super) async fn kill(&mut self) {
        self.group.kill();
        if timeout(KILL_TIMEOUT, self.wait()).await.is_err() {
            tracing::warn!("a killed child process does not exit");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.group.kill();
    }
}

impl ProcessGroup {
    /// Kills the group and the descendants that have left it, if there are any.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
        if let Some(group) = &*self.0.lock() {
            descendants::kill(&group.mark);
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = &*self.0.lock() {
            // The group may be gone already.
            let _ = kill_process_group(group.id, signal);
        }
    }
}

/// The last lines of a child's standard error, oldest first.
pub(super) type LastLines = Rc<RefCell<VecDeque<Excerpt>>>;

/// Logs the lines of the child's standard error, and keeps the last ones.
pub(super) async fn forward_log(
    sink: Arc<str>,
    monitor: SinkMonitor,
    stderr: ChildStderr,
    last_lines: LastLines,
) {
    let mut lines = child_lines(stderr, MAX_LOG_LINE_BYTES);
    loop {
        match lines.next().await {
            Some(Ok(Ok(line))) => {
                let line = Excerpt::of(&line);
                tracing::info!(target: HANDLER_TARGET, sink = &*sink, "{line}");
                monitor.record_line(line.clone());
                keep_line(&mut last_lines.borrow_mut(), line);
            }
            Some(Ok(Err(UnreadableLine))) => {
                tracing::info!(target: HANDLER_TARGET, sink = &*sink, "(a line that is too long or not UTF-8)");
            }
            Some(Err(_)) | None => return,
        }
    }
}

fn keep_line(last_lines: &mut VecDeque<Excerpt>, line: Excerpt) {
    if line.is_empty() {
        return;
    }
    if last_lines.len() >= KEPT_LINES {
        last_lines.pop_front();
    }
    last_lines.push_back(line);
}
