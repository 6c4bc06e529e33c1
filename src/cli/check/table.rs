//! The report as tables, followed by a remedy for each failure.

use std::fmt::Write as _;

use comfy_table::{Attribute, Cell, Color, Table, presets};

use super::report::{AccountCounts, AccountRow, CheckReport, CheckResult, ServerRow, SinkRow, StateRow};

impl CheckReport {
    /// Formats the report as tables, with colors for a terminal.
    pub(super) fn table(&self, colors: bool) -> String {
        let mut text = String::new();
        let with_header = |header: &[&str]| {
            let mut table = Table::new();
            table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
            table.set_header(header.iter().map(|name| bold(name, colors)));
            table
        };
        let mut servers = with_header(&["server", "address", "way", "reachable", "version"]);
        servers.add_rows(self.servers.iter().map(|row| row.cells(colors)));
        let mut accounts = with_header(&["account", "server", "token", "user", "hello"]);
        accounts.add_rows(self.accounts.iter().map(|row| row.cells(colors)));
        let mut sinks = with_header(&["sink", "type", "target", "usable"]);
        sinks.add_rows(self.sinks.iter().map(|row| row.cells(colors)));
        let mut state = with_header(&["state", "file", "usable"]);
        state.add_row(self.state.cells(colors));
        for table in [servers, accounts, sinks, state].iter().filter(|table| !table.is_empty()) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{table}\n");
        }
        for (name, result) in self.failures() {
            let problem = result.problem.as_deref().unwrap_or_default();
            let remedy = result.remedy.as_deref().unwrap_or_default();
            let _ = writeln!(text, "✗ {name}: {problem}\n  → {remedy}");
        }
        for row in &self.accounts {
            for warning in &row.warnings {
                let _ = writeln!(text, "! {}: {warning}", row.account);
            }
        }
        for warning in &self.warnings {
            let _ = writeln!(text, "! {warning}");
        }
        text + &self.summary()
    }

    fn failures(&self) -> Vec<(&str, &CheckResult)> {
        let servers = self.servers.iter().map(|row| (&*row.server, &row.reachable));
        let accounts =
            self.accounts.iter().flat_map(|row| [(&*row.account, &row.token), (&*row.account, &row.hello)]);
        let sinks = self.sinks.iter().map(|row| (&*row.sink, &row.usable));
        let state = [("state", &self.state.usable)];
        servers
            .chain(accounts)
            .chain(sinks)
            .chain(state)
            .filter(|(_, result)| result.ok == Some(false))
            .collect()
    }

    fn summary(&self) -> String {
        let AccountCounts { all, working } = self.counts;
        format!("{working} of {all} accounts work\n")
    }
}

impl ServerRow {
    fn cells(&self, colors: bool) -> Vec<Cell> {
        let version = self.version.as_deref().unwrap_or("–");
        vec![
            Cell::new(&self.server),
            Cell::new(&self.url),
            Cell::new(&self.way),
            self.reachable.cell(colors),
            Cell::new(version),
        ]
    }
}

impl AccountRow {
    fn cells(&self, colors: bool) -> Vec<Cell> {
        let user = self.user.as_ref().map_or("–".to_owned(), |user| format!("@{user}"));
        vec![
            Cell::new(&self.account),
            Cell::new(&self.server),
            self.token.cell(colors),
            Cell::new(user),
            self.hello.cell(colors),
        ]
    }
}

impl SinkRow {
    fn cells(&self, colors: bool) -> Vec<Cell> {
        let target = Cell::new(&self.target);
        vec![Cell::new(&self.sink), Cell::new(self.kind), target, self.usable.cell(colors)]
    }
}

impl StateRow {
    fn cells(&self, colors: bool) -> Vec<Cell> {
        let file = self.file.as_deref().unwrap_or("–");
        vec![Cell::new(self.store), Cell::new(file), self.usable.cell_with(self.note, colors)]
    }
}

impl CheckResult {
    fn cell(&self, colors: bool) -> Cell {
        self.cell_with("", colors)
    }

    fn cell_with(&self, note: &str, colors: bool) -> Cell {
        let (text, color) = match (self.ok, self.took_ms) {
            (Some(true), Some(took)) => (format!("✓ {took} ms"), Color::Green),
            (Some(true), None) => (format!("✓ {note}").trim_end().to_owned(), Color::Green),
            (Some(false), _) => ("✗".to_owned(), Color::Red),
            (None, _) => ("– not tested".to_owned(), Color::DarkGrey),
        };
        if colors { Cell::new(text).fg(color) } else { Cell::new(text) }
    }
}

fn bold(name: &str, colors: bool) -> Cell {
    if colors { Cell::new(name).add_attribute(Attribute::Bold) } else { Cell::new(name) }
}
