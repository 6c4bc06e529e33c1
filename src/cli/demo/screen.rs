//! What a person sees of the demo: a live table on a terminal, plain lines elsewhere, a summary at the end.

use std::{
    collections::VecDeque,
    io::{self, Write as _},
    time::Duration,
};

use comfy_table::{Cell, CellAlignment, Color, Table, presets::UTF8_HORIZONTAL_ONLY};
use crossterm::{
    cursor::MoveUp,
    queue,
    terminal::{Clear, ClearType},
};
use matterhost_actors::model::{AccountSnapshot, AccountState};

use super::{
    scene::Scene,
    tally::{BotStats, DemoStats},
};
use crate::telemetry::color;

/// Lines of news under the table.
const NEWS: usize = 8;

/// Where the demo is shown.
pub(super) struct Screen {
    live: bool,
    colours: bool,
    news: VecDeque<String>,
    /// How many lines the last picture took.
    drawn: u16,
}

impl Screen {
    pub(super) fn new(terminal: bool) -> Self {
        let colours = color::is_enabled(&io::stdout());
        Self { live: terminal, colours, news: VecDeque::new(), drawn: 0 }
    }

    /// Something happened.
    pub(super) fn line(&mut self, line: &str) -> io::Result<()> {
        if !self.live {
            return writeln!(io::stdout().lock(), "{line}");
        }
        if self.news.len() == NEWS {
            self.news.pop_front();
        }
        self.news.push_back(line.to_owned());
        Ok(())
    }

    /// Draws the table over the last one.
    pub(super) fn draw(
        &mut self,
        scene: &Scene,
        tally: &DemoStats,
        accounts: &[AccountSnapshot],
    ) -> io::Result<()> {
        if !self.live {
            return Ok(());
        }
        let mut text = self.table(scene, tally, accounts).to_string();
        text.push_str("\n\n");
        for line in &self.news {
            text.push_str(line);
            text.push('\n');
        }
        text.push_str("Ctrl-C ends it.\n");
        let mut out = io::stdout().lock();
        if self.drawn > 0 {
            queue!(out, MoveUp(self.drawn))?;
        }
        queue!(out, Clear(ClearType::FromCursorDown))?;
        self.drawn = u16::try_from(text.lines().count()).unwrap_or(u16::MAX);
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// The last picture: what each heard, how soon it was back, and who heard too little or too much.
    pub(super) fn summary(
        &self,
        scene: &Scene,
        tally: &DemoStats,
        accounts: &[AccountSnapshot],
        wrong: &[String],
    ) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let made = scene.posts_created();
        writeln!(out, "\n{}\n", self.table(scene, tally, accounts))?;
        for bot in &scene.bots {
            let endings = tally.stats(&bot.name).map_or_else(String::new, endings);
            writeln!(out, "{}: {made} posts made, {} heard; {endings}", bot.name, bot.ears.posts())?;
        }
        if wrong.is_empty() {
            writeln!(out, "Every bot heard every post, once.")
        } else {
            writeln!(out, "NOT WHAT WAS SAID: {}", wrong.join(", "))
        }
    }

    fn table(&self, scene: &Scene, tally: &DemoStats, accounts: &[AccountSnapshot]) -> Table {
        let mut table = Table::new();
        table.load_preset(UTF8_HORIZONTAL_ONLY);
        let heads = [
            "bot",
            "state",
            "generation",
            "restarts",
            "budget left",
            "heard",
            "back after (median, longest)",
        ];
        table.set_header(heads);
        for account in accounts {
            let name = account.account.as_str();
            let heard = scene.bots.iter().find(|bot| bot.name == name).map_or(0, |bot| bot.ears.posts());
            let back = tally.stats(name).map_or_else(String::new, |stats| back_after(&stats.back_after));
            let number = |value: u64| Cell::new(value).set_alignment(CellAlignment::Right);
            table.add_row([
                Cell::new(name),
                self.state(account.state),
                number(account.generation.0),
                number(account.restarts),
                number(account.budget_left.into()),
                Cell::new(heard).set_alignment(CellAlignment::Right),
                Cell::new(back),
            ]);
        }
        table
    }

    fn state(&self, state: AccountState) -> Cell {
        let cell = Cell::new(state);
        let colour = match state {
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
        if self.colours { cell.fg(colour) } else { cell }
    }
}

/// The median and the longest of some times, or nothing.
fn back_after(times: &[Duration]) -> String {
    let mut sorted = times.to_vec();
    sorted.sort();
    match (sorted.get(sorted.len() / 2), sorted.last()) {
        (Some(median), Some(longest)) => format!("{} ms, {} ms", median.as_millis(), longest.as_millis()),
        _ => String::new(),
    }
}

/// Why the Connections ended, each kind with its number.
fn endings(stats: &BotStats) -> String {
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for ending in &stats.endings {
        match kinds.iter_mut().find(|(kind, _)| kind == ending) {
            Some((_, count)) => *count += 1,
            None => kinds.push((ending, 1)),
        }
    }
    if kinds.is_empty() {
        return "one connection, all the time".into();
    }
    kinds.iter().map(|(kind, count)| format!("{kind} × {count}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_median_and_longest() {
        let ms = Duration::from_millis;
        assert_eq!(back_after(&[]), "");
        assert_eq!(back_after(&[ms(900), ms(10), ms(30)]), "30 ms, 900 ms");
    }

    #[test]
    fn endings_are_counted_by_kind() {
        let stats =
            BotStats { endings: ["stale", "deaf", "stale"].map(Into::into).into(), ..BotStats::default() };
        assert_eq!(endings(&stats), "stale × 2, deaf × 1");
    }
}
