//! The log, on standard error: for people with colours on a terminal, or JSON for programs.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::{
    Layer as _, Registry, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::config::{LogConfig, LogFormat};

/// Begins to log. A process does it once; later calls change nothing.
pub fn init(config: &LogConfig) {
    let layer = match config.format {
        LogFormat::Pretty => fmt::layer().with_writer(io::stderr).with_ansi(colours()).compact().boxed(),
        LogFormat::Json => {
            fmt::layer().with_writer(io::stderr).json().flatten_event(true).with_span_list(false).boxed()
        }
    };
    // A log that somebody has set up before stays as it is.
    let _ = Registry::default().with(layer.with_filter(config.level.clone())).try_init();
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
