//! The pages of `docs` match the program.

use std::{collections::BTreeSet, fs, path::Path};

use clap::{Command, CommandFactory as _};
use matterhost::{
    admin::dto::UNKNOWN_STATE,
    cli::Cli,
    config::{KnownKey, known_keys},
    host::Exit,
};
use matterhost_actors::model::{AccountState, CloseReason};

fn page(name: &str) -> String {
    fs::read_to_string(format!("docs/{name}")).unwrap()
}

/// Returns the cells of all table rows whose first cell begins with a code span.
fn rows(page: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    page.lines().filter(|line| line.starts_with("| `")).map(cells).collect()
}

fn code(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`')
}

#[test]
fn the_page_of_the_configuration_has_each_key_with_kind_and_default() {
    let documented: BTreeSet<(String, String, Option<String>)> = rows(&page("CONFIGURATION.md"))
        .into_iter()
        .map(|row| {
            assert!(row.len() == 4 && row[3].len() > 5, "{row:?}");
            (code(&row[0]).unwrap().to_owned(), row[1].clone(), code(&row[2]).map(str::to_owned))
        })
        .collect();
    let known: BTreeSet<_> = known_keys()
        .into_iter()
        .map(|KnownKey { key, kind, default }| (key, kind.to_owned(), default))
        .collect();
    assert_eq!(documented, known);
}

#[test]
fn the_page_of_the_command_line_has_each_exit_code_and_no_other() {
    let rows = rows(&page("CLI.md"));
    let documented: Vec<u8> = rows.iter().filter_map(|row| code(&row[0])?.parse().ok()).collect();
    assert_eq!(documented, Exit::ALL.map(Exit::code));
}

#[test]
fn the_page_of_the_sinks_shows_the_handlers_as_they_are() {
    let page = page("sinks.md");
    let rust = self::page("handlers/rust/echo_webhook.rs");
    let check = &rust[rust.find("/// Returns true if one of the signatures").unwrap()..];
    let check = check[..check.find("\n}\n").unwrap() + 2].to_owned();
    let bots = self::page("handlers/rust/bots.rs");
    let main = &bots[bots.find("fn main").unwrap()..];
    assert!(self::page("bots.md").contains(main), "docs/bots.md lacks\n{main}");
    let handlers = ["echo_webhook.py", "echo_child.py", "nats_consumer.py"];
    let handlers = handlers.map(|handler| self::page(&format!("handlers/python/{handler}")));
    for shown in handlers.into_iter().chain([check]) {
        assert!(page.contains(&shown), "docs/sinks.md lacks\n{shown}");
    }
}

#[test]
fn the_pages_show_their_examples_as_they_are() {
    for (page, folder, example, from, to) in [
        ("slow-handlers.md", "python", "streaming_webhook.py", "def take", "\n\nclass Handler"),
        ("streaming.md", "python", "streaming_child.py", "", ""),
        ("files.md", "python", "files_child.py", "def ask", "\n\ndef finish"),
        ("files.md", "javascript", "files_webhook.mjs", "// Sends a request to", "\n// Returns the body"),
        ("migration.md", "javascript", "echo_webhook.mjs", "import {", ""),
        ("hooks.md", "python", "deploy_child.py", "def handle", "\n\ndef send"),
    ] {
        let text = self::page(&format!("handlers/{folder}/{example}"));
        let text = &text[text.find(from).unwrap()..];
        let shown = if to.is_empty() { text } else { text.split(to).next().unwrap() };
        let language = if folder == "python" { "python" } else { "js" };
        let block = format!("```{language}\n{shown}```");
        assert!(self::page(page).contains(&block), "docs/{page} lacks {example}: {block}");
    }
}

/// Collects the full names of a command's leaves, and the flags of all its commands.
fn walk(command: &Command, path: &str, commands: &mut BTreeSet<String>, flags: &mut BTreeSet<String>) {
    for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
        flags.extend(arg.get_long().map(|long| format!("--{long}")));
        flags.extend(arg.get_short().map(|short| format!("-{short}")));
    }
    let beneath: Vec<_> =
        command.get_subcommands().filter(|sub| sub.get_name() != "help" && !sub.is_hide_set()).collect();
    if beneath.is_empty() {
        commands.insert(path.to_owned());
    }
    for sub in beneath {
        walk(sub, &format!("{path} {}", sub.get_name()), commands, flags);
    }
}

#[test]
fn the_page_of_the_command_line_has_each_command_and_flag_and_no_other() {
    let page = page("CLI.md");
    let (mut commands, mut flags) = (BTreeSet::new(), BTreeSet::new());
    // clap adds these to every command later.
    flags.extend(["--help", "--version"].map(str::to_owned));
    walk(&Cli::command(), "matterhost", &mut commands, &mut flags);
    let headings: BTreeSet<_> =
        page.lines().filter_map(|line| code(line.strip_prefix("## ")?)).map(str::to_owned).collect();
    assert_eq!(headings, commands);
    let spans = page.split('`').skip(1).step_by(2);
    let documented: BTreeSet<_> = spans
        .filter(|span| span.starts_with('-'))
        .filter_map(|span| span.split(' ').next())
        .map(str::to_owned)
        .collect();
    assert_eq!(documented.into_iter().filter(|flag| flag != "-").collect::<BTreeSet<_>>(), flags);
}

#[test]
fn the_page_of_the_command_line_has_each_member_of_a_line() {
    let event = crate::program::example_event();
    let page = page("CLI.md");
    let start = page.find("| member |").unwrap();
    let table = &page[start..start + page[start..].find("\n\n").unwrap()];
    let documented: BTreeSet<_> = rows(table).iter().map(|row| code(&row[0]).unwrap().to_owned()).collect();
    assert_eq!(documented, event.as_object().unwrap().keys().cloned().collect());
}

/// Returns the first cells of the rows below a heading.
fn first_cells(page: &str, heading: &str) -> BTreeSet<String> {
    let section = page.split(&format!("\n## {heading}\n")).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let cells = |row: Vec<String>| {
        assert!(row.len() == 3 && row[1].len() > 5 && row[2].len() > 3, "{row:?}");
        code(&row[0]).unwrap().to_owned()
    };
    rows(section).into_iter().map(cells).collect()
}

/// Returns all labels of endings, from the source of `CloseReason::label`: its `match` is exhaustive.
fn labels_of_endings() -> BTreeSet<String> {
    let code = fs::read_to_string("actors/src/model/close_reason.rs").unwrap();
    let (_, code) = code.split_once("impl CloseReason {").unwrap();
    let (_, code) = code.split_once("pub fn label(").unwrap();
    let (function, _) = code.split_once("\n    }\n").unwrap();
    let labels: BTreeSet<_> = function.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(labels.contains(CloseReason::ArbiterDied.label()), "{labels:?}");
    labels
}

#[test]
fn the_runbook_has_each_state_and_each_ending_and_no_other() {
    let page = page("runbook.md");
    let states = AccountState::ALL.into_iter().map(AccountState::label).chain([UNKNOWN_STATE]);
    assert_eq!(first_cells(&page, "States"), states.map(str::to_owned).collect());
    assert_eq!(first_cells(&page, "Endings"), labels_of_endings());
}

/// Returns the paths in the code spans of a table row. `a/{b,c}/` stands for two paths.
fn paths(row: &str) -> Vec<String> {
    let spans = row.split('`').skip(1).step_by(2);
    let paths = spans.filter(|span| span.contains('/'));
    let expand = |path: &str| match path.split_once('{') {
        Some((folder, rest)) => {
            let (names, rest) = rest.split_once('}').unwrap();
            names.split(',').map(|name| format!("{folder}{name}{rest}")).collect()
        }
        None => vec![path.to_owned()],
    };
    paths.flat_map(expand).collect()
}

#[test]
fn every_path_in_the_tables_of_the_architecture_page_exists() {
    let page = page("ARCHITECTURE.md");
    let paths: Vec<_> = page.lines().filter(|line| line.starts_with("| ")).flat_map(paths).collect();
    assert!(paths.len() > 30, "{paths:?}");
    let missing: Vec<_> = paths.iter().filter(|path| !Path::new(path).exists()).collect();
    assert!(missing.is_empty(), "docs/ARCHITECTURE.md names these paths, which do not exist: {missing:?}");
}

#[test]
fn the_runbook_has_each_alert() {
    let page = page("runbook.md");
    let rules = fs::read_to_string("docs/deploy/prometheus/rules.yml").unwrap_or_default();
    let documented: BTreeSet<_> =
        page.lines().filter_map(|line| line.strip_prefix("### Alert ")).map(str::to_owned).collect();
    let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let missing: Vec<_> = alerts.filter(|alert| !documented.contains(*alert)).collect();
    assert!(missing.is_empty(), "docs/runbook.md has no section for these alerts: {missing:?}");
}
