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

#[test]
fn echo_says_again_what_it_hears() {
    assert_eq!(output("echo"), "hello\nYou said: hello\n");
}

#[test]
fn a_bot_answers_in_threads_also_what_it_missed() {
    let said = output("threads");
    let lines: Vec<&str> = said.lines().collect();
    let [time, first, now, second, here, other] = lines[..] else { panic!("{said}") };
    assert_eq!([time, first], ["What is the time?", "  That is question 1 here."]);
    assert_eq!([now, second], ["And now?", "  That is question 2 here, sorry that I am late."]);
    assert_eq!([here, other], ["Is anybody here?", "  That is question 1 here, sorry that I am late."]);
}

#[test]
fn three_bots_live_side_by_side_and_one_fails_alone() {
    let said = output("three_bots");
    let broken = "broken: the sink is broken: the bot failed: the database is gone";
    assert!(said.contains(broken), "{said}");
    assert!(said.ends_with("Welcome!\nThank you. ♥\n"), "{said}");
}

#[test]
fn a_program_of_actix_hosts_by_messages_only() {
    let said = output("embedded");
    let expected =
        "alarm 1: 1 post\nalarm 1: 1 post\nalarm 2: 1 post\nThe door is open.\nIt is closed again.\n";
    assert!(said.starts_with(expected), "{said}");
    assert!(said.contains("account alarms is stopped; start it first\nalarms: stopped\n"), "{said}");
}
