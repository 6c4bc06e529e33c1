//! The log, on standard error: for people with colours on a terminal, for the journal of systemd with priorities, or
//! JSON for programs.

mod journal;
mod level;
mod one_line;

use std::{io, sync::OnceLock};

use tracing::Subscriber;
use tracing_subscriber::{
    Layer, Registry, fmt, layer::SubscriberExt as _, registry::LookupSpan, util::SubscriberInitExt as _,
};

pub use self::level::LogLevelHandle;
use self::one_line::OneLine;
use super::color;
use crate::config::{LogConfig, LogFormat};

/// Begins to log, and gives what changes the level meanwhile. A process does it once; later calls change nothing, and
/// give what the first one gave.
pub fn init(config: &LogConfig) -> LogLevelHandle {
    static LEVEL: OnceLock<LogLevelHandle> = OnceLock::new();
    LEVEL.get_or_init(|| begin(config)).clone()
}

/// Sends what was logged and has not gone out yet; the program ends.
pub fn flush() {
    #[cfg(feature = "otlp")]
    super::otlp::flush();
}

fn begin(config: &LogConfig) -> LogLevelHandle {
    let (filter, level) = LogLevelHandle::new(&config.level);
    let log = Registry::default().with(filter).with(writer(config.format));
    // A log that somebody has set up before stays as it is.
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

/// What writes the lines.
fn writer<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    match format {
        LogFormat::Pretty if journal::is_stderr() => {
            let format = OneLine::with_priority(fmt::format().compact().without_time().with_ansi(false));
            fmt::layer().with_writer(io::stderr).with_ansi(false).event_format(format).boxed()
        }
        LogFormat::Pretty => {
            let format = OneLine::new(fmt::format().compact().with_ansi(color::is_enabled(&io::stderr())));
            fmt::layer().with_writer(io::stderr).event_format(format).boxed()
        }
        LogFormat::Json => {
            fmt::layer().with_writer(io::stderr).json().flatten_event(true).with_span_list(false).boxed()
        }
    }
}
