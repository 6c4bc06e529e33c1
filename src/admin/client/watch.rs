//! A view that is printed again every second.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use crossterm::{
    cursor::MoveTo,
    queue,
    terminal::{self, Clear, ClearType},
};
use matterhost_actors::model::printable;
use tokio::time::sleep;

use super::RemoteError;

/// The pause between two requests.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);
/// The number of rows assumed for a terminal of unknown height.
const DEFAULT_ROWS: u16 = 40;
/// Lines kept free for the header, the summary and an error.
const RESERVED_LINES: u16 = 6;

/// Prints a view every second. `render` gets the number of rows that fit.
///
/// # Errors
/// When the first request fails, a later one fails for good, or standard output cannot be written.
pub(super) async fn watch_view(
    json: bool,
    render: impl AsyncFn(usize) -> Result<String, RemoteError>,
) -> Result<(), RemoteError> {
    let terminal = io::stdout().is_terminal() && !json;
    let mut shown = String::new();
    loop {
        match render(rows(terminal)).await {
            Ok(render) => shown = render,
            Err(error) if error.is_transient() && !shown.is_empty() => {
                report_error(terminal, &shown, &error)?;
                sleep(REFRESH_INTERVAL).await;
                continue;
            }
            Err(error) => return Err(error),
        }
        print(terminal, &shown)?;
        sleep(REFRESH_INTERVAL).await;
    }
}

/// Reports an error: below the last output on a terminal, else on standard error.
fn report_error(terminal: bool, shown: &str, error: &RemoteError) -> io::Result<()> {
    if terminal {
        return print(terminal, &format!("{shown}! {}\n", printable(&error.to_string())));
    }
    // If standard error is closed, the message is lost.
    let _ = writeln!(io::stderr().lock(), "matterhost: {}", printable(&error.to_string()));
    Ok(())
}

fn print(terminal: bool, render: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if terminal {
        queue!(out, MoveTo(0, 0), Clear(ClearType::All))?;
    }
    out.write_all(render.as_bytes())?;
    out.flush()
}

fn rows(terminal: bool) -> usize {
    if !terminal {
        return usize::MAX;
    }
    let height = terminal::size().map_or(DEFAULT_ROWS, |(_, height)| height);
    usize::from(height.saturating_sub(RESERVED_LINES).max(1))
}
