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
/// The size assumed for a terminal that does not tell it.
const DEFAULT_SIZE: (u16, u16) = (80, 40);
/// Lines kept free for the summary, an error and the cursor.
const RESERVED_LINES: u16 = 4;
/// The fewest lines of a table: its header and an item.
const FEWEST_LINES: u16 = 3;

/// Prints a view every second. `render` gets the number of lines that a table may have.
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
        match render(lines_of_table(terminal)).await {
            Ok(render) => shown = render,
            Err(error) if error.is_transient() && !shown.is_empty() => {
                report_error(terminal, &shown, &error)?;
                sleep(REFRESH_INTERVAL).await;
                continue;
            }
            Err(error) => return Err(error),
        }
        print(terminal, &shown, "")?;
        sleep(REFRESH_INTERVAL).await;
    }
}

/// Reports an error: below the last output on a terminal, else on standard error.
fn report_error(terminal: bool, shown: &str, error: &RemoteError) -> io::Result<()> {
    if terminal {
        return print(terminal, shown, &format!("! {}\n", printable(&error.to_string())));
    }
    // If standard error is closed, the message is lost.
    let _ = writeln!(io::stderr().lock(), "matterhost: {}", printable(&error.to_string()));
    Ok(())
}

fn print(terminal: bool, shown: &str, note: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if terminal {
        queue!(out, MoveTo(0, 0), Clear(ClearType::All))?;
        let (columns, rows) = terminal::size().unwrap_or(DEFAULT_SIZE);
        // The cursor takes the last row.
        let rows = usize::from(rows).saturating_sub(1 + note_rows(note, columns));
        out.write_all(cut(shown, (columns.into(), rows)).as_bytes())?;
    } else {
        out.write_all(shown.as_bytes())?;
    }
    out.write_all(note.as_bytes())?;
    out.flush()
}

fn note_rows(note: &str, columns: u16) -> usize {
    note.lines().map(|line| rows_of(line, columns.into())).sum()
}

/// Returns the first lines that fit, so that the terminal does not scroll.
fn cut(text: &str, (columns, rows): (usize, usize)) -> String {
    let mut kept = String::new();
    let mut used = 0;
    for line in text.lines() {
        used += rows_of(line, columns);
        if used > rows {
            break;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    kept
}

/// Returns the rows that a line takes on a terminal. Lines with colors are a table's, which fits.
fn rows_of(line: &str, columns: usize) -> usize {
    let has_colors = line.contains('\u{1b}');
    if has_colors { 1 } else { line.chars().count().div_ceil(columns.max(1)).max(1) }
}

fn lines_of_table(terminal: bool) -> usize {
    if !terminal {
        return usize::MAX;
    }
    let (_, rows) = terminal::size().unwrap_or(DEFAULT_SIZE);
    rows.saturating_sub(RESERVED_LINES).max(FEWEST_LINES).into()
}

/// Formats as many of the first items as fit, at least one, with the number of the others below. An item may take several
/// lines, at most `lines_of_item`.
pub(super) fn fit<T>(
    items: &[T],
    max_lines: usize,
    lines_of_item: usize,
    format: impl Fn(&[T]) -> String,
) -> String {
    let mut shown = items.len().min(max_lines);
    loop {
        let text = format(&items[..shown]);
        let over = text.lines().count().saturating_sub(max_lines);
        if over > 0 && shown > 1 {
            shown -= over.div_ceil(lines_of_item).min(shown - 1);
            continue;
        }
        return match items.len() - shown {
            0 => format!("{text}\n"),
            more => format!("{text}\n… and {more} more\n"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_is_cut_where_the_terminal_ends() {
        let text = "a title\n0123456789ab\n\u{1b}[1mcolored and long\u{1b}[0m\nlast\n";
        assert_eq!(cut(text, (10, 5)), text);
        assert_eq!(cut(text, (10, 4)), text.replace("last\n", ""));
        assert_eq!(cut(text, (10, 2)), "a title\n", "the second line takes two rows");
        assert_eq!(cut(text, (1, 0)), "");
    }

    #[test]
    fn as_many_items_are_shown_as_fit_with_the_number_of_the_others() {
        let lines_of = |item: &usize| "line\n".repeat(*item);
        let format = |items: &[usize]| {
            format!("head\n{}", items.iter().map(lines_of).collect::<String>()).trim_end().to_owned()
        };
        let shown = |items: &[usize], max_lines| {
            let text = fit(items, max_lines, 4, format);
            (text.lines().filter(|line| *line == "line").count(), text.lines().last().unwrap().to_owned())
        };
        assert_eq!(shown(&[1; 3], usize::MAX), (3, "line".into()));
        assert_eq!(shown(&[1; 1_000], 20), (19, "… and 981 more".into()));
        assert_eq!(shown(&[4; 1_000], 20), (16, "… and 996 more".into()));
        assert_eq!(shown(&[1, 4, 4, 1], 10), (9, "… and 1 more".into()));
        assert_eq!(shown(&[4; 2], 1), (4, "… and 1 more".into()), "at least one");
        assert_eq!(fit(&[], 20, 4, format), "head\n");
    }
}
