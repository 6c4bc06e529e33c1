//! Errors in the configuration: all are reported, with exit code 78, and no token is shown.

use serde_json::Value;

use crate::program::{ConfigDir, output, text};

const SECRET: &str = "mustnotshow7dqm4q6zj3h5s9e";

const GOOD: &str =
    "[servers.main]\nurl = 'http://127.0.0.1:1'\n[accounts.a]\ntoken = 'mustnotshow7dqm4q6zj3h5s9e'\n";

#[test]
fn all_that_is_wrong_is_said_and_the_code_is_78() {
    let cases: [(&str, &[&str]); 6] = [
        ("", &["servers: there is no server", "accounts: there is no account"]),
        ("[server.x]\nurl = 'a'\n", &["server: there is no such section; did you mean servers?"]),
        (
            "[accounts.b]\ntoken = 'mustnotshow7dqm4q6zj3h5s9e'\n",
            &["accounts.b: it has the same token as account a"],
        ),
        (
            "[restart]\nmax_restarts = 50\nwitihn = '1m'\n[delivery]\nqueue = 0\n",
            &[
                "restart.within: this budget could never trip",
                "restart.witihn: there is no such key; did you mean within?",
                "delivery.queue: 0 is out of bounds",
            ],
        ),
        (
            "[accounts.b]\ntoken_file = 'mustnotshow7dqm4q6zj3h5s9e'\n",
            &["accounts.b.token_file: there is no such file"],
        ),
        ("token = 'mustnotshow7dqm4q6zj3h5s9e", &["line 5"]),
    ];
    for (more, expected) in cases {
        let config = if more.is_empty() { String::new() } else { format!("{GOOD}{more}") };
        let dir = ConfigDir::with(&config);
        for args in [&["run"][..], &["check"], &["check", "--json"]] {
            let output = dir.matterhost(args).output().unwrap();
            let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
            assert_eq!(output.status.code(), Some(78), "{config}\n{stdout}{stderr}");
            assert!(!stdout.contains(SECRET) && !stderr.contains(SECRET), "{stdout}{stderr}");
            if args.len() < 2 {
                assert!(
                    stdout.is_empty() && stderr.starts_with("matterhost: matterhost.toml has "),
                    "{stderr}"
                );
                assert!(expected.iter().all(|line| stderr.contains(line)), "{stderr}");
            } else {
                let report: Value = serde_json::from_str(&stdout).unwrap();
                assert_eq!(report["ok"], false);
                assert!(report["problems"].as_array().unwrap().len() >= expected.len());
            }
        }
    }
}

#[test]
fn without_a_configuration_the_way_to_one_is_told() {
    let empty = tempfile::tempdir().unwrap();
    let output = crate::program::matterhost(&["run"]).current_dir(empty.path()).output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(78));
    assert!(
        stderr.contains("contains no matterhost.toml") && stderr.contains("matterhost config example"),
        "{stderr}"
    );
}

#[test]
fn the_flag_goes_before_the_variable_and_both_before_the_file_that_lies_here() {
    let dir = ConfigDir::with("");
    let stderr_of = |args: &[&str], variable: Option<&str>| {
        let mut program = dir.matterhost(args);
        program.envs(variable.map(|name| ("MATTERHOST_CONFIG", name)));
        text(&program.output().unwrap().stderr)
    };
    assert!(stderr_of(&["run"], None).starts_with("matterhost: matterhost.toml has"));
    assert!(stderr_of(&["run"], Some("b.toml")).starts_with("matterhost: b.toml has"));
    assert!(stderr_of(&["run", "-c", "c.toml"], None).starts_with("matterhost: c.toml has"));
    assert!(stderr_of(&["run", "-c", "c.toml"], Some("b.toml")).starts_with("matterhost: c.toml has"));
}

#[test]
fn the_example_needs_nothing_but_its_token() {
    let example = text(&output(&["config", "example"]).stdout);
    let dir = ConfigDir::with(&example);
    let without = dir.matterhost(&["check"]).output().unwrap();
    assert_eq!(without.status.code(), Some(78));
    assert!(text(&without.stderr).contains("the variable HELPDESK_TOKEN is not set"));
    // No server answers there, but the configuration is accepted.
    let local = example.replace("https://chat.example.com", "http://127.0.0.1:1");
    let with = ConfigDir::with(&local).matterhost(&["check"]).env("HELPDESK_TOKEN", SECRET).output().unwrap();
    assert_eq!(with.status.code(), Some(1), "{}", text(&with.stderr));
}

#[test]
fn too_few_open_files_are_told_with_the_number_needed() {
    let dir = ConfigDir::with(GOOD);
    let shell = format!("ulimit -n 20; exec {} check", env!("CARGO_BIN_EXE_matterhost"));
    let mut command = std::process::Command::new("/bin/sh");
    dir.matterhost(&[]).get_current_dir().map(|path| command.current_dir(path));
    let output = command.args(["-c", &shell]).env_clear().output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{stderr}");
    assert!(stderr.contains("1 accounts need") && stderr.contains("this process may open 20"), "{stderr}");
}
