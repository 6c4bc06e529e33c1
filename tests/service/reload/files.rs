//! Token files that change while the host runs.

use std::{collections::BTreeSet, fs, os::unix::fs::symlink, path::Path};

use super::fixture::{HostConfig, MultiBotFixture, await_post, log_until, posts, reload};
use crate::program::{ConfigDir, RunningProgram};

/// Starts a host whose only bot has its token in a file.
fn begin(fixture: &MultiBotFixture, dir: &ConfigDir, file: &str) -> (HostConfig, RunningProgram) {
    let mut plan = fixture.plan();
    plan.bots.get_mut("anna").unwrap().token = format!("token_file = \"{file}\"");
    let running = plan.start(dir);
    (plan, running)
}

/// Creates a new token for the bot and revokes the previous one.
fn rotate(fixture: &MultiBotFixture, before: &mut String) -> String {
    let (id, token) = fixture.simulator.create_token(&fixture.bots["anna"].user_id);
    fixture.simulator.revoke_token(&std::mem::replace(before, id));
    token
}

fn write_aside(dir: &Path, name: &str, text: &str) {
    fs::write(dir.join("aside"), text).unwrap();
    fs::rename(dir.join("aside"), dir.join(name)).unwrap();
}

const TAKEN: &str = "a file changed; account anna: token changed; its connection restarts";

#[test]
fn a_rotated_token_is_noticed_by_itself_and_no_post_is_lost() {
    let fixture = MultiBotFixture::with(&["anna"], 1);
    let dir = ConfigDir::with("");
    dir.write("anna.token", &fixture.bots["anna"].token);
    let (mut plan, mut running) = begin(&fixture, &dir, "anna.token");
    let mut posted = BTreeSet::from([fixture.post("before")]);
    let mut token_id = fixture.bots["anna"].token_id.clone();
    for n in 0..4 {
        let token = rotate(&fixture, &mut token_id);
        posted.insert(fixture.post(&format!("in between {n}")));
        if n % 2 == 0 {
            write_aside(dir.path(), "anna.token", &token);
        } else {
            dir.write("anna.token", &(token + "\n"));
        }
        log_until(&mut running, TAKEN);
        super::ready(&mut running, "anna");
        let id = fixture.post(&format!("after {n}"));
        await_post(&dir, "archive", "anna", &id);
        posted.insert(id);
    }
    let received = posts(&dir, "archive");
    assert_eq!(received.len(), posted.len(), "each post once: {received:#?}");
    assert_eq!(received.into_iter().map(|(_, id)| id).collect::<BTreeSet<_>>(), posted);
    // The changed configuration file has no effect until a reload.
    plan.section("health", "poll_interval = \"7s\"");
    plan.write(&dir);
    dir.write("anna.token", &rotate(&fixture, &mut token_id));
    let noticed = log_until(&mut running, TAKEN);
    assert!(
        noticed.iter().all(|line| !line["message"].as_str().unwrap().contains("[health]")),
        "{noticed:#?}"
    );
    let asked = reload(&mut running);
    assert!(asked.iter().any(|line| line["message"] == "[health]: poll_interval changed"), "{asked:#?}");
    running.signal("TERM");
    let (_, log) = running.wait_for_exit();
    assert!(!log.iter().any(|line| line.contains(&fixture.bots["anna"].token)), "the log contains a token");
}

#[test]
fn a_file_that_cannot_be_used_is_told_and_the_old_token_stays() {
    let fixture = MultiBotFixture::with(&["anna"], 1);
    let dir = ConfigDir::with("");
    dir.write("anna.token", &fixture.bots["anna"].token);
    let (_, mut running) = begin(&fixture, &dir, "anna.token");
    for (text, what) in [("", "the token is empty"), ("half of\na token", "the token holds white space")] {
        dir.write("anna.token", text);
        let warning = running.log.wait_for_json(what, |line| line["key"] == "accounts.anna.token_file");
        let words = warning["message"].as_str().unwrap();
        assert!(
            words.contains("anna.token: ") && words.contains(what) && words.contains("stays in use"),
            "{words}"
        );
        assert_eq!(warning["level"], "WARN");
    }
    fs::remove_file(dir.path().join("anna.token")).unwrap();
    running.log.wait_for_json("the file that is gone", |line| {
        line["message"].as_str().unwrap().contains("it cannot be read")
    });
    let id = fixture.post("hello");
    await_post(&dir, "archive", "anna", &id);
    assert_eq!(fixture.sockets("anna"), (1, 1), "the socket is unchanged");
    let mut token_id = fixture.bots["anna"].token_id.clone();
    dir.write("anna.token", &rotate(&fixture, &mut token_id));
    log_until(&mut running, TAKEN);
}

#[test]
fn a_link_that_is_swapped_as_kubernetes_does_is_noticed() {
    let fixture = MultiBotFixture::with(&["anna"], 1);
    let dir = ConfigDir::with("");
    let secrets = dir.path().join("secrets");
    let volume = |n: u32, token: &str| {
        let name = format!("..v{n}");
        fs::create_dir_all(secrets.join(&name)).unwrap();
        fs::write(secrets.join(&name).join("token"), token).unwrap();
        symlink(&name, secrets.join("..data_tmp")).unwrap();
        fs::rename(secrets.join("..data_tmp"), secrets.join("..data")).unwrap();
    };
    volume(1, &fixture.bots["anna"].token);
    symlink("..data/token", secrets.join("token")).unwrap();
    let (_, mut running) = begin(&fixture, &dir, "secrets/token");
    let mut token_id = fixture.bots["anna"].token_id.clone();
    for n in 2..5 {
        volume(n, &rotate(&fixture, &mut token_id));
        log_until(&mut running, TAKEN);
        fs::remove_dir_all(secrets.join(format!("..v{}", n - 1))).unwrap();
        let id = fixture.post("hello");
        await_post(&dir, "archive", "anna", &id);
    }
}
