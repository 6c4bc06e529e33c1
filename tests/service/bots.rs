//! `matterhost bots` and `matterhost account`, on a simulated server.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Output};

use matterhost_simulator::{Fault, FaultKind, Simulator};
use serde_json::Value;

use crate::program::{ConfigDir, RunningProgram, text};

/// A server with a team and a channel, and a configuration without accounts.
struct Setup {
    simulator: Simulator,
    dir: ConfigDir,
    channel: String,
}

impl Setup {
    fn with(head: &str) -> Self {
        let simulator = Simulator::start().unwrap();
        let team = simulator.create_team("crew");
        let channel = simulator.create_channel(&team, "lobby");
        let dir = ConfigDir::with(&format!(
            "{head}\n[servers.main]\nurl = \"{}\"\n[log]\nformat = \"json\"\n[admin]\nunix = \"admin.sock\"\n",
            simulator.url()
        ));
        dir.write("admin.token", &simulator.admin().token);
        Self { simulator, dir, channel }
    }

    fn tokens() -> Self {
        let setup = Self::with("token_dir = \"tokens\"");
        fs::create_dir(setup.dir.path().join("tokens")).unwrap();
        setup
    }

    /// Runs `matterhost bots` with the administrator's token.
    fn bots(&self, args: &[&str]) -> Output {
        let args: Vec<_> =
            ["bots"].iter().chain(args).chain(&["--admin-token-file", "admin.token"]).copied().collect();
        self.dir.matterhost(&args).output().unwrap()
    }

    /// Runs it and returns what it printed.
    fn done(&self, args: &[&str]) -> String {
        let output = self.bots(args);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success() && err.is_empty(), "{out}\n{err}");
        out
    }

    fn failed(&self, args: &[&str]) -> (String, String) {
        let output = self.bots(args);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
        (text(&output.stdout), text(&output.stderr))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).unwrap()
    }

    fn rows(&self) -> Vec<Value> {
        serde_json::from_str(&self.done(&["list", "--json"])).unwrap()
    }
}

#[test]
fn bots_are_created_with_everything_and_a_running_host_starts_them() {
    let setup = Setup::tokens();
    let mut running = RunningProgram::start(setup.dir.matterhost(&["run"]));
    running.log.wait_for_json("the start", |line| line["message"] == "starting matterhost");
    setup.dir.write("face.png", "\u{89}PNG");
    let create = [
        "create",
        "helpdesk",
        "standup",
        "--team",
        "crew",
        "--channel",
        "lobby",
        "--display",
        "Help",
        "--picture",
        "face.png",
    ];
    let out = setup.done(&create);
    assert_eq!(
        out,
        "helpdesk: created; in team crew, channel lobby; token in tokens/helpdesk.token\n\
         standup: created; in team crew, channel lobby; token in tokens/standup.token\n"
    );
    let mode = fs::metadata(setup.dir.path().join("tokens/helpdesk.token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut ready = vec![
        running.log.wait_for_fact("ready")["account"].as_str().unwrap().to_owned(),
        running.log.wait_for_fact("ready")["account"].as_str().unwrap().to_owned(),
    ];
    ready.sort();
    assert_eq!(ready, ["helpdesk", "standup"]);
    let person = setup.simulator.create_user("ann");
    setup.simulator.add_to_channel(&setup.channel, &person.user_id);
    setup.simulator.post(&person.user_id, &setup.channel, "hello");
    running.events.wait_for_post("hello");

    // Repeated, nothing changes.
    let (token, before) = (setup.read("tokens/helpdesk.token"), setup.simulator.counters());
    let again = setup.done(&create);
    assert!(
        again.starts_with(
            "helpdesk: exists; in team crew, channel lobby; its token in tokens/helpdesk.token stays\n"
        ),
        "{again}"
    );
    assert_eq!(setup.read("tokens/helpdesk.token"), token);
    let after = setup.simulator.counters();
    for route in ["POST /users/{user_id}/tokens", "POST /channels/{channel_id}/members"] {
        assert_eq!(after.requests_to(route), before.requests_to(route), "{route}");
    }
    let rows = setup.rows();
    assert_eq!(
        (rows.len(), &rows[0]["username"], &rows[0]["display_name"]),
        (2, &"helpdesk".into(), &"Help".into())
    );
    assert!(rows.iter().all(|row| row["enabled"] == true && row["account"] == true), "{rows:?}");
}

#[test]
fn a_failure_is_told_and_the_command_completes_what_is_missing() {
    let setup = Setup::tokens();
    let fault = Fault::new(FaultKind::ServerError).route("POST /users/{user_id}/tokens").times(1);
    setup.simulator.inject(fault);
    let (out, err) = setup.failed(&["create", "one", "two", "--team", "crew"]);
    assert_eq!(out, "two: created; in team crew; token in tokens/two.token\n");
    assert!(
        err.contains("one: ") && err.contains("/users/{user_id}/tokens") && err.contains("can be repeated"),
        "{err}"
    );
    assert!(!setup.dir.path().join("tokens/one.token").exists());
    let out = setup.done(&["create", "one", "two", "--team", "crew"]);
    assert!(out.starts_with("one: exists; in team crew; token in tokens/one.token\ntwo: exists; "), "{out}");

    let (_, err) = setup.failed(&["create", "three", "--team", "crw"]);
    assert!(err.contains("there is no team \"crw\""), "{err}");
    let (_, err) = setup.failed(&["create", "three", "--team", "crew", "--channel", "hall"]);
    assert!(err.contains("team crew has no channel \"hall\""), "{err}");
    let (_, err) = setup.failed(&["create", "admin"]);
    assert!(err.contains("@admin is the account of a person"), "{err}");
    let (_, err) = setup.failed(&["create", "three", "--server", "mian"]);
    assert!(err.contains("there is no server \"mian\"; did you mean main?"), "{err}");
    setup.dir.write("admin.token", &setup.simulator.create_user("ann").token);
    let (_, err) = setup.failed(&["create", "three"]);
    assert!(err.contains("use the token of a system administrator"), "{err}");
    let rows: Vec<_> =
        setup.simulator.counters().requests.into_iter().filter(|(route, _)| route == "POST /bots").collect();
    assert_eq!(rows, [("POST /bots".to_owned(), 3)], "one, two, and the last, which was refused");
}

#[test]
fn a_configuration_with_included_files_gets_one_for_each_bot() {
    let setup = Setup::with("include = [\"accounts.d/*.toml\"]");
    fs::create_dir(setup.dir.path().join("accounts.d")).unwrap();
    setup.done(&["create", "help.desk"]);
    let table = "[accounts.\"help.desk\"]\nserver = \"main\"\ntoken_file = \"help.desk.token\"\n";
    assert_eq!(setup.read("accounts.d/help.desk.toml"), table);
    let check = setup.dir.matterhost(&["check"]).output().unwrap();
    assert!(check.status.success(), "{}", text(&check.stdout));

    let nowhere = Setup::with("");
    let output = nowhere.bots(&["create", "x"]);
    assert!(text(&output.stderr).contains("there is no account"), "{}", text(&output.stderr));
    assert_eq!(nowhere.simulator.counters().requests_to("POST /bots"), 0);
}

#[test]
fn removing_an_account_removes_no_file_of_something_else() {
    let setup = Setup::with("include = [\"accounts.d/*.toml\"]");
    fs::create_dir(setup.dir.path().join("accounts.d")).unwrap();
    setup.done(&["create", "helpdesk"]);
    setup.dir.write("accounts.d/hook.toml", "[sinks.hook]\ntype = \"stdout\"\n");
    let remove = |name: &str| {
        let output = setup.dir.matterhost(&["account", "remove", name]).output().unwrap();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    };
    let (good, said) = remove("hook");
    assert!(!good && said.contains("there is no account hook"), "{said}");
    assert_eq!(setup.read("accounts.d/hook.toml"), "[sinks.hook]\ntype = \"stdout\"\n");
    let table = setup.read("accounts.d/helpdesk.toml");
    setup.dir.write("accounts.d/helpdesk.toml", &format!("{table}[health]\nping_timeout = \"9s\"\n"));
    let (good, said) = remove("helpdesk");
    assert!(!good && said.contains("helpdesk.toml holds more than [accounts.helpdesk]"), "{said}");
    setup.read("accounts.d/helpdesk.token");
    setup.dir.write("accounts.d/helpdesk.toml", &table);
    let (good, said) = remove("helpdesk");
    assert!(good && said.contains("helpdesk.toml and ") && said.contains("helpdesk.token;"), "{said}");
}

#[test]
fn a_bot_whose_file_cannot_be_written_leaves_no_token_behind() {
    let setup = Setup::tokens();
    let tokens = setup.dir.path().join("tokens");
    // A directory at the file's place fails for every user.
    fs::create_dir_all(tokens.join("helpdesk.token/x")).unwrap();
    let (_, err) = setup.failed(&["create", "helpdesk"]);
    assert!(err.contains("helpdesk.token"), "{err}");
    let requests = setup.simulator.counters();
    assert_eq!(requests.requests_to("POST /users/tokens/revoke"), 1);
}

#[test]
fn a_rotation_creates_switches_and_revokes() {
    let setup = Setup::tokens();
    setup.done(&["create", "helpdesk", "other"]);
    let mut running = RunningProgram::start(setup.dir.matterhost(&["run"]));
    running.log.wait_for_fact("ready");
    running.log.wait_for_fact("ready");
    let before = setup.read("tokens/helpdesk.token");
    setup.dir.write("wrong", "no token of this host, and long enough to be one");
    let (_, err) = setup.failed(&["rotate", "helpdesk", "--token-file", "wrong"]);
    assert!(err.contains("cannot tell whether a host runs the account"), "{err}");
    assert_eq!(setup.read("tokens/helpdesk.token"), before);
    assert_eq!(setup.simulator.counters().requests_to("POST /users/tokens/revoke"), 0);
    let out = setup.done(&["rotate", "helpdesk"]);
    let expected =
        "helpdesk: new token in tokens/helpdesk.token; the running host uses it; old tokens revoked: 1\n";
    assert_eq!(out, expected);
    let after = setup.read("tokens/helpdesk.token");
    assert_ne!(before, after);
    assert_eq!(setup.simulator.counters().requests_to("POST /users/tokens/revoke"), 1);
    let (_, err) = setup.failed(&["rotate", "helpdsk"]);
    assert!(err.contains("did you mean helpdesk?"), "{err}");
    running.signal("TERM");
    running.wait_for_exit();

    let out = setup.done(&["rotate", "helpdesk"]);
    assert!(out.contains("no running host was found; old tokens revoked: 1"), "{out}");
    let check = setup.dir.matterhost(&["check"]).output().unwrap();
    assert!(text(&check.stdout).contains("2 of 2 accounts work"), "{}", text(&check.stdout));
}

#[test]
fn bots_are_disabled_and_accounts_are_removed_and_added() {
    let setup = Setup::tokens();
    setup.done(&["create", "helpdesk", "other"]);
    assert_eq!(setup.done(&["disable", "other"]), "other: disabled\n");
    assert_eq!(setup.done(&["disable", "other"]), "other: was disabled already\n");
    assert_eq!(setup.rows()[1]["enabled"], false);
    assert!(setup.done(&["create", "other"]).starts_with("other: exists; enabled again;"));

    let account = |args: &[&str]| {
        let args: Vec<_> = ["account"].iter().chain(args).copied().collect();
        let output = setup.dir.matterhost(&args).output().unwrap();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    };
    fs::rename(setup.dir.path().join("tokens/helpdesk.token"), setup.dir.path().join("saved")).unwrap();
    let (good, said) = account(&["add", "desk", "--bot-token-file", "saved"]);
    assert!(good && said == "desk: added as @helpdesk; token in tokens/desk.token\n", "{said}");
    let (good, said) = account(&["add", "twice", "--bot-token-file", "saved"]);
    assert!(!good && said.contains("account desk has this token"), "{said}");
    setup.dir.write("bad", "abcdefghijklmnopqrstuvwxyz");
    let (good, said) = account(&["add", "bad", "--bot-token-file", "bad"]);
    assert!(!good && said.contains("401") && said.contains("nothing was changed"), "{said}");
    let (good, said) = account(&["remove", "desk"]);
    assert!(good && said.starts_with("desk: removed tokens/desk.token;"), "{said}");
    let (good, said) = account(&["remove", "othr"]);
    assert!(!good && said.contains("did you mean other?"), "{said}");
    let (good, said) = account(&["add", "x"]);
    assert!(!good && said.contains("there is no terminal to ask for the token"), "{said}");
}
