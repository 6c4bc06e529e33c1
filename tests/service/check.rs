//! `matterhost check`.

use matterhost_simulator::{Fault, FaultKind, Simulator};
use serde_json::Value;

use crate::program::{ConfigDir, Fixture, text};

#[test]
fn a_good_server_and_token_are_confirmed_at_a_glance() {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&fixture.config());
    let output = dir.matterhost(&["check"]).output().unwrap();
    let table = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{table}\n{}", text(&output.stderr));
    for word in ["main", "helpdesk", "@helper", "5.37.0", fixture.simulator.url(), "1 of 1 accounts work"] {
        assert!(table.contains(word), "{word} in\n{table}");
    }
    assert_eq!(table.matches('✓').count(), 5, "{table}");
    assert!(!table.contains('✗') && !table.contains(&fixture.bot.token));
    assert!(output.stderr.is_empty());
}

fn json(dir: &ConfigDir) -> (Option<i32>, Value) {
    let output = dir.matterhost(&["check", "--json"]).output().unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn permissions_that_a_bot_lacks_are_shown_and_fail_nothing() {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&fixture.config());
    let (code, report) = json(&dir);
    let lacking = |report: &Value| -> Vec<String> {
        let rows = report["accounts"][0]["permissions"]["lacking"].as_array().unwrap();
        rows.iter().map(|row| row["ability"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((code, lacking(&report)), (Some(0), vec!["ephemeral".to_owned(), "commands".to_owned()]));
    assert_eq!(report["accounts"][0]["permissions"]["lacking"][0]["permission"], "create_post_ephemeral");

    for permission in ["create_post_ephemeral", "manage_own_slash_commands"] {
        fixture.simulator.grant_permission(&fixture.bot.user_id, permission);
    }
    fixture.simulator.restrict_channel(&fixture.channel, &["create_post", "upload_file"]);
    let (code, report) = json(&dir);
    assert_eq!((code, lacking(&report)), (Some(0), vec!["post".to_owned(), "upload".to_owned()]));
    let row = &report["accounts"][0]["permissions"]["lacking"][0];
    assert_eq!((&row["channels"], &row["channel"]), (&1.into(), &fixture.channel.as_str().into()));
    let table = text(&dir.matterhost(&["check"]).output().unwrap().stdout);
    for word in
        ["post in 1, upload in 1", "! helpdesk: no permission create_post in ~", "replies are refused"]
    {
        assert!(table.contains(word), "{word} in\n{table}");
    }
}

#[test]
fn permissions_that_cannot_be_read_are_unknown_and_fail_nothing() {
    let fixture = Fixture::new();
    fixture.simulator.inject(Fault::new(FaultKind::ProxyPage(403)).route("POST /roles/names"));
    let dir = ConfigDir::with(&fixture.config());
    let (code, report) = json(&dir);
    let permissions = &report["accounts"][0]["permissions"];
    assert_eq!((code, &permissions["known"]), (Some(0), &false.into()), "{report:#}");
    assert!(permissions["problem"].as_str().unwrap().contains("403"), "{report:#}");
    assert!(text(&dir.matterhost(&["check"]).output().unwrap().stdout).contains("not known"));
}

#[test]
fn json_says_the_same() {
    let fixture = Fixture::new();
    let (code, report) = json(&ConfigDir::with(&fixture.config()));
    assert_eq!((code, &report["ok"]), (Some(0), &true.into()));
    assert_eq!(report["servers"][0]["version"], "5.37.0");
    assert_eq!(report["accounts"][0]["user"], "helper");
    assert_eq!(report["accounts"][0]["hello"]["ok"], true);
    assert!(report["accounts"][0]["token"]["took_ms"].is_u64());
}

#[test]
fn each_failure_is_reported_with_a_remedy() {
    let fixture = Fixture::new();
    let bad = "[accounts.wrong]\ntoken = \"abcdefghijklmnopqrstuvwxyz\"\nserver = \"main\"\n";
    let gone =
        "[servers.gone]\nurl = \"http://127.0.0.1:1\"\n[accounts.lost]\nserver = \"gone\"\ntoken = \"abc\"\n";
    let config = fixture.config().replace("token = ", "server = \"main\"\ntoken = ") + bad + gone;
    let dir = ConfigDir::with(&config);
    let (code, report) = json(&dir);
    assert_eq!((code, &report["ok"]), (Some(1), &false.into()));
    let row = |name: &str| {
        report["accounts"].as_array().unwrap().iter().find(|row| row["account"] == name).unwrap()
    };
    assert_eq!(row("helpdesk")["hello"]["ok"], true, "other accounts are not affected");
    assert_eq!(row("wrong")["token"]["ok"], false);
    assert!(row("wrong")["token"]["problem"].as_str().unwrap().contains("401"));
    assert!(row("wrong")["token"]["remedy"].as_str().unwrap().contains("new token"));
    assert_eq!(row("wrong")["hello"]["ok"], Value::Null);
    assert_eq!(row("lost")["token"]["ok"], Value::Null);
    assert_eq!(report["servers"][0]["server"], "gone");
    assert!(report["servers"][0]["reachable"]["problem"].as_str().unwrap().contains("cannot be reached"));
    let table = text(&dir.matterhost(&["check"]).output().unwrap().stdout);
    assert!(table.contains("✗ wrong: ") && table.contains("→ enable the bot"), "{table}");
    assert!(table.contains("1 of 3 accounts work") && !table.contains("abcdefghij"), "{table}");
    let failed = text(&dir.matterhost(&["check", "--failed"]).output().unwrap().stdout);
    assert!(failed.contains("✗ gone: ") && failed.contains("✗ wrong: "), "{failed}");
    assert!(!failed.contains("lost"), "it was not tested, because its server failed: {failed}");
}

#[test]
fn a_socket_without_hello_is_found() {
    for kind in [FaultKind::HelloWithheld, FaultKind::DropBeforeHello] {
        let fixture = Fixture::new();
        fixture.simulator.inject(Fault::new(kind));
        let dir = ConfigDir::with(&(fixture.config() + "[host]\nhello_timeout = \"300ms\"\n"));
        let (code, report) = json(&dir);
        assert_eq!(code, Some(1));
        assert_eq!(report["accounts"][0]["token"]["ok"], true);
        assert!(report["accounts"][0]["hello"]["problem"].as_str().unwrap().contains("hello"), "{report:#}");
    }
}

#[test]
fn a_server_that_is_not_mattermost_is_reported() {
    let fixture = Fixture::new();
    fixture.simulator.inject(Fault::new(FaultKind::Html));
    let (code, report) = json(&ConfigDir::with(&fixture.config()));
    assert_eq!(code, Some(1));
    let reachable = &report["servers"][0]["reachable"];
    assert!(reachable["remedy"].as_str().unwrap().contains("something other than Mattermost"), "{report:#}");
}

#[test]
fn a_certificate_of_an_own_authority_is_taken_with_its_ca_file_only() {
    let simulator = Simulator::builder().tls(true).start().unwrap();
    let bot = simulator.create_bot("helper");
    let config = |ca: &str| {
        format!(
            "[servers.main]\nurl = \"{}\"\n{ca}[accounts.a]\ntoken = \"{}\"\n",
            simulator.url(),
            bot.token
        )
    };
    let dir = ConfigDir::with(&config("ca_file = \"ca.pem\"\n"));
    dir.write("ca.pem", simulator.ca_pem().unwrap());
    let (code, report) = json(&dir);
    assert_eq!(code, Some(0), "{report:#}");
    let (code, report) = json(&ConfigDir::with(&config("")));
    assert_eq!(code, Some(1), "{report:#}");
    assert!(report["servers"][0]["reachable"]["remedy"].as_str().unwrap().contains("ca_file"), "{report:#}");
}

#[test]
fn sinks_are_tested_and_only_failures_are_shown_if_that_is_wanted() {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(
        &(fixture.config().replace(
            "[accounts.helpdesk]\n",
            "[accounts.helpdesk]\nsinks = [\"gone\", \"shut\", \"nowhere\", \"fine\"]\n",
        ) + "[sinks.gone]\ntype = \"exec\"\ncommand = [\"no-such-program\"]\n\
         [sinks.shut]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:1/events\"\n\
         secret = \"whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw\"\n\
         [sinks.nowhere]\ntype = \"file\"\npath = \"no-such-directory/events.jsonl\"\n\
         [sinks.fine]\ntype = \"file\"\npath = \"events.jsonl\"\n"),
    );
    let (code, report) = json(&dir);
    assert_eq!((code, &report["ok"]), (Some(1), &false.into()));
    let sink = |name: &str| {
        report["sinks"].as_array().unwrap().iter().find(|row| row["sink"] == name).unwrap()["usable"].clone()
    };
    for (name, problem) in [
        ("gone", "no directory of PATH has a program no-such-program"),
        ("shut", "127.0.0.1:1"),
        ("nowhere", "no file can be created in"),
    ] {
        let usable = sink(name);
        assert!(usable["problem"].as_str().unwrap().contains(problem), "{usable}");
        assert!(!usable["remedy"].as_str().unwrap().is_empty(), "{usable}");
    }
    assert_eq!(sink("fine")["ok"], true);
    assert!(!dir.path().join("events.jsonl").exists(), "a check creates nothing");
    let table = text(&dir.matterhost(&["check", "--failed"]).output().unwrap().stdout);
    assert!(table.contains("✗ gone: ") && !table.contains("fine") && !table.contains("@helper"), "{table}");
    assert!(table.ends_with("1 of 1 accounts work\n"), "{table}");
}

#[test]
fn tokens_of_one_bot_of_a_person_and_of_an_administrator_are_warned_of() {
    let fixture = Fixture::new();
    let (_, second) = fixture.simulator.create_token(&fixture.bot.user_id);
    let account = |name: &str, token: &str| format!("[accounts.{name}]\ntoken = \"{token}\"\n");
    let dir = ConfigDir::with(
        &(fixture.config()
            + &account("twin", &second)
            + &account("person", &fixture.person.token)
            + &account("boss", &fixture.simulator.admin().token)),
    );
    let (code, report) = json(&dir);
    assert_eq!(code, Some(0), "a warning is no failure: {report:#}");
    let warnings = |name: &str| {
        let rows = report["accounts"].as_array().unwrap();
        rows.iter().find(|row| row["account"] == name).unwrap()["warnings"].to_string()
    };
    assert!(warnings("twin").contains("belongs to the same user as that of helpdesk"), "{report:#}");
    assert!(warnings("person").contains("belongs to a person, @ann"), "{report:#}");
    assert!(warnings("boss").contains("is an administrator"), "{report:#}");
    assert_eq!(warnings("helpdesk"), "null");
    let table = text(&dir.matterhost(&["check", "--failed"]).output().unwrap().stdout);
    assert!(table.contains("! twin: ") && !table.contains("helpdesk  "), "{table}");
}
