//! The log on standard error: in color on a terminal, with priorities for the systemd journal, or as JSON for
//! programs.

mod journal;
mod level;
mod one_line;

pub use self::level::LogLevelHandle;

use std::{io, sync::OnceLock};

use tracing::Subscriber;
use tracing_subscriber::{
    Layer, Registry, fmt, layer::SubscriberExt as _, registry::LookupSpan, util::SubscriberInitExt as _,
};

use self::one_line::OneLine;
use super::color;
use crate::config::{LogConfig, LogFormat};

/// Starts logging and returns the handle that changes the level. Later calls in the same process return the first
/// handle and change nothing.
pub fn init(config: &LogConfig) -> LogLevelHandle {
    static LEVEL: OnceLock<LogLevelHandle> = OnceLock::new();
    LEVEL.get_or_init(|| install(config)).clone()
}

/// Sends buffered log records before the program ends.
pub fn flush() {
    #[cfg(feature = "otlp")]
    super::otlp::flush();
}

fn install(config: &LogConfig) -> LogLevelHandle {
    let (filter, level) = LogLevelHandle::new(&config.level);
    let log = Registry::default().with(filter).with(writer(config.format));
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
