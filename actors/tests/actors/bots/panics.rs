//! Panics of handlers in the log.

use std::{env, io, process::Command, thread, time::Duration};

use matterhost_actors::{
    bots::{Bot, BotResult, Context, Post, Run, Schedule},
    ports::Outcome,
    testing::{BotHarness, post},
};

use crate::simulator_harness::run;

/// Set in the process that panics.
const PANICS: &str = "MATTERHOST_TEST_PANICS";

/// Panics at a word, and when it is given up.
struct Fragile;

/// A destructor that panics.
struct Brittle;

impl Drop for Brittle {
    fn drop(&mut self) {
        panic!("cannot clean up");
    }
}

impl Bot for Fragile {
    async fn posted(&self, _: &Context, post: &Post) -> BotResult {
        assert!(post.message != "bad", "scripted\npanic");
        if post.message == "hang" {
            return hang().await;
        }
        Ok(())
    }

    fn schedules(&self) -> Vec<Schedule> {
        vec![Schedule::new("hourly", "0 * * * *").unwrap()]
    }

    async fn scheduled(&self, _: &Context, _: &Run) -> BotResult {
        hang().await
    }
}

async fn hang() -> BotResult {
    let _brittle = Brittle;
    std::future::pending().await
}

fn panic_in_a_handler_and_elsewhere() {
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false).init();
    run(async || {
        let harness = BotHarness::new(Fragile).with_deadline(Duration::from_millis(50));
        assert_eq!(harness.deliver(post("good")).await, Outcome::Acknowledged);
        let Outcome::Hold { cause, .. } = harness.deliver(post("bad").post_id("bad-post")).await else {
            panic!()
        };
        assert!(cause.starts_with("the bot panicked: scripted"), "{cause}");
        let late = harness.deliver(post("hang")).await;
        assert!(matches!(&late, Outcome::Hold { cause, .. } if cause.contains("took longer")), "{late:?}");
        let runs = harness.pass_time(Duration::from_secs(2 * 3_600)).await;
        let is_late =
            |outcome: &Outcome| matches!(outcome, Outcome::Broken { cause } if cause.contains("took longer"));
        assert!(runs.len() == 2 && runs.iter().all(|(_, outcome)| is_late(outcome)), "{runs:?}");
        let elsewhere = tokio::spawn(async { panic!("of a task") }).await;
        assert!(elsewhere.is_err());
    });
    assert!(thread::spawn(|| panic!("of a thread")).join().is_err());
}

#[test]
fn a_panic_of_a_handler_is_one_line_of_the_log_and_others_are_printed_as_before() {
    if env::var_os(PANICS).is_some() {
        return panic_in_a_handler_and_elsewhere();
    }
    let this = "bots::panics::a_panic_of_a_handler_is_one_line_of_the_log_and_others_are_printed_as_before";
    let mut program = Command::new(env::current_exe().unwrap());
    let output = program.args(["--exact", this, "--nocapture"]).env(PANICS, "1").output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{log}");
    let of_handler: Vec<_> = log.lines().filter(|line| line.contains("scripted")).collect();
    let [line] = of_handler[..] else { panic!("{log}") };
    for expected in ["the bot panicked: scripted", "panic at ", "panics.rs:", "account=\"bot\"", "bad-post"] {
        assert!(line.contains(expected), "{expected}: {line}");
    }
    let of_destructors: Vec<_> = log.lines().filter(|line| line.contains("cannot clean up")).collect();
    assert_eq!(of_destructors.len(), 3, "{log}");
    let is_told = |line: &&str| line.contains("in a destructor") && line.contains("account=\"bot\"");
    assert!(of_destructors.iter().all(is_told), "{log}");
    for printed in ["of a task", "of a thread"] {
        assert!(log.lines().any(|line| line == printed), "{log}");
    }
    assert_eq!(log.matches("panicked at").count(), 2, "{log}");
}
