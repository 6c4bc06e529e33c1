use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use super::journal::priority;

/// An event format that writes one line per event, so that text from a server cannot start a line of its own.
/// Optionally adds a journal priority.
pub(super) struct OneLine<F> {
    inner: F,
    with_priority: bool,
}

impl<F> OneLine<F> {
    pub(super) fn new(inner: F) -> Self {
        Self { inner, with_priority: false }
    }

    pub(super) fn with_priority(inner: F) -> Self {
        Self { inner, with_priority: true }
    }
}

impl<S, N, F> FormatEvent<S, N> for OneLine<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut text = String::new();
        self.inner.format_event(context, Writer::new(&mut text), event)?;
        if self.with_priority {
            write!(writer, "<{}>", priority(*event.metadata().level()))?;
        }
        writeln!(writer, "{}", escape_line_breaks(text.trim()))
    }
}

fn escape_line_breaks(text: &str) -> String {
    text.replace('\r', "\\r").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_several_lines_becomes_one() {
        assert_eq!(escape_line_breaks("a\nERROR b\r\nc"), "a\\nERROR b\\r\\nc");
    }
}
