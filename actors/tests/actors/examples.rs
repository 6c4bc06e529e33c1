//! The examples run, and say what they promise.

use std::process::Command;

/// What an example prints. `cargo test` builds the examples beside the tests.
fn output(example: &str) -> String {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples").join(example);
    let output = Command::new(&program).output();
    let output = output.unwrap_or_else(|error| {
        panic!("{}: {error}; build it with `cargo build -p matterhost-actors --examples`", program.display())
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn one_account_hears_a_post_after_a_cycle() {
    let said = output("one_account");
    assert_eq!(said.lines().filter(|line| line.starts_with("hello ")).count(), 2, "{said}");
    assert!(said.lines().last().unwrap().contains("Can you hear me?"), "{said}");
}

#[test]
fn a_restart_budget_runs_out_for_one_account_alone() {
    let said = output("restart_budget");
    let charged = said.lines().filter(|line| line.ends_with("charged: true")).count();
    assert_eq!(charged, 5, "three restarts, the one that trips, and the one that trips again: {said}");
    for line in ["broken: tripped, rests for 500ms", "broken: tripped, rests for 1s", "healthy: ready"] {
        assert!(said.contains(line), "{line}: {said}");
    }
}
