//! The differences that the README lists: the test holds it to them.

use std::collections::BTreeSet;

const README: &str = include_str!("../../../README.md");

/// The differences that the README lists of one recording: line and field.
#[derive(Debug)]
pub(crate) struct KnownDifferences {
    rows: BTreeSet<(usize, String)>,
}

impl KnownDifferences {
    pub(crate) fn of(scenario: &str) -> Self {
        let rows = README.lines().filter_map(|line| row(line, scenario)).flatten().collect();
        Self { rows }
    }

    pub(crate) fn has(&self, line: usize, field: &str) -> bool {
        self.rows.contains(&(line, field.to_owned()))
    }

    pub(crate) fn lines_with(&self, field: &str) -> Vec<usize> {
        self.rows.iter().filter(|row| row.1 == field).map(|row| row.0).collect()
    }

    /// Fails on a difference that is not listed, and on a listed one that is none.
    pub(crate) fn check(&self, scenario: &str, found: &BTreeSet<(usize, String)>) {
        let unlisted: Vec<_> = found.difference(&self.rows).collect();
        let stale: Vec<_> = self.rows.difference(found).collect();
        assert!(
            unlisted.is_empty() && stale.is_empty(),
            "{scenario}: differences that the README does not list: {unlisted:#?}; \
             listed ones that are none: {stale:#?}"
        );
    }
}

/// A row such as ``| connect | 11, 14 | `missing` | why |``.
fn row(line: &str, scenario: &str) -> Option<Vec<(usize, String)>> {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let [_, name, lines, fields, _, _] = cells[..] else {
        return None;
    };
    if name.trim_matches('`') != scenario {
        return None;
    }
    let fields = fields.split(", ").map(|field| field.trim_matches('`').to_owned());
    let fields: Vec<String> = fields.collect();
    let mut rows = Vec::new();
    for number in lines.split(", ").filter_map(|text| text.parse().ok()) {
        rows.extend(fields.iter().map(|field| (number, field.clone())));
    }
    Some(rows)
}
