//! The posts at set times: once for each key, however often they are made.

use std::{collections::BTreeSet, fs, process::Output};

use super::{Example, Rig};
use crate::program::{RunningProgram, text};

/// The token of the jobs.
const TOKEN: &str = "mustnotshow-cron-60303ae2";

fn run(rig: &Rig, example: &Example, account: &str, target: &str) -> Output {
    let api = format!("http://{}", rig.api);
    let mut command = example.command(&[&api, account, target, "morning-2026-03-02", "Good morning!"]);
    command.env("CRON_TOKEN", TOKEN).output().unwrap()
}

#[test]
fn a_post_from_crontab_is_made_once_however_often_the_job_runs() {
    let mut rig = Rig::empty();
    let examples = Example::of("cron", "post");
    for example in &examples {
        rig.add_accounts(example.name(), 1);
        rig.configure(&format!("[sinks.{0}]\ntype = \"file\"\npath = \"{0}.jsonl\"\n", example.name()));
    }
    let [header, same] = examples.each_ref().map(Example::config);
    assert_eq!(header, same);
    let accounts = "accounts = [\"cron-post-py-0\", \"cron-post-mjs-0\"]";
    rig.configure(&header.replace("accounts = [\"helpdesk\"]", accounts));
    rig.dir.write("cron.token", TOKEN);
    let mut host = rig.start();
    for start in 0..2 {
        for example in &examples {
            let (account, target) = (format!("{}-0", example.name()), format!("crew/{}", example.name()));
            for _ in 0..2 {
                let output = run(&rig, example, &account, &target);
                assert!(output.status.success(), "{}", text(&output.stderr));
            }
            let output = run(&rig, example, "helpdesk", &target);
            assert!(
                !output.status.success() && text(&output.stderr).contains("403"),
                "{}",
                text(&output.stderr)
            );
        }
        rig.await_texts(|texts| *texts == ["Good morning!"]);
        if start == 0 {
            host.signal("TERM");
            host.wait_for_exit();
            host = rig.start();
        }
    }
}

/// Starts the host, waits until each child has posted, and adds the keys.
fn start(rig: &Rig, keys: &mut BTreeSet<(String, String)>) -> RunningProgram {
    let mut command = rig.dir.matterhost(&["run"]);
    command.env("CRON_TOKEN", TOKEN);
    let mut host = rig.ready(command);
    for _ in &rig.variants {
        let line = host.log.wait_for_json("a post", |line| line.to_string().contains("posted daily-"));
        let key =
            line.to_string().split("posted ").nth(1).unwrap().chars().take_while(|c| *c != '"').collect();
        keys.insert((line["sink"].as_str().unwrap().to_owned(), key));
    }
    host
}

#[test]
fn a_daily_post_of_a_child_process_is_made_once_however_often_the_child_starts() {
    let mut rig = Rig::empty();
    for example in Example::of("cron", "child") {
        rig.add(&example, 1);
    }
    let mut config = fs::read_to_string(rig.dir.path().join("matterhost.toml")).unwrap();
    for variant in &rig.variants {
        for (header, here) in [
            ("http://127.0.0.1:8466", format!("http://{}", rig.api)),
            ("\"helpdesk\", \"crew/town-square\"", format!("\"{0}-0\", \"crew/{0}\"", variant.name)),
            ("09:00", "00:00".into()),
        ] {
            config = config.replacen(header, &here, 1);
        }
    }
    // One section is enough for both.
    let token =
        "[admin.tokens.cron]\nscope = \"act\"\naccounts = [\"helpdesk\"]\ntoken_env = \"CRON_TOKEN\"\n";
    assert_eq!(config.matches(token).count(), 2, "{config}");
    config = config.replacen(token, "", 1);
    config = config.replace("[\"helpdesk\"]", "[\"cron-child-py-0\", \"cron-child-mjs-0\"]");
    rig.dir.write("matterhost.toml", &config);
    let mut keys = BTreeSet::new();
    let host = start(&rig, &mut keys);
    host.signal("KILL");
    host.wait_for_exit();
    let _host = start(&rig, &mut keys);
    for variant in &rig.variants {
        // Two days, if one ends now.
        let days = keys.iter().filter(|(sink, _)| *sink == variant.name).count();
        let posts = rig.posts(variant, &variant.bots[0]);
        assert_eq!(posts.len(), days, "{keys:?} {posts:?}");
    }
}
