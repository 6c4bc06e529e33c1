//! The state between runs, as the program shows it.

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::program::{ConfigDir, Fixture, RunningProgram, text};

fn file(dir: &ConfigDir) -> PathBuf {
    dir.path().join("state/matterhost/cursors.redb")
}

#[test]
fn a_second_host_is_refused_and_commands_report_the_running_one() {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&fixture.config());
    let running = RunningProgram::ready(&fixture, &dir);
    let (status, log) = RunningProgram::start(dir.matterhost(&["run"])).wait_for_exit();
    let errors = log.join("\n");
    assert_eq!(status.code(), Some(78), "{errors}");
    let path = file(&dir).display().to_string();
    assert!(errors.contains(&path) && errors.contains("another process is using it"), "{errors}");
    assert!(errors.contains("a directory of its own ([state] dir)"), "{errors}");

    let check = dir.matterhost(&["check"]).output().unwrap();
    let table = text(&check.stdout);
    assert_eq!(check.status.code(), Some(0), "{table}");
    assert!(table.contains(&path) && table.contains("in use by a running matterhost"), "{table}");

    let list = dir.matterhost(&["state", "list", "--json"]).output().unwrap();
    let rows: Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!((list.status.code(), &rows[0]["account"]), (Some(0), &"helpdesk".into()), "{rows}");
    let output = dir.matterhost(&["state", "forget", "helpdesk"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("stop that process"), "{}", text(&output.stderr));
    running.signal("TERM");
    assert_eq!(running.wait_for_exit().0.code(), Some(0));
    drop(RunningProgram::ready(&fixture, &dir));
}

#[test]
fn a_damaged_file_is_reported_and_left_unchanged() {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&fixture.config());
    fs::create_dir_all(file(&dir).parent().unwrap()).unwrap();
    for damage in [Vec::new(), b"not a store at all".to_vec(), vec![0; 100_000]] {
        fs::write(file(&dir), &damage).unwrap();
        let (status, log) = RunningProgram::start(dir.matterhost(&["run"])).wait_for_exit();
        let errors = log.join("\n");
        assert_eq!(status.code(), Some(78), "{errors}");
        assert!(
            errors.contains("cursors.redb: the file is damaged") && errors.contains("restore a backup"),
            "{errors}"
        );
        let check = dir.matterhost(&["check", "--json"]).output().unwrap();
        let report: Value = serde_json::from_slice(&check.stdout).unwrap();
        assert_eq!((check.status.code(), &report["state"]["usable"]["ok"]), (Some(1), &false.into()));
        assert!(
            report["state"]["usable"]["remedy"].as_str().unwrap().contains("restore a backup"),
            "{report:#}"
        );
        assert_eq!(fs::read(file(&dir)).unwrap(), damage);
    }
}

#[test]
fn a_check_creates_nothing() {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&fixture.config());
    let check = dir.matterhost(&["check", "--json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&check.stdout).unwrap();
    assert_eq!(report["state"]["note"], "new");
    assert!(!dir.path().join("state").exists());
}

#[test]
fn without_a_state_directory_the_error_has_a_remedy() {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&fixture.config());
    let mut homeless = dir.matterhost(&["run"]);
    homeless.env_remove("XDG_STATE_HOME");
    let (status, log) = RunningProgram::start(homeless).wait_for_exit();
    assert_eq!(status.code(), Some(78), "{log:#?}");
    assert!(log.iter().any(|line| line.contains("state.dir: it is missing, and none of STATE_DIRECTORY")));
}

#[test]
fn stored_state_is_listed_and_deleted() {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&fixture.config());
    let none = dir.matterhost(&["state", "list"]).output().unwrap();
    assert_eq!(none.status.code(), Some(1));
    assert!(text(&none.stderr).contains("creates it at its first start"), "{}", text(&none.stderr));
    drop(RunningProgram::ready(&fixture, &dir));
    let state_dir = file(&dir).parent().unwrap().display().to_string();
    for args in [&["state", "list", "--json"][..], &["state", "list", "--json", "--dir", &state_dir]] {
        let list = dir.matterhost(args).output().unwrap();
        assert_eq!(list.status.code(), Some(0), "{}", text(&list.stderr));
        assert!(serde_json::from_slice::<Value>(&list.stdout).unwrap().is_array());
    }
    let unknown = dir.matterhost(&["state", "forget", "nobody"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stderr).contains("no state is stored for account nobody"));
    let memory = ConfigDir::with(&(fixture.config() + "[state]\nstore = \"memory\"\n"));
    let list = memory.matterhost(&["state", "list"]).output().unwrap();
    assert_eq!(list.status.code(), Some(1));
    assert!(text(&list.stderr).contains("state.store is memory"));
}

#[test]
fn posts_made_between_two_runs_come_with_the_next() {
    for (signal, code) in [("TERM", Some(0)), ("KILL", None)] {
        let fixture = Fixture::new();
        let dir = ConfigDir::with(&fixture.config());
        let running = RunningProgram::ready(&fixture, &dir);
        running.signal(signal);
        assert_eq!(running.wait_for_exit().0.code(), code);
        fixture.post("between");
        let mut running = RunningProgram::ready(&fixture, &dir);
        let event = running.events.wait_for_post("between");
        assert_eq!(event["recovered"], true, "{signal}: {event}");
        drop(running);
        let list = dir.matterhost(&["state", "list", "--json"]).output().unwrap();
        let kept: Value = serde_json::from_slice(&list.stdout).unwrap();
        assert_eq!(kept[0]["account"], "helpdesk");
        assert!(kept[0]["channels"].as_u64().is_some_and(|channels| channels > 0), "{kept}");
        assert_eq!(kept[0]["user"], fixture.bot.user_id.as_str());
        assert!(kept[0]["listed_at"].is_string(), "{kept}");
        let forgotten = dir.matterhost(&["state", "forget", "helpdesk"]).output().unwrap();
        assert_eq!(forgotten.status.code(), Some(0));
        assert!(text(&forgotten.stdout).contains("forgot account helpdesk"));
        let list = dir.matterhost(&["state", "list", "--json"]).output().unwrap();
        assert_eq!(text(&list.stdout), "[]\n");
    }
}
