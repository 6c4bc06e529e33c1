//! One run of the child process.

use std::{io, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use tokio::{
    io::AsyncWriteExt as _,
    process::{ChildStdin, ChildStdout},
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::codec::{FramedRead, LinesCodec};

use super::{
    process_group::{EXIT_GRACE_PERIOD, Pipes, Process, ProcessGroup, TERM_GRACE_PERIOD, forward_log},
    unanswered::UnansweredEvents,
};
use crate::{
    config::ExecConfig,
    sinks::{
        HandlerDeps,
        handler::ThrottledWarning,
        message::Message,
        queue::{Job, JobReceiver},
        worker::{self, CloseSignal},
    },
};

/// The longest line that a child may write, ten times the longest post with props.
const MAX_LINE_BYTES: usize = 1024 * 1024;
/// The time to read the rest of an exited child's output, or to wait for the exit after its output closed.
const EXIT_READ_TIMEOUT: Duration = Duration::from_secs(1);
/// Short, because the delay of the restart is not known yet.
pub(super) const REDELIVER_AFTER: Duration = Duration::from_millis(100);

/// The reason why a run ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RunEnd {
    /// The sink is closing.
    Closing,
    /// The child failed, for this reason.
    Fault(String),
}

/// A running child.
pub(super) struct ChildRun<'a> {
    process: Process,
    /// Lines for the writer task, which may block on the child while its answers are read here.
    input: mpsc::Sender<Arc<str>>,
    writer: JoinHandle<()>,
    output: FramedRead<ChildStdout, LinesCodec>,
    unanswered: UnansweredEvents,
    config: &'a ExecConfig,
    bad_lines: &'a ThrottledWarning,
}

impl<'a> ChildRun<'a> {
    pub(super) fn start(
        config: &'a ExecConfig,
        handler_deps: &HandlerDeps,
        group: &ProcessGroup,
        bad_lines: &'a ThrottledWarning,
    ) -> io::Result<Self> {
        let (process, Pipes { input, output, log: stderr }) = Process::start(config, group)?;
        tokio::task::spawn_local(forward_log(Arc::clone(&handler_deps.sink), stderr));
        // One place per unanswered event, so it is never full.
        let (sender, lines) = mpsc::channel(config.in_flight);
        let output = FramedRead::new(output, LinesCodec::new_with_max_length(MAX_LINE_BYTES));
        let writer = tokio::task::spawn_local(write(input, lines));
        let unanswered = UnansweredEvents::new(handler_deps.clone());
        Ok(Self { process, input: sender, writer, output, unanswered, config, bad_lines })
    }

    /// Sends events and reads answers until the child fails or the sink closes.
    pub(super) async fn run(mut self, jobs: &mut JobReceiver<Message>, closing: &mut CloseSignal) -> RunEnd {
        let end = self.serve(jobs, closing).await;
        if end == RunEnd::Closing {
            self.shut_down().await;
        }
        self.process.kill().await;
        self.writer.abort();
        self.unanswered.return_all(REDELIVER_AFTER, "the handler ended");
        end
    }

    async fn serve(&mut self, jobs: &mut JobReceiver<Message>, closing: &mut CloseSignal) -> RunEnd {
        loop {
            let room = self.unanswered.len() < self.config.in_flight;
            let deadline = self.unanswered.oldest().map(|since| since + self.config.timeout);
            tokio::select! {
                () = worker::wait_for_close(closing) => return RunEnd::Closing,
                line = self.output.next() => match line {
                    Some(line) => self.handle_line(line).await,
                    None => return RunEnd::Fault(self.describe_closed_output().await),
                },
                status = self.process.wait() => {
                    self.read_remaining_output().await;
                    return RunEnd::Fault(format!("it ended with {status}"));
                }
                () = sleep_until_some(deadline) => {
                    let limit = humantime::format_duration(self.config.timeout);
                    return RunEnd::Fault(format!("it left an event unanswered for {limit}"));
                }
                job = jobs.recv(), if room => match job {
                    Some(job) => self.send_to_child(job),
                    None => return RunEnd::Closing,
                },
            }
        }
    }

    fn send_to_child(&mut self, job: Job<Message>) {
        if job.is_abandoned() {
            return job.settle(super::queue_full());
        }
        let line: Arc<str> = format!("{}\n", job.item.json).into();
        // The channel cannot be full. If the writer has stopped, the end of the child is about to be noticed.
        let _ = self.input.try_send(line);
        self.unanswered.add(job);
    }

    async fn handle_line(&mut self, line: Result<String, tokio_util::codec::LinesCodecError>) {
        let handled = match line {
            Ok(line) if line.trim().is_empty() => Ok(()),
            Ok(line) => self.unanswered.handle_line(&line),
            Err(_) => {
                // After an error the stream yields `None` once before it continues.
                let _ = self.output.next().await;
                Err(format!("the line is not UTF-8 or is longer than {MAX_LINE_BYTES} bytes"))
            }
        };
        if let Err(problem) = handled {
            self.bad_lines.report_failure(None, &problem);
        }
    }

    /// Returns the failure of a child that closed its output, which usually means that it is exiting.
    async fn describe_closed_output(&mut self) -> String {
        match timeout(EXIT_READ_TIMEOUT, self.process.wait()).await {
            Ok(status) => format!("it ended with {status}"),
            Err(_) => "it closed its standard output".into(),
        }
    }

    /// Reads the answers that the child wrote before it exited.
    async fn read_remaining_output(&mut self) {
        let deadline = Instant::now() + EXIT_READ_TIMEOUT;
        while let Ok(Some(line)) = tokio::time::timeout_at(deadline, self.output.next()).await {
            self.handle_line(line).await;
        }
    }

    /// Closes the input of the child and waits for its exit, then asks it to terminate.
    async fn shut_down(&mut self) {
        self.writer.abort();
        if self.exits_within(EXIT_GRACE_PERIOD).await {
            return;
        }
        self.process.terminate();
        self.exits_within(TERM_GRACE_PERIOD).await;
    }

    /// Waits for the exit and keeps reading, so that the child does not block on its output.
    async fn exits_within(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            tokio::select! {
                _ = self.process.wait() => return true,
                Some(line) = self.output.next() => self.handle_line(line).await,
                () = sleep_until(deadline) => return false,
            }
        }
    }
}

/// Writes lines to the child until a write fails or the sender is gone.
async fn write(mut input: ChildStdin, mut lines: mpsc::Receiver<Arc<str>>) {
    while let Some(line) = lines.recv().await {
        if input.write_all(line.as_bytes()).await.is_err() {
            // `serve` notices the end of the child.
            return;
        }
    }
}

async fn sleep_until_some(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
