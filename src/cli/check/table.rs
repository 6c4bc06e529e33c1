//! The report as tables, followed by a remedy for each failure.

use std::{collections::BTreeMap, fmt::Write as _};

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};

use super::report::{
    AccountCounts, AccountRow, CheckReport, CheckResult, LackingPermission, PermissionRow, ServerRow,
    SinkRow, StateRow,
};

/// The most accounts that a note names: the others are in the table.
const SHOWN_ACCOUNTS: usize = 5;

impl CheckReport {
    /// Formats the report as tables, with colors for a terminal.
    pub(super) fn table(&self, colors: bool) -> String {
        let mut text = String::new();
        let with_header = |header: &[&str]| {
            let mut table = Table::new();
            table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_header(header.iter().map(|name| bold(name, colors)));
            table
        };
        let mut servers = with_header(&["server", "address", "way", "reachable", "version"]);
        servers.add_rows(self.servers.iter().map(|row| row.cells(colors)));
        let mut accounts = with_header(&["account", "server", "token", "user", "hello", "lacks"]);
        accounts.add_rows(self.accounts.iter().map(|row| row.cells(colors)));
        let mut sinks = with_header(&["sink", "type", "target", "usable"]);
        sinks.add_rows(self.sinks.iter().map(|row| row.cells(colors)));
        let mut state = with_header(&["state", "file", "usable"]);
        state.add_rows(self.state.iter().map(|row| row.cells(colors)));
        for table in [servers, accounts, sinks, state].iter().filter(|table| !table.is_empty()) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{table}\n");
        }
        for (name, result) in self.failures() {
            let problem = result.problem.as_deref().unwrap_or_default();
            let remedy = result.remedy.as_deref().unwrap_or_default();
            let _ = writeln!(text, "✗ {name}: {problem}\n  → {remedy}");
        }
        for note in self.permission_notes() {
            let _ = writeln!(text, "! {note}");
        }
        for problem in &self.left_out {
            let _ = writeln!(text, "✗ {problem}");
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
        let state = self.state.iter().map(|row| ("state", &row.usable));
        servers
            .chain(accounts)
            .chain(sinks)
            .chain(state)
            .filter(|(_, result)| result.ok == Some(false))
            .collect()
    }

    /// Returns a note for each lacking permission, with the accounts that lack it.
    fn permission_notes(&self) -> Vec<String> {
        let mut accounts_by_note: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for row in &self.accounts {
            let notes = row.permissions.lacking.iter().map(LackingPermission::note);
            let unknown = row.permissions.problem.iter();
            let unknown = unknown.map(|problem| format!("its permissions are not known: {problem}"));
            for note in notes.chain(unknown) {
                accounts_by_note.entry(note).or_default().push(&row.account);
            }
        }
        let show = |(note, accounts): (String, Vec<&str>)| format!("{}: {note}", name_some(&accounts));
        accounts_by_note.into_iter().map(show).collect()
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
            self.permissions.cell(colors),
        ]
    }
}

impl PermissionRow {
    fn cell(&self, colors: bool) -> Cell {
        let names: Vec<_> = self.lacking.iter().map(LackingPermission::short).collect();
        match (self.known, names.is_empty()) {
            (false, _) if colors => Cell::new("– not known").fg(Color::DarkGrey),
            (false, _) => Cell::new("– not known"),
            (true, true) => Cell::new("nothing"),
            (true, false) if colors => Cell::new(names.join(", ")).fg(Color::Yellow),
            (true, false) => Cell::new(names.join(", ")),
        }
    }
}

impl LackingPermission {
    fn short(&self) -> String {
        match self.channels {
            Some(channels) => format!("{} in {channels}", self.ability),
            None => self.ability.to_owned(),
        }
    }

    fn note(&self) -> String {
        let Self { permission, effect, .. } = self;
        let place = self.channels.map(|channels| {
            let name = self.channel_name.as_ref().map(|name| format!("~{name}"));
            let name = name.or_else(|| self.channel.clone()).unwrap_or_default();
            match channels.saturating_sub(1) {
                0 => format!(" in {name}"),
                more => format!(" in {name} and {more} more"),
            }
        });
        let place = place.unwrap_or_default();
        format!(
            "no permission {permission}{place}: {effect}\n  → give it to one of the account's roles there"
        )
    }
}

/// Returns the names of some accounts, and the number of the others.
fn name_some(accounts: &[&str]) -> String {
    let shown = accounts.iter().take(SHOWN_ACCOUNTS).copied().collect::<Vec<_>>().join(", ");
    match accounts.len().saturating_sub(SHOWN_ACCOUNTS) {
        0 => shown,
        more => format!("{shown} and {more} more"),
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
