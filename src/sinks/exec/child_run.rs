//! One run of the child process.

mod sending;

use std::{io, rc::Rc, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _};
use matterhost_actors::model::Excerpt;
use tokio::{
    process::ChildStdout,
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};

use super::{
    child_lines::{ChildLines, UnreadableLine, child_lines},
    exec_state::ExecState,
    input::ChildInput,
    process_group::{
        EXIT_GRACE_PERIOD, LastLines, Pipes, Process, ProcessGroup, TERM_GRACE_PERIOD, forward_log,
    },
    result_line::ActionResultLine,
    trial::{Trial, Turns},
    unanswered::{MAX_AT_WORK, Overdue, UnansweredEvents},
};
use crate::{
    actions::MAX_ACTIONS_BYTES,
    config::{ExecConfig, MAX_HOOKS},
    sinks::{
        handler::ThrottledWarning,
        message::Message,
        monitor::CommandReceiver,
        queue::{Job, JobReceiver},
        worker::{self, CloseSignal},
    },
};

/// The time to read the rest of an exited child's output, or to wait for the exit after its output closed.
const EXIT_READ_TIMEOUT: Duration = Duration::from_secs(1);
/// The shortest that there is, because the next child starts at once or refuses the events until it starts.
pub(super) const REDELIVER_AFTER: Duration = Duration::from_millis(10);

/// The time to read the last lines of a dead child's standard error.
const LOG_READ_TIMEOUT: Duration = Duration::from_millis(500);
/// The time for a child to exit when an operator wants another, and once more after SIGTERM. It is short, because the events
/// of all accounts wait meanwhile, and a child that is restarted rarely works.
const RESTART_GRACE_PERIOD: Duration = Duration::from_millis(300);
/// The lines that are read when the time for an answer has passed: more than the events that a child may have.
const MAX_LINES_AT_DEADLINE: usize = 10_000;
/// The unusable lines after which the child's output is not read for the rest of the second.
const MAX_BAD_LINES: u32 = 100;
/// The time for which unusable lines are counted.
const FLOOD_WINDOW: Duration = Duration::from_secs(1);

/// The reason why a run ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RunEnd {
    /// The sink is closing.
    Closing,
    /// An operator wants another child.
    Restarted,
    /// The child failed.
    Fault {
        /// The reason, with the child's last lines.
        cause: String,
        /// True if an event may be the cause.
        blames_event: bool,
        /// The events that it had, for the log.
        had: String,
    },
}

/// A running child.
pub(super) struct ChildRun<'a> {
    process: Process,
    input: ChildInput,
    output: ChildLines<ChildStdout>,
    /// The task that reads standard error.
    log: JoinHandle<()>,
    last_lines: LastLines,
    unanswered: UnansweredEvents,
    /// The results of actions, for the child.
    results: mpsc::Receiver<ActionResultLine>,
    /// Events that wait because the child died with them before. The queue bounds them.
    suspects: Vec<Job<Message>>,
    /// The suspect that has the child for itself.
    on_trial: Option<Trial>,
    turns: Turns,
    /// The time at which the child was seen to have ended.
    ended_at: Option<Instant>,
    /// True if the child answered nothing for too long.
    is_silent: bool,
    state: &'a Rc<ExecState>,
    bad_lines: &'a ThrottledWarning,
    flood: Flood,
}

/// The unusable lines of the current second.
struct Flood {
    since: Instant,
    lines: u32,
}

impl<'a> ChildRun<'a> {
    pub(super) fn start(
        config: &ExecConfig,
        state: &'a Rc<ExecState>,
        group: &ProcessGroup,
        bad_lines: &'a ThrottledWarning,
    ) -> io::Result<Self> {
        let (process, Pipes { input, output, log }) = Process::start(config, group)?;
        let last_lines = LastLines::default();
        let (tell, results) = mpsc::channel(MAX_AT_WORK);
        let (sink, monitor) = (Arc::clone(&state.handler_deps.sink), state.handler_deps.monitor.clone());
        let poster = Arc::clone(&state.handler_deps.poster);
        let input =
            ChildInput::start(input, config.in_flight + MAX_HOOKS, move |account| poster.may_act(account))?;
        Ok(Self {
            process,
            input,
            output: child_lines(output, MAX_ACTIONS_BYTES),
            log: tokio::task::spawn_local(forward_log(sink, monitor, log, Rc::clone(&last_lines))),
            last_lines,
            unanswered: UnansweredEvents::new(Rc::clone(state), config.timeout, tell),
            results,
            suspects: Vec::new(),
            on_trial: None,
            turns: state.turns.take(),
            ended_at: None,
            is_silent: false,
            state,
            bad_lines,
            flood: Flood { since: Instant::now(), lines: 0 },
        })
    }

    /// Sends events and reads answers until the child fails or the sink closes.
    pub(super) async fn run(
        mut self,
        jobs: &mut JobReceiver<Message>,
        closing: &mut CloseSignal,
        commands: &mut CommandReceiver,
    ) -> RunEnd {
        let (fault, is_restart) = tokio::select! {
            fault = self.serve(jobs, closing) => (fault, false),
            () = commands.restart() => (None, true),
        };
        let (read, ended_at) = (self.input.read_by_child(), self.ended_at.unwrap_or_else(Instant::now));
        match fault {
            Some(_) => {}
            None if is_restart => self.shut_down(RESTART_GRACE_PERIOD, RESTART_GRACE_PERIOD).await,
            None => self.shut_down(EXIT_GRACE_PERIOD, TERM_GRACE_PERIOD).await,
        }
        self.process.kill().await;
        self.unanswered.end_downloads();
        let end = match fault {
            None if is_restart => RunEnd::Restarted,
            None => RunEnd::Closing,
            Some(fault) => {
                let cause = format!("{fault}{}", self.describe_last_lines().await);
                let had = self.unanswered.describe_read(read);
                let blames_event = self.record_death(read, ended_at, &cause);
                RunEnd::Fault { cause, blames_event, had }
            }
        };
        self.state.handler_deps.monitor.free_all_slots();
        let starts_at_once = match end {
            RunEnd::Restarted => true,
            RunEnd::Fault { blames_event, .. } => blames_event,
            RunEnd::Closing => false,
        };
        let ended = super::child_ended(starts_at_once);
        self.unanswered.return_all(&ended);
        for job in
            std::mem::take(&mut self.suspects).into_iter().chain(self.state.waiting.borrow_mut().clear())
        {
            job.settle(ended.clone());
        }
        end
    }

    /// Serves events. Returns the fault of the child; `None` if the sink closes.
    async fn serve(&mut self, jobs: &mut JobReceiver<Message>, closing: &mut CloseSignal) -> Option<String> {
        // The suspects among the events that came back go first.
        while let Ok(job) = jobs.try_recv() {
            self.accept(job);
        }
        loop {
            let next_look = self.send_waiting();
            let (reads, flooded_until) = (self.unanswered.has_room_for_actions(), self.flood.ends());
            // A child whose answers are not read is not late.
            let deadline = self.unanswered.due().filter(|_| reads);
            tokio::select! {
                () = worker::wait_for_close(closing) => return None,
                line = self.output.next(), if reads && flooded_until.is_none() => match line {
                    Some(line) => self.handle_line(line),
                    None => return Some(self.describe_closed_output().await),
                },
                () = self.unanswered.action_done(), if !reads => self.unanswered.restart_times(),
                Some(result) = self.results.recv() => self.tell_result(&result),
                Some(end) = self.input.withheld() => self.unanswered.withdraw(end),
                () = sleep_until_some(flooded_until) => {}
                () = sleep_until_some(next_look) => {}
                status = self.process.wait() => {
                    self.ended_at = Some(Instant::now());
                    self.read_remaining_output().await;
                    return Some(format!("it ended with {status}"));
                }
                () = sleep_until_some(deadline) => {
                    self.read_written_answers();
                    match self.unanswered.expire_due() {
                        Some(Overdue::Child(fault)) => {
                            // It did not fail on what it read last.
                            self.is_silent = true;
                            return Some(fault);
                        }
                        Some(Overdue::Event(event, problem)) => self.report_overdue(&event, &problem),
                        None => {}
                    }
                }
                job = jobs.recv() => match job {
                    Some(job) => self.accept(job),
                    None => return None,
                },
            }
        }
    }

    /// Records the death of the child, which had read that many bytes. Returns true if an event may be the cause.
    fn record_death(&mut self, read: u64, died_at: Instant, cause: &str) -> bool {
        self.state.turns.replace(self.turns.after_death());
        let fresh_at = (self.has_suspects() && !self.is_silent).then_some(died_at);
        self.unanswered.record_death(read, fresh_at, cause)
    }

    /// Reads the lines that the child has written by now. On a busy machine they may have waited longer than the time for
    /// an answer.
    fn read_written_answers(&mut self) {
        for _ in 0..MAX_LINES_AT_DEADLINE {
            let read = self.unanswered.has_room_for_actions().then(|| self.output.next().now_or_never());
            // The loop of `serve` finds that the output is closed.
            let Some(Some(Some(line))) = read else { return };
            self.handle_line(line);
        }
    }

    fn tell_result(&mut self, result: &ActionResultLine) {
        if !self.input.send_result(&result.to_line()) {
            self.bad_lines
                .report_failure(None, "the handler does not read the results of its actions; one is dropped");
        }
    }

    fn report_overdue(&self, event: &Message, problem: &str) {
        let sink = &*self.state.handler_deps.sink;
        let (account, channel, event) = (event.account.as_str(), event.channel.as_str(), &*event.id);
        let then = "the event is delivered again, the others go on";
        tracing::warn!(sink, account, channel, event, "the handler is slow: {problem}; {then}");
    }

    fn handle_line(&mut self, line: io::Result<Result<String, UnreadableLine>>) {
        let handled = match line {
            Ok(Ok(line)) if line.trim().is_empty() => Ok(()),
            Ok(Ok(line)) => self.unanswered.handle_line(&line),
            Ok(Err(UnreadableLine)) => {
                Err(format!("the line is not UTF-8 or is longer than {MAX_ACTIONS_BYTES} bytes"))
            }
            Err(error) => Err(format!("the output cannot be read: {}", Excerpt::of(&error))),
        };
        if let Err(problem) = handled {
            self.flood.count();
            self.bad_lines.report_failure(None, &problem);
        }
    }

    /// Returns the failure of a child that closed its output, which usually means that it is exiting.
    async fn describe_closed_output(&mut self) -> String {
        self.ended_at = Some(Instant::now());
        match timeout(EXIT_READ_TIMEOUT, self.process.wait()).await {
            Ok(status) => format!("it ended with {status}"),
            Err(_) => "it closed its standard output".into(),
        }
    }

    /// Returns the last lines of standard error, once they are read.
    async fn describe_last_lines(&mut self) -> String {
        // A process that left the group may keep the pipe open.
        let _ = timeout(LOG_READ_TIMEOUT, &mut self.log).await;
        let lines = self.last_lines.borrow();
        if lines.is_empty() {
            return String::new();
        }
        // Newest first, because the end of a stack trace names the error and the text may be cut.
        let lines: Vec<_> = lines.iter().rev().map(Excerpt::as_str).collect();
        format!("; its last lines, newest first: {}", lines.join(" | "))
    }

    /// Reads the answers that the child wrote before it exited.
    async fn read_remaining_output(&mut self) {
        let deadline = Instant::now() + EXIT_READ_TIMEOUT;
        while let Ok(Some(line)) = tokio::time::timeout_at(deadline, self.output.next()).await {
            self.handle_line(line);
        }
    }

    /// Closes the input of the child and waits for its exit, then asks it to terminate and waits again.
    async fn shut_down(&mut self, exit_grace_period: Duration, term_grace_period: Duration) {
        self.input.close();
        if self.exits_within(exit_grace_period).await {
            return;
        }
        self.process.terminate();
        self.exits_within(term_grace_period).await;
    }

    /// Waits for the exit and keeps reading, so that the child does not block on its output.
    async fn exits_within(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            tokio::select! {
                _ = self.process.wait() => return true,
                Some(line) = self.output.next() => self.handle_line(line),
                () = sleep_until(deadline) => return false,
            }
        }
    }
}

impl Flood {
    fn count(&mut self) {
        if self.since.elapsed() >= FLOOD_WINDOW {
            (self.since, self.lines) = (Instant::now(), 0);
        }
        self.lines += 1;
    }

    /// Returns the end of the time in which nothing is read.
    fn ends(&self) -> Option<Instant> {
        let end = self.since + FLOOD_WINDOW;
        (self.lines > MAX_BAD_LINES && end > Instant::now()).then_some(end)
    }
}

async fn sleep_until_some(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
