//! The output of the demo: a live table on a terminal, plain lines elsewhere, and a summary at the end.

use std::{
    collections::VecDeque,
    io::{self, Write as _},
    time::Duration,
};

use comfy_table::{
    Cell, CellAlignment, Color, ContentArrangement, Table,
    presets::{NOTHING, UTF8_HORIZONTAL_ONLY},
};
use crossterm::{
    cursor::MoveUp,
    queue,
    terminal::{self, Clear, ClearType},
};
use matterhost_actors::model::{AccountSnapshot, AccountState};

use super::{
    scene::Scene,
    stats::{BotStats, DemoStats},
};
use crate::telemetry::color;

/// The most recent lines under the table.
const RECENT_LINES: usize = 30;
/// The size that is assumed for a terminal that does not tell it.
const DEFAULT_SIZE: (u16, u16) = (80, 24);

/// Standard output, as a terminal or as plain lines.
pub(super) struct Screen {
    is_terminal: bool,
    colors: bool,
    recent: VecDeque<String>,
    /// The line that stays below all others.
    footer: String,
    /// Number of lines of the last redraw.
    drawn: u16,
}

impl Screen {
    pub(super) fn new(is_terminal: bool) -> Self {
        let colors = color::is_enabled(&io::stdout());
        let footer = "Press Ctrl-C to exit.".to_owned();
        Self { is_terminal, colors, recent: VecDeque::new(), footer, drawn: 0 }
    }

    /// Shows the address of the page; on a terminal it stays in sight.
    pub(super) fn page(&mut self, url: &str) -> io::Result<()> {
        if self.is_terminal {
            self.footer = format!("The page is at {url}. {}", self.footer);
            return Ok(());
        }
        self.line(&format!("The page is at {url}"))
    }

    /// Shows a line about something that happened.
    pub(super) fn line(&mut self, line: &str) -> io::Result<()> {
        if !self.is_terminal {
            return writeln!(io::stdout().lock(), "{line}");
        }
        if self.recent.len() == RECENT_LINES {
            self.recent.pop_front();
        }
        self.recent.push_back(line.to_owned());
        Ok(())
    }

    /// Draws the table over the last one.
    pub(super) fn draw(
        &mut self,
        scene: &Scene,
        stats: &DemoStats,
        accounts: &[AccountSnapshot],
    ) -> io::Result<()> {
        if !self.is_terminal {
            return Ok(());
        }
        let size = terminal::size().unwrap_or(DEFAULT_SIZE);
        let mut table = self.table(scene, stats, accounts);
        table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(size.0);
        let text = frame(&table.trim_fmt(), &self.recent, &self.footer, size);
        let mut out = io::stdout().lock();
        if self.drawn > 0 {
            queue!(out, MoveUp(self.drawn))?;
        }
        queue!(out, Clear(ClearType::FromCursorDown))?;
        self.drawn = u16::try_from(text.lines().count()).unwrap_or(u16::MAX);
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Prints the final table, the number of posts that each bot received, and the bots in `failed`, whose number is
    /// wrong.
    pub(super) fn summary(
        &self,
        scene: &Scene,
        stats: &DemoStats,
        accounts: &[AccountSnapshot],
        failed: &[String],
    ) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let created = scene.posts_created();
        writeln!(out, "\n{}\n", self.table(scene, stats, accounts))?;
        for bot in &scene.bots {
            let endings = stats.of(&bot.name).map_or_else(String::new, endings);
            writeln!(out, "{}: {created} posts created, {} received; {endings}", bot.name, bot.sink.posts())?;
        }
        if failed.is_empty() {
            writeln!(out, "Every bot received every post exactly once.")
        } else {
            writeln!(out, "FAILED: missing or duplicate posts: {}", failed.join(", "))
        }
    }

    fn table(&self, scene: &Scene, stats: &DemoStats, accounts: &[AccountSnapshot]) -> Table {
        let mut table = Table::new();
        table.load_preset(UTF8_HORIZONTAL_ONLY);
        table.set_header([
            "bot",
            "state",
            "#",
            "restarts",
            "budget",
            "received",
            "back after (median, longest)",
        ]);
        for account in accounts {
            let name = account.account.as_str();
            let received = scene.bots.iter().find(|bot| bot.name == name).map_or(0, |bot| bot.sink.posts());
            let recovery = stats.of(name).map_or_else(String::new, |bot| median_and_max(&bot.recovery_times));
            let number = |value: u64| Cell::new(value).set_alignment(CellAlignment::Right);
            table.add_row([
                Cell::new(name),
                self.state(account.state),
                number(account.generation.0),
                number(account.restarts),
                number(account.budget_left.into()),
                Cell::new(received).set_alignment(CellAlignment::Right),
                Cell::new(recovery),
            ]);
        }
        table
    }

    fn state(&self, state: AccountState) -> Cell {
        let cell = Cell::new(state);
        let color = match state {
            AccountState::Ready => Color::Green,
            AccountState::Connecting
            | AccountState::CatchingUp
            | AccountState::Backoff
            | AccountState::Stopping => Color::Yellow,
            AccountState::Stalled
            | AccountState::Blocked
            | AccountState::Misconfigured
            | AccountState::Tripped
            | AccountState::Stopped => Color::Red,
        };
        if self.colors { cell.fg(color) } else { cell }
    }
}

/// Returns the lines to draw: at most as many as fit, and none that is wider than the terminal. A line that wraps
/// would take more rows than the next drawing goes back.
fn frame(table: &str, recent: &VecDeque<String>, footer: &str, (columns, rows): (u16, u16)) -> String {
    /// The empty lines around the recent ones, and the row of the cursor.
    const SPACE: usize = 3;
    let (columns, rows) = (usize::from(columns), usize::from(rows));
    let room = rows.saturating_sub(table.lines().count() + 1 + SPACE);
    let recent = recent.iter().skip(recent.len().saturating_sub(room)).map(String::as_str);
    let lines = table.lines().chain([""]).chain(recent).chain(["", footer]);
    lines.map(|line| fit(line, columns) + "\n").collect()
}

/// Cuts a line that is wider than the terminal. Lines with colors are the table's, which fits.
fn fit(line: &str, columns: usize) -> String {
    if line.contains('\u{1b}') || line.chars().count() <= columns {
        return line.to_owned();
    }
    line.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
}

/// Formats the median and the longest of some times; empty if there are none.
fn median_and_max(times: &[Duration]) -> String {
    let mut sorted = times.to_vec();
    sorted.sort();
    match (sorted.get(sorted.len() / 2), sorted.last()) {
        (Some(median), Some(longest)) => format!("{} ms, {} ms", median.as_millis(), longest.as_millis()),
        _ => String::new(),
    }
}

/// Formats the reasons why the Connections of a bot ended, with the count of each.
fn endings(stats: &BotStats) -> String {
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for ending in &stats.endings {
        match kinds.iter_mut().find(|(kind, _)| kind == ending) {
            Some((_, count)) => *count += 1,
            None => kinds.push((ending, 1)),
        }
    }
    if kinds.is_empty() {
        return "no connection ended".into();
    }
    kinds.iter().map(|(kind, count)| format!("{kind} × {count}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_as_median_and_longest() {
        let ms = Duration::from_millis;
        assert_eq!(median_and_max(&[]), "");
        assert_eq!(median_and_max(&[ms(900), ms(10), ms(30)]), "30 ms, 900 ms");
    }

    #[test]
    fn a_frame_fits_the_terminal() {
        let recent: VecDeque<_> = (0..40).map(|n| format!("{n} {}", "word ".repeat(30))).collect();
        for size in [(80, 24), (160, 50), (20, 9)] {
            let text = frame("head\na\nb\nc", &recent, "the page and the way out", size);
            assert!(text.lines().count() < usize::from(size.1), "{size:?}: {text}");
            assert!(text.lines().all(|line| line.chars().count() <= usize::from(size.0)), "{size:?}: {text}");
            let last = recent.back().unwrap().split(' ').next().unwrap();
            assert!(text.contains(&format!("\n{last} word")), "the newest line is shown at {size:?}: {text}");
            assert!(
                text.starts_with("head\na\n") && text.lines().last().unwrap().starts_with("the page"),
                "{text}"
            );
        }
    }

    #[test]
    fn endings_are_counted_by_kind() {
        let stats =
            BotStats { endings: ["stale", "deaf", "stale"].map(Into::into).into(), ..BotStats::default() };
        assert_eq!(endings(&stats), "stale × 2, deaf × 1");
    }
}
