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
