//! The log, on standard error: for people with colours on a terminal, for the journal of systemd with priorities, or
//! JSON for programs.

mod journal;
mod level;
mod one_line;

use std::{
    io::{self, IsTerminal as _},
    sync::OnceLock,
};

use tracing_subscriber::{
    Layer, Registry, fmt, layer::SubscriberExt as _, reload, util::SubscriberInitExt as _,
};

pub use self::level::LogLevel;
use self::one_line::OneLine;
use crate::config::{LogConfig, LogFormat};

/// Begins to log, and gives what changes the level meanwhile. A process does it once; later calls change nothing, and
/// give what the first one gave.
pub fn init(config: &LogConfig) -> LogLevel {
    static LEVEL: OnceLock<LogLevel> = OnceLock::new();
    LEVEL.get_or_init(|| begin(config)).clone()
}

fn begin(config: &LogConfig) -> LogLevel {
    let (level, handle) = reload::Layer::new(config.level.clone());
    let writer: Box<dyn Layer<Registry> + Send + Sync> = match config.format {
        LogFormat::Pretty if journal::is_stderr() => {
            let format = OneLine::with_priority(fmt::format().compact().without_time().with_ansi(false));
            fmt::layer().with_writer(io::stderr).with_ansi(false).event_format(format).boxed()
        }
        LogFormat::Pretty => {
            let format = OneLine::new(fmt::format().compact().with_ansi(colours()));
            fmt::layer().with_writer(io::stderr).event_format(format).boxed()
        }
        LogFormat::Json => {
            fmt::layer().with_writer(io::stderr).json().flatten_event(true).with_span_list(false).boxed()
        }
    };
    // A log that somebody has set up before stays as it is.
    let _ = Registry::default().with(writer.with_filter(level)).try_init();
    LogLevel::new(handle)
}

/// Colours are for terminals, and for those who have not said no (no-color.org).
fn colours() -> bool {
    wanted(io::stderr().is_terminal(), std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()))
}

fn wanted(terminal: bool, no_color: bool) -> bool {
    terminal && !no_color
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_only() {
        assert!(wanted(true, false));
        assert!(!wanted(true, true) && !wanted(false, false) && !wanted(false, true));
    }
}
