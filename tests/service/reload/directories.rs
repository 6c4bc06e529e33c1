//! Files that are put into the directories of a configuration, changed and removed there, without a signal.

use std::{collections::BTreeSet, fs};

use matterhost_simulator::{Account, Counters};

use super::fixture::{HostConfig, MultiBotFixture, await_post, file, log_until, messages, reload};
use crate::program::{ConfigDir, DEADLINE, RunningProgram};

/// Writes `matterhost.toml` with the accounts elsewhere.
fn write_main(plan: &HostConfig, dir: &ConfigDir, head: &str) {
    let without_bots = HostConfig { bots: std::collections::BTreeMap::new(), ..plan.clone() };
    without_bots.write(dir);
    let rest = fs::read_to_string(dir.path().join("matterhost.toml")).unwrap();
    dir.write("matterhost.toml", &format!("{head}\n{rest}"));
}

fn start(dir: &ConfigDir, accounts: usize) -> RunningProgram {
    let mut running = RunningProgram::start(dir.matterhost(&["run"]));
    let mut ready = BTreeSet::new();
    while ready.len() < accounts {
        ready.insert(running.log.wait_for_fact("ready")["account"].as_str().unwrap().to_owned());
    }
    running
}

/// Puts a file into a directory as one step.
fn put(dir: &ConfigDir, name: &str, text: &str) {
    let aside = dir.write("aside", text);
    fs::rename(aside, dir.path().join(name)).unwrap();
}

fn account(token: &str) -> String {
    format!("token = \"{token}\"\n")
}

#[test]
fn a_file_that_is_dropped_in_adds_a_bot_and_touches_no_other() {
    let fixture = MultiBotFixture::with(&["anna", "bert", "carl"], 1);
    let dir = ConfigDir::with("");
    fs::create_dir(dir.path().join("accounts.d")).unwrap();
    let of = |bot: &str| format!("[accounts.{bot}]\n{}", account(&fixture.bots[bot].token));
    put(&dir, "accounts.d/anna.toml", &of("anna"));
    write_main(&fixture.plan(), &dir, "include = [\"accounts.d/*.toml\"]");
    let mut running = start(&dir, 1);

    put(&dir, "accounts.d/bert.toml", &of("bert"));
    log_until(&mut running, "a directory changed; account bert is added");
    super::ready(&mut running, "bert");
    let id = fixture.post("hello");
    for bot in ["anna", "bert"] {
        await_post(&dir, "archive", bot, &id);
    }

    // The file that is named, with a change that is not complete, does not matter.
    let main = fs::read_to_string(dir.path().join("matterhost.toml")).unwrap();
    dir.write("matterhost.toml", "broken");
    put(&dir, "accounts.d/carl.toml", &of("carl"));
    log_until(&mut running, "a directory changed; account carl is added");
    fs::remove_file(dir.path().join("accounts.d/bert.toml")).unwrap();
    log_until(&mut running, "a directory changed; account bert is removed");
    dir.write("matterhost.toml", &main);
    let asked = reload(&mut running);
    assert_eq!(messages(&asked), ["the configuration was reloaded"], "{asked:#?}");
    fixture.await_sockets(&["anna", "carl"]);
    assert_eq!((fixture.sockets("anna"), fixture.sockets("bert").1), ((1, 1), 0));
}

#[test]
fn a_file_with_a_mistake_is_reported_once_and_changes_nothing() {
    let fixture = MultiBotFixture::with(&["anna", "bert"], 1);
    let dir = ConfigDir::with("");
    fs::create_dir(dir.path().join("accounts.d")).unwrap();
    fs::create_dir(dir.path().join("tokens")).unwrap();
    put(&dir, "tokens/anna.token", &fixture.bots["anna"].token);
    write_main(&fixture.plan(), &dir, "include = [\"accounts.d/*.toml\"]\ntoken_dir = \"tokens\"");
    let mut running = start(&dir, 1);
    put(&dir, "accounts.d/bert.toml", "[accounts.bert]\nsinks = [\"archiv\"]\n");
    let error = running.log.wait_for_json("the mistake", |line| line["key"] == "accounts.bert.sinks");
    assert_eq!(error["place"], "accounts.d/bert.toml:2", "{error}");
    assert!(error["message"].as_str().unwrap().ends_with("did you mean archive?"), "{error}");
    log_until(&mut running, "the configuration is invalid; nothing was changed");
    // Another trigger, without a change of the directories: the same error is not logged again.
    put(&dir, "tokens/anna.token", &format!("{}\n", fixture.bots["anna"].token));
    put(&dir, "accounts.d/bert.toml", &format!("[accounts.bert]\n{}", account(&fixture.bots["bert"].token)));
    let log = log_until(&mut running, "a directory changed; account bert is added");
    super::ready(&mut running, "bert");
    assert!(messages(&log).len() <= 3, "{log:#?}");
    assert_eq!(fixture.sockets("anna"), (1, 1), "its socket is unchanged");
}

#[test]
fn a_token_that_cannot_be_used_is_left_out_and_the_next_one_is_added() {
    let fixture = MultiBotFixture::with(&["anna", "bert", "carl"], 1);
    let dir = ConfigDir::with("");
    fs::create_dir(dir.path().join("tokens")).unwrap();
    put(&dir, "tokens/anna.token", &fixture.bots["anna"].token);
    write_main(&fixture.plan(), &dir, "token_dir = \"tokens\"");
    let mut running = start(&dir, 1);
    put(&dir, "tokens/bert.token", "");
    let error = running.log.wait_for_json("the empty file", |line| line["key"] == "accounts.bert.token_file");
    assert!(error["message"].as_str().unwrap().contains("the account is left out"), "{error}");
    put(&dir, "tokens/carl.token", &fixture.bots["carl"].token);
    log_until(&mut running, "a directory changed; account carl is added");
    put(&dir, "tokens/bert.token", &fixture.bots["bert"].token);
    log_until(&mut running, "a directory changed; account bert is added");
    fixture.await_sockets(&["anna", "bert", "carl"]);
    assert_eq!(fixture.sockets("anna"), (1, 1));
    // The same at the start, where `check` fails.
    put(&dir, "tokens/dora.token", "");
    let output = dir.matterhost(&["check"]).output().unwrap();
    let table = crate::program::text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{table}");
    assert!(
        table.contains("✗ accounts.dora.token_file: ") && table.contains("3 of 3 accounts work"),
        "{table}"
    );
}

#[test]
fn a_bot_that_is_dropped_in_gets_its_own_instance_of_a_sink() {
    let fixture = MultiBotFixture::with(&["anna", "bert"], 1);
    let dir = ConfigDir::with("");
    fs::create_dir(dir.path().join("tokens")).unwrap();
    put(&dir, "tokens/anna.token", &fixture.bots["anna"].token);
    let mut plan = fixture.plan();
    plan.section("sinks.archive", &file("{server}-{account}"));
    write_main(&plan, &dir, "token_dir = \"tokens\"");
    let mut running = start(&dir, 1);
    put(&dir, "tokens/bert.token", &fixture.bots["bert"].token);
    let log = log_until(&mut running, "a directory changed; account bert is added");
    assert!(messages(&log).contains(&"a directory changed; sink archive@bert is added"), "{log:#?}");
    super::ready(&mut running, "bert");
    let id = fixture.post("hello");
    for bot in ["anna", "bert"] {
        await_post(&dir, &format!("main-{bot}"), bot, &id);
    }
    fs::remove_file(dir.path().join("tokens/anna.token")).unwrap();
    let log = log_until(&mut running, "a directory changed; account anna is removed");
    assert!(messages(&log).contains(&"a directory changed; sink archive@anna is removed"), "{log:#?}");
    assert_eq!(fixture.sockets("bert"), (1, 1));
}

/// The number of accounts of a large host.
const MANY: usize = 1_000;

#[test]
fn a_thousand_accounts_start_from_a_directory_of_tokens_and_changes_disturb_no_other() {
    let fixture = MultiBotFixture::with(&[], 0);
    let dir = ConfigDir::with("");
    fs::create_dir(dir.path().join("tokens")).unwrap();
    let bots: Vec<Account> = (0..=MANY).map(|n| fixture.simulator.create_bot(&format!("bot-{n}"))).collect();
    let token_file = |n: usize| format!("tokens/bot-{n}.token");
    for (n, bot) in bots.iter().enumerate().take(MANY) {
        dir.write(&token_file(n), &bot.token);
    }
    let mut plan = fixture.plan();
    plan.section(
        "servers.main",
        &format!("url = \"{}\"\nrequests_per_second = 5000\ndial_slots = 500", fixture.simulator.url()),
    );
    write_main(&plan, &dir, "token_dir = \"tokens\"");
    let mut running = start(&dir, MANY);
    dir.write(&token_file(MANY), &bots[MANY].token);
    log_until(&mut running, &format!("a directory changed; account bot-{MANY} is added"));
    super::ready(&mut running, &format!("bot-{MANY}"));
    let (_, token) = fixture.simulator.create_token(&bots[7].user_id);
    put(&dir, &token_file(7), &token);
    // A file that changes while the directories are read is noticed with the files.
    let notices = ["a directory", "a file"]
        .map(|what| format!("{what} changed; account bot-7: token changed; its connection restarts"));
    running
        .log
        .wait_for_json("the token of bot-7", |line| notices.iter().any(|notice| line["message"] == **notice));
    super::ready(&mut running, "bot-7");
    fs::remove_file(dir.path().join(token_file(8))).unwrap();
    log_until(&mut running, "a directory changed; account bot-8 is removed");
    let settled = |seen: &Counters| seen.total_open_sockets() == MANY;
    assert!(fixture.simulator.wait_for(settled, DEADLINE), "all but the removed one are connected");
    let seen = fixture.simulator.counters();
    for (n, bot) in bots.iter().enumerate() {
        let expected = if n == 7 { 2 } else { 1 };
        assert_eq!(seen.opened_sockets(&bot.user_id), expected, "bot-{n} keeps its first connection");
    }
}
