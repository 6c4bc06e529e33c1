//! The examples run and print the results that their descriptions promise.

use std::process::{Command, Output};

/// Runs an example and returns what it printed.
fn run(example: &str) -> String {
    String::from_utf8(run_to_end(example).stdout).unwrap()
}

/// Runs an example. `cargo test` builds the examples beside the tests.
fn run_to_end(example: &str) -> Output {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples").join(example);
    let output = Command::new(&program).output();
    let output = output.unwrap_or_else(|error| {
        panic!("{}: {error}; build it with `cargo build -p matterhost-actors --examples`", program.display())
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn an_account_receives_a_post_after_being_disabled_and_enabled() {
    let output = run("one_account");
    assert_eq!(output.lines().filter(|line| line.starts_with("hello ")).count(), 2, "{output}");
    assert!(output.lines().last().unwrap().contains("Can you hear me?"), "{output}");
}

#[test]
fn a_restart_budget_runs_out_for_one_account_alone() {
    let output = run("restart_budget");
    let charged = output.lines().filter(|line| line.ends_with("charged: true")).count();
    assert_eq!(charged, 5, "expected three restarts, a trip, and a second trip: {output}");
    for line in ["broken: tripped, cooldown 500ms", "broken: tripped, cooldown 1s", "healthy: ready"] {
        assert!(output.contains(line), "{line}: {output}");
    }
}

#[test]
fn echo_repeats_each_post() {
    assert_eq!(run("echo"), "hello\nYou said: hello\n");
}

#[test]
fn a_bot_runs_commands_and_a_schedule_and_its_host_logs() {
    let Output { stdout, stderr, .. } = run_to_end("commands");
    let output = String::from_utf8(stdout).unwrap();
    for line in [
        "* `!deploy <env> [count]`: Deploys the newest build.",
        "There is no command `depoly`. Did you mean `!deploy`?",
        "`env` is missing. Usage: `!deploy <env> [count]`",
        "Deploying 2 to staging for ana.",
        "All is well.",
    ] {
        assert!(output.lines().any(|printed| printed == line), "{line}: {output}");
    }
    assert!(output.contains("before you call `!deploy` again."), "{output}");
    let log = String::from_utf8(stderr).unwrap();
    assert!(log.contains("ready after") && log.contains("account=\"deployer\""), "{log}");
}

#[test]
fn a_bot_answers_missed_posts_in_threads_too() {
    let output = run("threads");
    let lines: Vec<&str> = output.lines().collect();
    let [time, first, now, second, here, other] = lines[..] else { panic!("{output}") };
    assert_eq!([time, first], ["What is the time?", "  That is question 1 here."]);
    assert_eq!([now, second], ["And now?", "  That is question 2 here, sorry that I am late."]);
    assert_eq!([here, other], ["Is anybody here?", "  That is question 1 here, sorry that I am late."]);
}

#[test]
fn one_of_three_bots_fails_without_affecting_the_others() {
    let output = run("three_bots");
    let broken = "broken: the sink is broken: the bot failed: the database is gone";
    assert!(output.contains(broken), "{output}");
    assert!(output.ends_with("Welcome!\nThank you. ♥\n"), "{output}");
}

#[test]
fn a_program_of_actix_hosts_by_messages_only() {
    let output = run("embedded");
    let expected =
        "alarm 1: 1 post\nalarm 1: 1 post\nalarm 2: 1 post\nThe door is open.\nIt is closed again.\n";
    assert!(output.starts_with(expected), "{output}");
    assert!(output.contains("account alarms is stopped; start it first\nalarms: stopped\n"), "{output}");
}
