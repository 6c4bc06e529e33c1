//! A report as a person reads it: tables, and beneath them what to do.

use std::fmt::Write as _;

use comfy_table::{Attribute, Cell, Color, Table, presets};

use super::{AccountRow, CheckReport, CheckResult, ServerRow, StateRow};

impl CheckReport {
    /// The report as tables; `colours` are for a terminal.
    pub fn table(&self, colours: bool) -> String {
        let mut text = String::new();
        let headed = |header: &[&str]| {
            let mut table = Table::new();
            table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
            table.set_header(header.iter().map(|name| bold(name, colours)));
            table
        };
        let mut servers = headed(&["server", "address", "reachable", "version"]);
        servers.add_rows(self.servers.iter().map(|row| row.cells(colours)));
        let mut accounts = headed(&["account", "server", "token", "user", "hello"]);
        accounts.add_rows(self.accounts.iter().map(|row| row.cells(colours)));
        // Writing into a String cannot fail.
        let mut state = headed(&["state", "file", "usable"]);
        state.add_row(self.state.cells(colours));
        let _ = writeln!(text, "{servers}\n\n{accounts}\n\n{state}\n");
        for (name, finding) in self.failures() {
            let (problem, remedy) = (told(finding.problem.as_ref()), told(finding.remedy.as_ref()));
            let _ = writeln!(text, "✗ {name}: {problem}\n  → {remedy}");
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
        let state = [("state", &self.state.usable)];
        servers.chain(accounts).chain(state).filter(|(_, finding)| finding.ok == Some(false)).collect()
    }

    fn summary(&self) -> String {
        let well = self.accounts.iter().filter(|row| row.hello.ok == Some(true)).count();
        format!("{well} of {} accounts work\n", self.accounts.len())
    }
}

impl ServerRow {
    fn cells(&self, colours: bool) -> Vec<Cell> {
        let version = self.version.as_deref().unwrap_or("–");
        vec![Cell::new(&self.server), Cell::new(&self.url), self.reachable.cell(colours), Cell::new(version)]
    }
}

impl AccountRow {
    fn cells(&self, colours: bool) -> Vec<Cell> {
        let user = self.user.as_ref().map_or("–".to_owned(), |user| format!("@{user}"));
        vec![
            Cell::new(&self.account),
            Cell::new(&self.server),
            self.token.cell(colours),
            Cell::new(user),
            self.hello.cell(colours),
        ]
    }
}

impl StateRow {
    fn cells(&self, colours: bool) -> Vec<Cell> {
        let file = self.file.as_deref().unwrap_or("–");
        vec![Cell::new(self.store), Cell::new(file), self.usable.cell_with(self.note, colours)]
    }
}

impl CheckResult {
    fn cell(&self, colours: bool) -> Cell {
        self.cell_with("", colours)
    }

    fn cell_with(&self, note: &str, colours: bool) -> Cell {
        let (text, colour) = match (self.ok, self.took_ms) {
            (Some(true), Some(took)) => (format!("✓ {took} ms"), Color::Green),
            (Some(true), None) => (format!("✓ {note}").trim_end().to_owned(), Color::Green),
            (Some(false), _) => ("✗".to_owned(), Color::Red),
            (None, _) => ("– not asked".to_owned(), Color::DarkGrey),
        };
        if colours { Cell::new(text).fg(colour) } else { Cell::new(text) }
    }
}

fn bold(name: &str, colours: bool) -> Cell {
    if colours { Cell::new(name).add_attribute(Attribute::Bold) } else { Cell::new(name) }
}

fn told(text: Option<&String>) -> &str {
    text.map_or("", String::as_str)
}
