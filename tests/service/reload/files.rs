//! Token files that change while the host runs.

use std::{collections::BTreeSet, fs, os::unix::fs::symlink, path::Path};

use super::town::{Plan, Town, await_post, posts, reload, said_until};
use crate::program::{Dir, Running};

/// A host whose only bot has its token in a file.
fn begin(town: &Town, dir: &Dir, file: &str) -> (Plan, Running) {
    let mut plan = town.plan();
    plan.bots.get_mut("anna").unwrap().token = format!("token_file = \"{file}\"");
    let running = plan.begin(dir);
    (plan, running)
}

/// Makes another token for the bot, and has the server forget the one before.
fn rotate(town: &Town, before: &mut String) -> String {
    let (id, token) = town.simulator.create_token(&town.bots["anna"].user_id);
    town.simulator.revoke_token(&std::mem::replace(before, id));
    token
}

fn write_aside(dir: &Path, name: &str, text: &str) {
    fs::write(dir.join("aside"), text).unwrap();
    fs::rename(dir.join("aside"), dir.join(name)).unwrap();
}

const TAKEN: &str = "a file changed; account anna: token changed; its connection begins anew";

#[test]
fn a_rotated_token_is_noticed_by_itself_and_no_post_is_lost() {
    let town = Town::with(&["anna"], 1);
    let dir = Dir::with("");
    dir.write("anna.token", &town.bots["anna"].token);
    let (mut plan, mut running) = begin(&town, &dir, "anna.token");
    let mut said = BTreeSet::from([town.says("before")]);
    let mut token_id = town.bots["anna"].token_id.clone();
    for n in 0..4 {
        let token = rotate(&town, &mut token_id);
        said.insert(town.says(&format!("in between {n}")));
        if n % 2 == 0 {
            write_aside(dir.path(), "anna.token", &token);
        } else {
            dir.write("anna.token", &(token + "\n"));
        }
        said_until(&mut running, TAKEN);
        super::ready(&mut running, "anna");
        let id = town.says(&format!("after {n}"));
        await_post(&dir, "archive", "anna", &id);
        said.insert(id);
    }
    let heard = posts(&dir, "archive");
    assert_eq!(heard.len(), said.len(), "each once: {heard:#?}");
    assert_eq!(heard.into_iter().map(|(_, id)| id).collect::<BTreeSet<_>>(), said);
    // What the configuration says by now is another matter.
    plan.section("health", "poll_interval = \"7s\"");
    plan.write(&dir);
    dir.write("anna.token", &rotate(&town, &mut token_id));
    let noticed = said_until(&mut running, TAKEN);
    assert!(
        noticed.iter().all(|line| !line["message"].as_str().unwrap().contains("[health]")),
        "{noticed:#?}"
    );
    let asked = reload(&mut running);
    assert!(asked.iter().any(|line| line["message"] == "[health]: poll_interval changed"), "{asked:#?}");
    running.signal("TERM");
    let (_, log) = running.ended();
    assert!(!log.iter().any(|line| line.contains(&town.bots["anna"].token)), "a token is shown");
}

#[test]
fn a_file_that_cannot_be_used_is_told_and_the_old_token_stays() {
    let town = Town::with(&["anna"], 1);
    let dir = Dir::with("");
    dir.write("anna.token", &town.bots["anna"].token);
    let (_, mut running) = begin(&town, &dir, "anna.token");
    for (text, what) in [("", "the token is empty"), ("half of\na token", "the token holds white space")] {
        dir.write("anna.token", text);
        let told = running.log.json(what, |line| line["key"] == "accounts.anna.token_file");
        let words = told["message"].as_str().unwrap();
        assert!(
            words.contains("anna.token: ") && words.contains(what) && words.contains("stays in use"),
            "{words}"
        );
        assert_eq!(told["level"], "WARN");
    }
    fs::remove_file(dir.path().join("anna.token")).unwrap();
    running.log.json("the file that is gone", |line| {
        line["message"].as_str().unwrap().contains("it cannot be read")
    });
    let id = town.says("hello");
    await_post(&dir, "archive", "anna", &id);
    assert_eq!(town.sockets("anna"), (1, 1), "the very socket");
    let mut token_id = town.bots["anna"].token_id.clone();
    dir.write("anna.token", &rotate(&town, &mut token_id));
    said_until(&mut running, TAKEN);
}

#[test]
fn a_link_that_is_swapped_as_kubernetes_does_is_noticed() {
    let town = Town::with(&["anna"], 1);
    let dir = Dir::with("");
    let secrets = dir.path().join("secrets");
    let volume = |n: u32, token: &str| {
        let name = format!("..v{n}");
        fs::create_dir_all(secrets.join(&name)).unwrap();
        fs::write(secrets.join(&name).join("token"), token).unwrap();
        symlink(&name, secrets.join("..data_tmp")).unwrap();
        fs::rename(secrets.join("..data_tmp"), secrets.join("..data")).unwrap();
    };
    volume(1, &town.bots["anna"].token);
    symlink("..data/token", secrets.join("token")).unwrap();
    let (_, mut running) = begin(&town, &dir, "secrets/token");
    let mut token_id = town.bots["anna"].token_id.clone();
    for n in 2..5 {
        volume(n, &rotate(&town, &mut token_id));
        said_until(&mut running, TAKEN);
        fs::remove_dir_all(secrets.join(format!("..v{}", n - 1))).unwrap();
        let id = town.says("hello");
        await_post(&dir, "archive", "anna", &id);
    }
}
