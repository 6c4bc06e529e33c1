use std::collections::VecDeque;

/// The line that stays below all others.
const FOOTER: &str = "Press Ctrl-C to exit.";
/// A terminal with fewer rows for events shows no channel and no link.
const FEWEST_EVENTS: usize = 4;
/// The most lines of the channel; the rest of a large terminal is for what happened.
const MOST_CHAT: usize = 8;
/// The column in which the text of an event begins.
const TEXT_COLUMN: usize = 10;

/// The parts of the screen, which is filled from top to bottom.
pub(super) struct Frame<'a> {
    pub(super) head: &'a [String],
    pub(super) table: &'a str,
    pub(super) chat: &'a [String],
    pub(super) recent: &'a VecDeque<String>,
}

impl Frame<'_> {
    /// Returns the lines to draw: at most as many as the terminal has rows, and none that is wider. The link of the head is
    /// wrapped instead of cut, because half a link is of no use.
    pub(super) fn lines(&self, (columns, rows): (u16, u16)) -> Vec<String> {
        let (columns, rows) = (usize::from(columns).max(1), usize::from(rows));
        let table: Vec<_> = self.table.lines().map(|line| fit(line, columns)).collect();
        // An empty line above the events and one above the footer.
        let mut room = rows.saturating_sub(table.len() + 3);
        let mut above: Vec<_> = self.head.iter().flat_map(|line| wrap(line, columns)).collect();
        above.push(String::new());
        if room < above.len() + FEWEST_EVENTS {
            above.clear();
        }
        room -= above.len();
        let chat = self.chat(columns, room.saturating_sub(FEWEST_EVENTS));
        room -= chat.len();
        let events = self.events(columns, room);
        let rest = vec![String::new(); room - events.len()];
        let blank = || [String::new()].into_iter();
        let lines = above.into_iter().chain(table).chain(chat).chain(blank()).chain(events).chain(rest);
        let mut lines: Vec<_> = lines.chain(blank()).take(rows.saturating_sub(1)).collect();
        lines.push(fit(FOOTER, columns));
        lines
    }

    /// Returns the newest events in at most that many rows. A long one takes several.
    fn events(&self, columns: usize, room: usize) -> Vec<String> {
        let mut shown: Vec<String> = Vec::new();
        for event in self.recent.iter().rev() {
            let rows = wrap_words(event, columns);
            if shown.len() + rows.len() > room && !shown.is_empty() {
                break;
            }
            shown.splice(0..0, rows);
        }
        shown.truncate(room);
        shown
    }

    /// Returns the newest posts with an empty line and a title above them, in at most that many rows. Their number does not
    /// depend on how many there are yet, so that the lines below do not move.
    fn chat(&self, columns: usize, room: usize) -> Vec<String> {
        let Some(posts) =
            (room / 2).checked_sub(2).map(|posts| posts.min(MOST_CHAT)).filter(|posts| *posts > 0)
        else {
            return Vec::new();
        };
        let title = [String::new(), fit("In the channel, as the bots hear it:", columns)];
        let newest = self.chat.iter().skip(self.chat.len().saturating_sub(posts));
        let newest: Vec<_> = newest.map(|line| fit(line, columns)).collect();
        let rest = vec![String::new(); posts - newest.len()];
        title.into_iter().chain(newest).chain(rest).collect()
    }
}

/// Cuts a line that is wider than the terminal. Lines with colors are the table's, which fits.
fn fit(line: &str, columns: usize) -> String {
    if line.contains('\u{1b}') || line.chars().count() <= columns {
        return line.to_owned();
    }
    line.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
}

/// Splits a line into rows.
fn wrap(line: &str, columns: usize) -> Vec<String> {
    let chars: Vec<_> = line.chars().collect();
    chars.chunks(columns).map(|row| row.iter().collect()).collect()
}

/// Splits a line between words. Its further rows begin below the text of the first, which follows a time.
fn wrap_words(line: &str, columns: usize) -> Vec<String> {
    let indent = " ".repeat(TEXT_COLUMN.min(columns / 4));
    let mut rows: Vec<String> = Vec::new();
    for word in line.split(' ') {
        match rows.last_mut() {
            Some(row) if row.chars().count() + 1 + word.chars().count() <= columns => {
                row.push(' ');
                row.push_str(word);
            }
            Some(_) => rows.push(format!("{indent}{word}")),
            None => rows.push(word.to_owned()),
        }
    }
    rows.iter().map(|row| fit(row, columns)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "head\na\nb\nc";

    fn lines(size: (u16, u16)) -> Vec<String> {
        let link = format!("http://127.0.0.1:8466/#sign-in={}", "x".repeat(43));
        let head = ["title".to_owned(), "This link opens the page:".into(), link];
        let recent: VecDeque<_> = (0..60).map(|n| format!("{n} {}", "word ".repeat(30))).collect();
        let chat: Vec<_> = (0..12).map(|n| format!("ana: text {n}")).collect();
        Frame { head: &head, table: TABLE, chat: &chat, recent: &recent }.lines(size)
    }

    #[test]
    fn a_frame_fills_the_terminal_and_no_more() {
        for (columns, rows) in [(80, 24), (160, 50), (20, 9), (40, 16), (10, 3), (300, 200), (1, 1)] {
            let lines = lines((columns, rows));
            assert_eq!(lines.len(), usize::from(rows), "{columns}x{rows}");
            assert!(
                lines.iter().all(|line| line.chars().count() <= usize::from(columns)),
                "{columns}x{rows}"
            );
        }
    }

    #[test]
    fn common_terminals_show_link_table_channel_events_and_footer() {
        for size in [(80, 24), (160, 50)] {
            let lines = lines(size);
            let text = lines.join("\n");
            assert!(lines.contains(&format!("http://127.0.0.1:8466/#sign-in={}", "x".repeat(43))), "{text}");
            for part in ["head\na\nb\nc\n", "\nana: text 11\n", "\n59 word"] {
                assert!(text.contains(part), "{part:?} in {size:?}\n{text}");
            }
            assert_eq!(lines.last().unwrap(), FOOTER);
        }
    }

    #[test]
    fn a_narrow_terminal_wraps_the_link() {
        let text = lines((40, 24)).concat();
        assert!(text.contains(&"x".repeat(43)), "{text}");
    }

    #[test]
    fn a_long_event_goes_on_in_the_next_row() {
        let event = "  10.2 s  An administrator disables deploys and enables it at once. Its socket stays open, but deaf.";
        let frame =
            Frame { head: &[], table: TABLE, chat: &[], recent: &VecDeque::from(vec![event.to_owned(); 12]) };
        let text = frame.lines((80, 24)).join("\n");
        let [first, second] = [
            "  10.2 s  An administrator disables deploys and enables it at once. Its socket",
            "          stays open, but deaf.",
        ];
        assert_eq!(text.matches(&format!("{first}\n{second}\n")).count(), 5, "{text}");
        assert!(!text.contains('…'), "{text}");
        assert!(frame.lines((160, 50)).contains(&event.to_owned()));
    }

    #[test]
    fn a_small_terminal_shows_the_table_and_the_newest_event() {
        let text = lines((20, 9)).join("\n");
        assert!(text.starts_with("head\na\nb\nc\n") && text.contains("\n59 word"), "{text}");
    }
}
