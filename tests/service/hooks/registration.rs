//! Slash commands that the host registers by itself.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use matterhost_simulator::{Fault, FaultKind, ServerVersion, Simulator};
use serde_json::{Value, json};

use super::free_addresses;
use crate::program::{ConfigDir, DEADLINE, Fixture, RunningProgram, wait_until_complete};

/// A handler that answers commands.
const HANDLER: &str = r#"
import json, sys
for line in sys.stdin:
    event = json.loads(line)
    if event["type"] == "com.mattermost.slash_command":
        print(json.dumps({"to": event["id"], "action": "reply", "text": "here"}), flush=True)
    print(json.dumps({"ack": event["id"]}), flush=True)
"#;

/// A host that may register commands.
struct Rig {
    fixture: Fixture,
    dir: ConfigDir,
    config: String,
    hooks: String,
}

impl Rig {
    fn new() -> Self {
        let fixture = Fixture::on(Simulator::builder().version(ServerVersion::V11_1).start().unwrap());
        let [hooks, _] = free_addresses().map(|address| address.to_string());
        let dir = ConfigDir::with("");
        dir.write("handler.py", HANDLER);
        dir.write("commands.token", &fixture.simulator.admin().token);
        let server = "commands_token_file = \"commands.token\"\n[accounts.helpdesk]\n";
        let config = format!(
            "{}[hooks]\nbind = \"{hooks}\"\npublic_url = \"http://{hooks}\"\n\
             [sinks.child]\ntype = \"exec\"\ncommand = [\"python3\", \"handler.py\"]\n",
            fixture.config().replace("[accounts.helpdesk]\n", server)
        );
        Self { fixture, dir, config, hooks }
    }

    /// Writes the configuration with these commands.
    fn write(&self, commands: &str) {
        self.dir.write("matterhost.toml", &format!("{}{commands}", self.config));
    }

    fn start(&self) -> RunningProgram {
        RunningProgram::start(self.dir.matterhost(&["run"]))
    }

    /// Returns the trigger, hint, method and URL of each command.
    fn commands(&self) -> Value {
        let commands = self.fixture.simulator.commands(self.fixture.team());
        let shown = |command: &Value| {
            json!([command["trigger"], command["auto_complete_hint"], command["method"], command["url"]])
        };
        commands.as_array().unwrap().iter().map(shown).collect()
    }

    fn url(&self, trigger: &str) -> String {
        format!("http://{}/hooks/helpdesk/command/{trigger}", self.hooks)
    }

    fn answer(&self, line: &str) -> Value {
        let person = &self.fixture.person.user_id;
        self.fixture.simulator.run_command(person, &self.fixture.channel, line).1["text"].clone()
    }
}

fn await_log(running: &mut RunningProgram, message: &str) {
    running.log.wait_for_json(message, |line| line["message"] == message);
}

const DEPLOY: &str = "[accounts.helpdesk.commands.deploy]\nteams = [\"crew\"]\n";

#[test]
fn commands_are_registered_kept_changed_and_deleted_with_the_configuration() {
    let rig = Rig::new();
    rig.fixture.simulator.create_command(rig.fixture.team(), "other", "http://elsewhere.test/");
    let other = json!(["other", "", "P", "http://elsewhere.test/"]);
    rig.write(DEPLOY);
    let mut running = rig.start();
    await_log(&mut running, "a slash command is registered");
    let sorted = |mut commands: Vec<Value>| {
        commands.sort_by_key(ToString::to_string);
        Value::from(commands)
    };
    // The log has a budget for lines of one kind, and a line may come before the next command is made.
    let await_commands = |expected: Vec<Value>| {
        let (expected, end) = (sorted(expected), Instant::now() + DEADLINE);
        let found = || sorted(rig.commands().as_array().unwrap().clone());
        while found() != expected {
            assert!(Instant::now() < end, "{}", found());
            thread::sleep(Duration::from_millis(5));
        }
    };
    let deploy = json!(["deploy", "", "P", rig.url("deploy")]);
    await_commands(vec![deploy, other.clone()]);
    assert_eq!(rig.answer("/deploy now"), "here");

    rig.write(&format!("{DEPLOY}hint = \"[what]\"\nmethod = \"GET\"\n"));
    running.signal("HUP");
    await_log(&mut running, "a slash command is changed");
    let deploy = json!(["deploy", "[what]", "G", rig.url("deploy")]);
    await_commands(vec![deploy, other.clone()]);
    assert_eq!(rig.answer("/deploy now"), "here", "the token is the same");

    let record = fs::read_to_string(rig.dir.path().join(RECORD)).unwrap();
    assert!(record.contains("\"trigger\":\"deploy\""), "{record}");
    running.signal("TERM");
    running.wait_for_exit();
    // Taken out while the host is down, and another one is new: it is answered while the old one is being deleted.
    rig.write(&DEPLOY.replace("deploy", "release"));
    let slow = Fault::new(FaultKind::Slow(Duration::from_secs(1))).route("DELETE /commands/{command_id}");
    rig.fixture.simulator.inject(slow);
    let mut running = rig.start();
    await_log(&mut running, "a slash command is registered");
    assert_eq!(rig.answer("/release now"), "here");
    await_log(&mut running, "a slash command is deleted");
    let release = json!(["release", "", "P", rig.url("release")]);
    await_commands(vec![other.clone(), release]);
    rig.write("");
    running.signal("HUP");
    await_commands(vec![other]);
}

#[test]
fn a_command_that_is_refused_is_explained_and_others_are_registered() {
    let rig = Rig::new();
    rig.fixture.simulator.create_command(rig.fixture.team(), "deploy", "http://elsewhere.test/");
    rig.write(&format!("{DEPLOY}{}", DEPLOY.replace("deploy", "release")));
    let mut running = rig.start();
    await_log(&mut running, "a slash command is registered");
    let is_explained = |line: &Value| {
        line["message"].as_str().is_some_and(|text| text.contains("/deploy of account helpdesk"))
    };
    running.log.wait_for_json("the reason", is_explained);
    assert_eq!(rig.answer("/release now"), "here");
}

/// Members of a cluster register the same commands, each by itself.
#[test]
fn a_command_that_another_host_makes_at_the_same_time_is_answered_at_once() {
    let rig = Rig::new();
    let slow = Fault::new(FaultKind::Slow(Duration::from_secs(1))).route("POST /commands").times(1);
    rig.fixture.simulator.inject(slow);
    rig.write(DEPLOY);
    let mut running = rig.start();
    let made = || rig.fixture.simulator.counters().requests_to("POST /commands");
    wait_until_complete(|| if made() > 0 { vec![] } else { vec!["no request"] }).unwrap();
    rig.fixture.simulator.create_command(rig.fixture.team(), "deploy", &rig.url("deploy"));
    wait_until_complete(|| match rig.answer("/deploy now") {
        answer if answer == "here" => vec![],
        answer => vec![answer.to_string()],
    })
    .unwrap();
    running.log.drain();
    let is_refused = |line: &&String| line.contains("not all slash commands are registered");
    assert_eq!(running.log.last(usize::MAX).iter().find(is_refused), None);
    assert_eq!(rig.commands(), json!([["deploy", "", "P", rig.url("deploy")]]));
}

/// A misspelt team is no reason to leave out the commands of others, or to delete those that it may have.
#[test]
fn a_team_that_is_not_found_is_explained_and_the_others_have_their_commands() {
    let rig = Rig::new();
    let in_two = DEPLOY.replace("[\"crew\"]", "[\"crew\", \"crwe\"]");
    rig.write(&format!("{in_two}{}", DEPLOY.replace("deploy", "release")));
    let mut running = rig.start();
    running.log.wait_for_json("the reason", |line| {
        line["message"].as_str().is_some_and(|text| text.contains("there is no team \"crwe\""))
    });
    let triggers =
        || rig.commands().as_array().unwrap().iter().map(|made| made[0].clone()).collect::<Vec<_>>();
    let await_triggers = |expected: &[&str]| {
        let end = Instant::now() + DEADLINE;
        while triggers() != expected {
            assert!(Instant::now() < end, "{:?}", triggers());
            thread::sleep(Duration::from_millis(5));
        }
    };
    await_triggers(&["deploy", "release"]);
    rig.write(&in_two);
    running.signal("HUP");
    await_triggers(&["deploy"]);
    // It may be the one of the misspelt team.
    let in_none = DEPLOY.replace("crew", "crwe");
    rig.write(&format!("{in_none}{}", DEPLOY.replace("deploy", "release")));
    running.signal("HUP");
    await_triggers(&["deploy", "release"]);
    rig.write(&in_none);
    running.signal("HUP");
    await_triggers(&["deploy"]);

    // Without the token nothing can be deleted.
    let config = rig.config.replace("commands_token_file = \"commands.token\"\n", "");
    rig.dir.write("matterhost.toml", &config);
    running.signal("HUP");
    running.log.wait_for_json("the command", |line| {
        line["message"].as_str().is_some_and(|text| text.starts_with("a slash command stays registered"))
    });
}

/// Each misspelt team is named at once, not one after another.
#[test]
fn all_teams_that_are_not_found_are_named() {
    let rig = Rig::new();
    rig.write(&DEPLOY.replace("[\"crew\"]", "[\"crwe\", \"crew\", \"cerw\"]"));
    let mut running = rig.start();
    running.log.wait_for_json("both", |line| {
        let text = line["message"].as_str().unwrap_or_default();
        text.starts_with("not all slash commands") && text.contains("\"crwe\"") && text.contains("\"cerw\"")
    });
    assert_eq!(rig.commands()[0][0], "deploy");
}

/// Each request would take its whole time.
#[test]
fn a_server_that_hangs_does_not_keep_from_a_newer_configuration() {
    const ROUTE: &str = "GET /teams/name/{name}";
    let rig = Rig::new();
    rig.write(&DEPLOY.replace("[\"crew\"]", "[\"one\", \"two\", \"crew\"]"));
    let hang = rig.fixture.simulator.inject(Fault::new(FaultKind::Slow(DEADLINE * 4)).route(ROUTE));
    let mut running = rig.start();
    let end = Instant::now() + DEADLINE;
    while rig.fixture.simulator.counters().requests_to(ROUTE) == 0 {
        assert!(Instant::now() < end, "no request");
        thread::sleep(Duration::from_millis(5));
    }
    rig.fixture.simulator.clear_fault(hang);
    rig.write(DEPLOY);
    running.signal("HUP");
    let reloaded = Instant::now();
    await_log(&mut running, "a slash command is registered");
    assert!(reloaded.elapsed() < DEADLINE / 2, "it waited for the old requests: {:?}", reloaded.elapsed());
    assert_eq!(rig.commands().as_array().unwrap().len(), 1);
}

/// The file that records the registered commands, below the directory of the configuration.
const RECORD: &str = "state/matterhost/hooks.commands";

/// The host is killed before it has the answer to the creation of a command, and the command is taken out before it starts again.
#[test]
fn a_command_whose_host_is_killed_while_it_is_created_is_not_left_behind() {
    let rig = Rig::new();
    rig.fixture.simulator.create_command(rig.fixture.team(), "other", "http://elsewhere.test/");
    let endless = Fault::new(FaultKind::Slow(Duration::from_secs(3600))).route("POST /commands");
    let endless = rig.fixture.simulator.inject(endless);
    rig.write(DEPLOY);
    let running = rig.start();
    let record = || fs::read_to_string(rig.dir.path().join(RECORD)).unwrap_or_default();
    wait_until_complete(|| if record().contains("deploy") { vec![] } else { vec![record()] }).unwrap();
    running.signal("KILL");
    drop(running.wait_for_exit());
    rig.fixture.simulator.clear_fault(endless);
    // The server has done what it was asked, though nobody waits for the answer.
    rig.fixture.simulator.create_command(rig.fixture.team(), "deploy", &rig.url("deploy"));
    rig.write("");
    let mut running = rig.start();
    await_log(&mut running, "a slash command is deleted");
    assert_eq!(rig.commands(), json!([["other", "", "P", "http://elsewhere.test/"]]));
}

/// The answer to the creation of a command is lost, and the command is taken out of the running host's configuration.
#[test]
fn a_command_whose_answer_is_lost_is_not_left_behind() {
    let rig = Rig::new();
    rig.fixture.simulator.inject(Fault::new(FaultKind::LostResponse).route("POST /commands"));
    rig.write(DEPLOY);
    let mut running = rig.start();
    running.log.wait_for_json("the failure", |line| {
        line["message"].as_str().is_some_and(|text| text.starts_with("not all slash commands are registered"))
    });
    assert_eq!(rig.commands(), json!([["deploy", "", "P", rig.url("deploy")]]));
    rig.write("");
    running.signal("HUP");
    await_log(&mut running, "a slash command is deleted");
    assert_eq!(rig.commands(), json!([]));
}

#[test]
fn check_says_what_an_administrator_has_to_make() {
    let rig = Rig::new();
    let config = rig.config.replace("commands_token_file = \"commands.token\"\n", "");
    rig.dir.write("matterhost.toml", &format!("{config}[accounts.helpdesk.commands.deploy]\n"));
    let output = rig.dir.matterhost(&["check"]).output().unwrap();
    let text = crate::program::text(&output.stderr);
    for words in
        [&rig.url("deploy"), "token_file", "servers.main.commands_token_file", "Integrations, Slash Commands"]
    {
        assert!(text.contains(words), "{words} in {text}");
    }
}
