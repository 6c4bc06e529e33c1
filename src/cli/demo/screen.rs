//! The output of the demo: a live screen on a terminal, plain lines elsewhere, and a summary at the end.

mod frame;

use std::{
    collections::VecDeque,
    env,
    io::{self, IsTerminal as _, Stdout, Write as _},
    time::Duration,
};

use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, Table, presets::NOTHING};
use crossterm::{
    cursor::{Hide, MoveTo, Show},
    execute, queue,
    style::Print,
    terminal::{self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen},
};
use matterhost_actors::model::{AccountSnapshot, AccountState};

use self::frame::Frame;
use super::{
    scene::{PostCount, Scene},
    stats::DemoStats,
    words,
};
use crate::telemetry::color;

/// The lines about what happened that are kept, enough for a large terminal.
const KEPT_LINES: usize = 60;
/// The size that is assumed for a terminal that does not tell it.
const DEFAULT_SIZE: (u16, u16) = (80, 24);

const TITLE: &str = "Three bots on a simulated Mattermost server. Every few seconds something breaks.";
const PAGE: &str = "Watch them on a web page. This link opens it, once:";
const NO_PAGE: &str =
    "There is no web page: another program uses 127.0.0.1:8466. Choose an address with --admin.";

/// Standard output, as a terminal or as plain lines.
pub(super) struct Screen {
    out: Stdout,
    is_terminal: bool,
    colors: bool,
    /// The lines that stay at the top.
    head: Vec<String>,
    recent: VecDeque<String>,
}

impl Screen {
    /// Starts the output with a link to the page, if there is one. A terminal shows its previous content again at the end.
    pub(super) fn start(link: Option<&str>) -> io::Result<Self> {
        let mut out = io::stdout();
        let is_terminal = out.is_terminal() && env::var_os("TERM").is_none_or(|kind| kind != "dumb");
        let colors = color::is_enabled(&out);
        let page = link.map_or_else(|| vec![NO_PAGE.to_owned()], |link| vec![PAGE.into(), link.into()]);
        let head: Vec<_> = [TITLE.to_owned()].into_iter().chain(page).collect();
        if is_terminal {
            execute!(out, EnterAlternateScreen, Hide)?;
        } else {
            head.iter().try_for_each(|line| writeln!(out, "{line}"))?;
        }
        Ok(Self { out, is_terminal, colors, head, recent: VecDeque::new() })
    }

    /// Shows a line about something that happened.
    pub(super) fn line(&mut self, line: &str) -> io::Result<()> {
        if !self.is_terminal {
            return writeln!(self.out, "{line}");
        }
        if self.recent.len() == KEPT_LINES {
            self.recent.pop_front();
        }
        self.recent.push_back(line.to_owned());
        Ok(())
    }

    /// Draws the screen anew.
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
        let mut table = table(scene, stats, accounts, self.colors);
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(size.0);
        let (table, chat) = (table.trim_fmt(), scene.chat.lines());
        let frame = Frame { head: &self.head, table: &table, chat: &chat, recent: &self.recent };
        for (row, line) in (0..).zip(frame.lines(size)) {
            queue!(self.out, MoveTo(0, row), Clear(ClearType::CurrentLine), Print(line))?;
        }
        queue!(self.out, Clear(ClearType::FromCursorDown))?;
        self.out.flush()
    }

    /// Gives the terminal back.
    pub(super) fn leave(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.is_terminal) {
            execute!(self.out, Show, LeaveAlternateScreen)?;
        }
        Ok(())
    }

    /// Prints the final table, and the bots that did not receive each post once.
    pub(super) fn summary(
        &mut self,
        scene: &Scene,
        stats: &DemoStats,
        accounts: &[AccountSnapshot],
        (posts, counts): (usize, &[PostCount]),
    ) -> io::Result<()> {
        self.leave()?;
        writeln!(self.out, "\n{}\n", table(scene, stats, accounts, self.colors).trim_fmt())?;
        let wrong: Vec<_> = counts.iter().filter(|counts| !counts.is_right()).collect();
        if wrong.is_empty() {
            return writeln!(
                self.out,
                "{posts} posts. Every bot received every post by the others exactly once."
            );
        }
        for PostCount { bot, expected, received } in wrong {
            writeln!(self.out, "FAILED: {bot} received {received} posts instead of {expected}.")?;
        }
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // There is nowhere left to report a failure to.
        let _ = self.leave();
    }
}

fn table(scene: &Scene, stats: &DemoStats, accounts: &[AccountSnapshot], colors: bool) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let numbers = ["sockets", "received", "fetched"].map(|title| right(title.into()));
    let last = Cell::new("back after (median, longest)");
    table.set_header([Cell::new("bot"), Cell::new("state")].into_iter().chain(numbers).chain([last]));
    for account in accounts {
        let name = account.account.as_str();
        let received = scene.bots.iter().find(|bot| bot.name == name).map_or(0, |bot| bot.sink.posts());
        let recovery = stats.of(name).map_or_else(String::new, |bot| median_and_longest(&bot.recovery_times));
        table.add_row([
            Cell::new(name),
            state(account.state, colors),
            right(account.generation.to_string()),
            right(received.to_string()),
            right(account.recovered.to_string()),
            Cell::new(recovery),
        ]);
    }
    table
}

fn state(state: AccountState, colors: bool) -> Cell {
    let cell = Cell::new(state.label().replace('_', " "));
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
    if colors { cell.fg(color) } else { cell }
}

/// Formats the median and the longest of some times; empty if there are none.
fn median_and_longest(times: &[Duration]) -> String {
    let mut sorted = times.to_vec();
    sorted.sort();
    match (sorted.get(sorted.len() / 2), sorted.last()) {
        (Some(median), Some(longest)) => format!("{}, {}", words::time(*median), words::time(*longest)),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_as_median_and_longest() {
        let ms = Duration::from_millis;
        assert_eq!(median_and_longest(&[]), "");
        assert_eq!(median_and_longest(&[ms(1_900), ms(10), ms(30)]), "30 ms, 1.9 s");
    }
}
