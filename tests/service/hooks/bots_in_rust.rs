//! A program with bots in Rust built in: they have all that the program has.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::Rig;
use crate::program::{DEADLINE, RunningProgram, text};

const PROGRAM: &str = "bots_in_rust";

/// The sinks of both bots.
const SINKS: &str = "[account_defaults]\nsinks = [\"tally\", \"deploy\"]\n\
                     [sinks.tally]\ntype = \"bot\"\nevents = [\"posted\"]\n[sinks.deploy]\ntype = \"bot\"\n";

impl Rig {
    fn with_bots() -> Self {
        Self::of(SINKS, "", |fixture, dir| {
            RunningProgram::ready_with(fixture, dir.example(PROGRAM, &["run"]))
        })
    }

    /// Runs a command of the program with the bots.
    fn ask(&self, args: &[&str]) -> String {
        let output = self.dir.example(PROGRAM, args).output().unwrap();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{args:?}: {out}\n{err}");
        out
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ask(args)).unwrap()
    }
}

#[test]
fn bots_that_are_built_in_have_hooks_reloads_dead_letters_and_the_admin_api() {
    let mut rig = Rig::with_bots();
    rig.fixture.post("2");
    rig.fixture.await_post("The sum is 2, and this is post 1.");
    let poison = rig.fixture.post("two");

    assert!(rig.run("/deploy").1["text"].as_str().unwrap().contains("`env` is missing"));
    let post = rig.deploy();
    assert_eq!(rig.press(&post, "go", None).0, 200);
    assert_eq!(rig.text_of(&post), "Deployed to staging.");

    let end = Instant::now() + DEADLINE;
    let letter = loop {
        let letters = rig.ask(&["dead-letter", "list", "--json"]);
        if letters.contains(&poison) {
            break letters;
        }
        assert!(Instant::now() < end, "no dead letter: {}", rig.ask(&["sinks", "tally"]));
        thread::sleep(Duration::from_millis(50));
    };
    assert!(
        letter.contains("the bot failed 3 times with this event") && letter.contains("tally"),
        "{letter}"
    );
    let sinks = rig.json(&["sinks", "--json"]);
    let shown = |sink: &Value| (sink["name"].clone(), sink["type"].clone(), sink["dead_letters"].clone());
    let shown: Vec<_> = sinks["sinks"].as_array().unwrap().iter().map(shown).collect();
    let expected = [("deploy", "bot", 0), ("tally", "bot", 1)];
    assert_eq!(
        shown,
        expected.map(|(name, kind, letters)| (name.into(), kind.into(), letters.into())),
        "{sinks}"
    );

    let config = std::fs::read_to_string(rig.dir.path().join("matterhost.toml")).unwrap();
    rig.dir.write("matterhost.toml", &config.replace("events = [\"posted\"]", "ignore_bots = true"));
    let changes = rig.ask(&["reload"]);
    assert!(changes.contains("sink tally") && changes.contains("events"), "{changes}");
    rig.fixture.post("3");
    rig.fixture.await_post("The sum is 5, and this is post 2.");

    rig.running.signal("TERM");
    rig.running.log.wait_for_json("the end", |line| line["message"] == "all events are delivered");
    rig.running.log.read_to_end();
    rig.fixture.post("4");
    rig.running = RunningProgram::start(rig.dir.example(PROGRAM, &["run"]));
    rig.fixture.await_post("The sum is 9, and this is post 1.");
}

#[test]
fn a_run_that_was_missed_between_two_starts_is_made_up_once() {
    let mut rig = Rig::with_bots();
    let file = rig.dir.path().join("state/matterhost/schedules.json");
    let journal = || serde_json::from_str::<Value>(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let stop = |rig: &mut Rig| {
        rig.running.signal("TERM");
        rig.running.log.read_to_end();
    };
    stop(&mut rig);
    let first = journal()["done_until"]["helpdesk/deploy/morning"].as_i64().unwrap();
    let missed =
        serde_json::json!({ "format": 1, "done_until": { "helpdesk/deploy/morning": first - 86_400_000 } });
    std::fs::write(&file, missed.to_string()).unwrap();
    rig.running = RunningProgram::start(rig.dir.example(PROGRAM, &["run"]));
    let asks = |rig: &Rig| {
        let posts = rig.fixture.bot_posts().into_iter();
        posts.filter(|post| post.ends_with("What is deployed today?")).count()
    };
    let end = Instant::now() + DEADLINE;
    while asks(&rig) == 0 {
        assert!(Instant::now() < end, "no run in {:?}", rig.fixture.bot_posts());
        thread::sleep(Duration::from_millis(20));
    }
    stop(&mut rig);
    assert!(journal()["done_until"]["helpdesk/deploy/morning"].as_i64().unwrap() > first - 86_400_000);
    rig.running = RunningProgram::ready_with(&rig.fixture, rig.dir.example(PROGRAM, &["run"]));
    rig.fixture.post("1");
    rig.fixture.await_post("The sum is 1, and this is post 1.");
    assert_eq!(asks(&rig), 1, "once");
}

#[test]
fn only_a_program_with_the_bots_takes_their_configuration() {
    let rig = Rig::with_bots();
    let checked = rig.ask(&["check"]);
    assert!(checked.contains("bot tally") && checked.contains("bot deploy"), "{checked}");
    let plain = rig.dir.matterhost(&["check"]).output().unwrap();
    let refused = text(&plain.stderr);
    assert_eq!(plain.status.code(), Some(78));
    assert!(refused.contains("sinks.tally.bot: this program has no bots of its own"), "{refused}");
}
