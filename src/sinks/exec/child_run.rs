//! One life of the child process.

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
    process::{EXIT_GRACE_PERIOD, Pipes, Process, ProcessGroup, TERM_GRACE_PERIOD, forward_log},
    unanswered::UnansweredEvents,
};
use crate::config::ExecConfig;
use crate::sinks::{
    HandlerDeps,
    handler::ThrottledWarning,
    message::Message,
    queue::{Job, JobReceiver},
    worker::{self, CloseSignal},
};

/// The longest line that a child may write: a post of the greatest length, with props, is a tenth of it.
const LONGEST_LINE: usize = 1024 * 1024;
/// What a child wrote before it ended is in the pipe by then.
const READ_THE_REST: Duration = Duration::from_secs(1);
/// Soon: how long the child itself is away is known only after.
pub(super) const REDELIVER_AFTER: Duration = Duration::from_millis(100);

/// Why a life ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RunEnd {
    /// The sink is told to end.
    Closing,
    /// The child's fault.
    Fault(String),
}

/// A child at work.
pub(super) struct ChildRun<'a> {
    process: Process,
    /// To the task that writes: it may wait for the child, while its answers are read.
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
        // As many as may be unanswered: it is never full.
        let (sender, lines) = mpsc::channel(config.in_flight);
        let output = FramedRead::new(output, LinesCodec::new_with_max_length(LONGEST_LINE));
        let writer = tokio::task::spawn_local(write(input, lines));
        let unanswered = UnansweredEvents::new(handler_deps.clone());
        Ok(Self { process, input: sender, writer, output, unanswered, config, bad_lines })
    }

    /// Hands events over and takes answers, until the child fails or the sink is told to end.
    pub(super) async fn run(mut self, jobs: &mut JobReceiver<Message>, closing: &mut CloseSignal) -> RunEnd {
        let end = self.work(jobs, closing).await;
        if end == RunEnd::Closing {
            self.end_well().await;
        }
        self.process.kill().await;
        self.writer.abort();
        self.unanswered.return_all(REDELIVER_AFTER, "the handler ended");
        end
    }

    async fn work(&mut self, jobs: &mut JobReceiver<Message>, closing: &mut CloseSignal) -> RunEnd {
        loop {
            let room = self.unanswered.len() < self.config.in_flight;
            let overdue = self.unanswered.oldest().map(|since| since + self.config.timeout);
            tokio::select! {
                () = worker::wait_for_close(closing) => return RunEnd::Closing,
                line = self.output.next() => match line {
                    Some(line) => self.line(line).await,
                    None => return RunEnd::Fault(self.closed_output().await),
                },
                status = self.process.wait() => {
                    self.read_the_rest().await;
                    return RunEnd::Fault(format!("it ended with {status}"));
                }
                () = until(overdue) => {
                    let limit = humantime::format_duration(self.config.timeout);
                    return RunEnd::Fault(format!("it left an event unanswered for {limit}"));
                }
                job = jobs.recv(), if room => match job {
                    Some(job) => self.hand_over(job),
                    None => return RunEnd::Closing,
                },
            }
        }
    }

    fn hand_over(&mut self, job: Job<Message>) {
        if job.is_abandoned() {
            return job.settle(super::queue_full());
        }
        let line: Arc<str> = format!("{}\n", job.item.json).into();
        // It cannot be full. When the child takes nothing any more its end is about to be seen.
        let _ = self.input.try_send(line);
        self.unanswered.add(job);
    }

    async fn line(&mut self, line: Result<String, tokio_util::codec::LinesCodecError>) {
        let said = match line {
            Ok(line) if line.trim().is_empty() => Ok(()),
            Ok(line) => self.unanswered.handle_line(&line),
            Err(_) => {
                // After an error the stream says once that it is at its end, and goes on.
                let _ = self.output.next().await;
                Err(format!("a line is no UTF-8, or longer than {LONGEST_LINE} bytes"))
            }
        };
        if let Err(what) = said {
            self.bad_lines.report_failure(None, &what);
        }
    }

    /// The child closed its output: it answers nothing any more, and ends, as a rule.
    async fn closed_output(&mut self) -> String {
        match timeout(READ_THE_REST, self.process.wait()).await {
            Ok(status) => format!("it ended with {status}"),
            Err(_) => "it closed its standard output".into(),
        }
    }

    /// Takes the answers that the child wrote before it ended.
    async fn read_the_rest(&mut self) {
        let end = Instant::now() + READ_THE_REST;
        while let Ok(Some(line)) = tokio::time::timeout_at(end, self.output.next()).await {
            self.line(line).await;
        }
    }

    /// Lets the child end by itself, then asks it to.
    async fn end_well(&mut self) {
        self.writer.abort();
        if self.ends_within(EXIT_GRACE_PERIOD).await {
            return;
        }
        self.process.terminate();
        self.ends_within(TERM_GRACE_PERIOD).await;
    }

    /// Goes on reading, so that the child does not wait for us meanwhile.
    async fn ends_within(&mut self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        loop {
            tokio::select! {
                _ = self.process.wait() => return true,
                Some(line) = self.output.next() => self.line(line).await,
                () = sleep_until(end) => return false,
            }
        }
    }
}

/// Writes lines to the child until it takes none, or there will be no more.
async fn write(mut input: ChildStdin, mut lines: mpsc::Receiver<Arc<str>>) {
    while let Some(line) = lines.recv().await {
        if input.write_all(line.as_bytes()).await.is_err() {
            // Its end is seen elsewhere.
            return;
        }
    }
}

async fn until(overdue: Option<Instant>) {
    match overdue {
        Some(overdue) => sleep_until(overdue).await,
        None => std::future::pending().await,
    }
}
