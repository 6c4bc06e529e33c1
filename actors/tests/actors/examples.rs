//! The examples run and print the results that their descriptions promise.

use std::process::Command;

/// Runs an example and returns its output. `cargo test` builds the examples beside the tests.
fn run(example: &str) -> String {
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
fn echo_says_again_what_it_hears() {
    assert_eq!(run("echo"), "hello\nYou said: hello\n");
}

#[test]
fn a_bot_answers_in_threads_also_what_it_missed() {
    let output = run("threads");
    let lines: Vec<&str> = output.lines().collect();
    let [time, first, now, second, here, other] = lines[..] else { panic!("{output}") };
    assert_eq!([time, first], ["What is the time?", "  That is question 1 here."]);
    assert_eq!([now, second], ["And now?", "  That is question 2 here, sorry that I am late."]);
    assert_eq!([here, other], ["Is anybody here?", "  That is question 1 here, sorry that I am late."]);
}

#[test]
fn three_bots_live_side_by_side_and_one_fails_alone() {
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
