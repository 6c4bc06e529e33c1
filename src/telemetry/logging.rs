//! The log on standard error: in color on a terminal, with priorities for the systemd journal, or as JSON for
//! programs.

mod budget_layer;
mod journal;
mod level;
mod line_budget;
mod one_line;
mod panics;

pub(crate) use self::budget_layer::HANDLER_TARGET;
pub use self::level::LogLevelHandle;

use std::{
    io,
    sync::OnceLock,
    time::{Duration, Instant},
};

use matterhost_actors::bots::LogQueue;
use tracing::Subscriber;
use tracing_subscriber::{
    Layer, Registry,
    fmt::{self, writer::BoxMakeWriter},
    layer::SubscriberExt as _,
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use self::{budget_layer::BudgetLayer, one_line::OneLine};
use super::color;
use crate::config::{LogConfig, LogFormat};

/// Time for the last lines when the program ends: enough for a busy reader, short for one that never reads.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

/// The end of the time for the last lines, once the host shuts down.
static FLUSH_UNTIL: OnceLock<Instant> = OnceLock::new();

/// The queue of the lines, kept for the end.
static QUEUE: OnceLock<LogQueue> = OnceLock::new();

/// Starts logging and returns the handle that changes the level. Later calls in the same process return the first
/// handle and change nothing.
pub fn init(config: &LogConfig) -> LogLevelHandle {
    static LEVEL: OnceLock<LogLevelHandle> = OnceLock::new();
    LEVEL.get_or_init(|| install(config)).clone()
}

/// Limits the time for the last lines: the shutdown of the host as a whole has a limit.
pub fn limit_flush(until: Instant) {
    // A host shuts down once.
    let _ = FLUSH_UNTIL.set(until);
}

/// Writes and sends what waits before the program ends. It takes a bounded time.
pub fn flush() {
    let within = |most: Duration| {
        let left = FLUSH_UNTIL.get().map(|until| until.saturating_duration_since(Instant::now()));
        left.map_or(most, |left| left.min(most))
    };
    #[cfg(feature = "otlp")]
    super::otlp::flush(within);
    if let Some(queue) = QUEUE.get() {
        // A report of lines that are not read would not be read either.
        let _ = queue.flush(within(FLUSH_WITHIN));
    }
}

fn install(config: &LogConfig) -> LogLevelHandle {
    panics::log_panics();
    let (filter, level) = LogLevelHandle::new(&config.level);
    let budget = BudgetLayer::default();
    let log = Registry::default().with(filter).with(budget.clone()).with(writer(config.format, budget));
    // A logger that is already installed stays in place.
    #[cfg(not(feature = "otlp"))]
    let _ = log.try_init();
    #[cfg(feature = "otlp")]
    match super::otlp::start(config.otlp_endpoint.as_deref()).transpose() {
        Ok(bridge) => {
            let _ = log.with(bridge).try_init();
        }
        Err(error) => {
            let _ = log.try_init();
            tracing::warn!(error, "the log is not sent to the collector");
        }
    }
    level
}

/// Returns the layer that writes the lines.
fn writer<S>(format: LogFormat, budget: BudgetLayer) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    match format {
        LogFormat::Pretty if journal::is_stderr() => {
            let format = OneLine::with_priority(fmt::format().compact().without_time().with_ansi(false));
            layer(output(budget)).with_ansi(false).event_format(format).boxed()
        }
        LogFormat::Pretty => {
            let format = OneLine::new(fmt::format().compact().with_ansi(color::is_enabled(&io::stderr())));
            layer(output(budget)).event_format(format).boxed()
        }
        LogFormat::Json => layer(output(budget)).json().flatten_event(true).with_span_list(false).boxed(),
    }
}

/// Returns the queue before standard error. Lines are written directly if its thread cannot be started.
fn output(budget: BudgetLayer) -> BoxMakeWriter {
    match LogQueue::start(io::stderr(), move || budget.report()) {
        Ok(queue) => BoxMakeWriter::new(QUEUE.get_or_init(|| queue).clone()),
        Err(_) => BoxMakeWriter::new(io::stderr),
    }
}

/// Returns the layer without its format. Its own errors would be printed directly, which can block.
fn layer<S>(
    output: BoxMakeWriter,
) -> fmt::Layer<S, fmt::format::DefaultFields, fmt::format::Format, BoxMakeWriter> {
    fmt::layer().with_writer(output).log_internal_errors(false)
}
