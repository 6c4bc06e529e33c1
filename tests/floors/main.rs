//! Rules that the compiler does not check: imports go down only, files and functions stay short, no unfinished code is
//! left, and the traps of actix stay banned. The text is scanned, not parsed: `code` blanks comments and strings.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod code;
mod imports;
mod plan;
mod samples;
mod settings;
mod sources;
mod top_level;
mod wording;

use code::Code;
use plan::{ACTORS, FloorPlan, SERVICE, SIMULATOR, SIMULATOR_USER};
use sources::{Source, all_sources, below};

/// The maximum length of a file. A longer file has more than one subject.
const LINES_A_FILE: usize = 400;

/// Panics with all violations at once.
fn assert_none(violations: &[String], what_to_do: &str) {
    assert!(violations.is_empty(), "\n{}\n\n{what_to_do}\n", violations.join("\n"));
}

fn program(root: &str) -> Vec<Source> {
    below(root).into_iter().filter(|source| !source.is_test()).collect()
}

/// Returns every import that does not go down.
fn upward(plan: &FloorPlan, sources: &[Source]) -> Vec<String> {
    sources.iter().flat_map(|source| plan.violations(source)).collect()
}

#[test]
fn the_actors_import_downwards_only() {
    assert_none(
        &upward(&ACTORS, &program(ACTORS.root)),
        "Imports go bots → hosting → ports → mattermost → policy → model. Move what is shared to the lower floor, or hand \
         it down as an argument.",
    );
}

#[test]
fn the_service_imports_downwards_only() {
    assert_none(
        &upward(&SERVICE, &program(SERVICE.root)),
        "Imports go main → cli → host → the other modules, each to those that its row in tests/floors/plan.rs names. A \
         new module gets a row there.",
    );
}

#[test]
fn the_actors_do_not_know_the_service_and_only_the_demo_knows_the_simulator() {
    let mut violations = Vec::new();
    for source in program(ACTORS.root) {
        violations.extend(source.names(SERVICE.package));
        violations.extend(source.names(SIMULATOR));
    }
    for source in program(SERVICE.root) {
        if !source.path.starts_with(SIMULATOR_USER) {
            violations.extend(source.names(SIMULATOR));
        }
    }
    assert_none(
        &violations,
        "Packages also depend downwards only: the service on the actors. Only the demo uses the simulator.",
    );
}

#[test]
fn the_simulator_shares_nothing_with_the_client() {
    let violations: Vec<String> = below("tests/simulator/src")
        .iter()
        .flat_map(|source| [source.names(ACTORS.package), source.names(SERVICE.package)].concat())
        .collect();
    assert_none(
        &violations,
        "A simulator that shares a type with the client shares its mistakes: write the type again.",
    );
}

#[test]
fn no_file_is_long() {
    let long = |source: &Source| {
        let lines = source.text.lines().count();
        (lines > LINES_A_FILE).then(|| format!("{}:{LINES_A_FILE}: {lines} lines", source.path))
    };
    let violations: Vec<String> = all_sources().iter().filter_map(long).collect();
    assert_none(&violations, "Split the file by subject; tests may move to their own file.");
}

#[test]
fn nothing_is_left_over() {
    let violations: Vec<String> = all_sources().iter().flat_map(left_over).collect();
    assert_none(
        &violations,
        "Finish it, or file an issue. Disable a lint with #[expect(lint, reason = \"…\")].",
    );
}

/// Returns markers of unfinished code, debug macros and disabled lints.
fn left_over(source: &Source) -> Vec<String> {
    let code = Code::blanked(&source.text);
    let macros = ["todo!", "unimplemented!", "dbg!"];
    let lifted = ["#[allow", "#![allow", "clippy::too_many_lines"];
    let mut found = code.lines_with(&[macros.as_slice(), &lifted].concat());
    found.extend(Code::raw(&source.text).lines_with(&[concat!("FIX", "ME")]));
    found.into_iter().map(|(line, what)| format!("{}:{line}: {what}", source.path)).collect()
}
