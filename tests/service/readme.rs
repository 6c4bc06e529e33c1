//! The commands of the README for a server of one's own, run by a shell as they are printed there.

use std::{env, fs, os::unix::process::CommandExt as _, path::Path, process::Command};

use crate::{
    admin::host::free_address,
    program::{ConfigDir, Fixture, RunningProgram},
    tutorial::{ADDRESS, Reader, copied},
};

/// The page.
const README: &str = "README.md";

/// The beginning of the script. The program is installed already, and jq holds lines back if it does not write to a terminal.
const PRELUDE: &str = r#"set -eo pipefail
cargo() { [[ "$*" == "install --locked --path ." ]]; }
jq() { command jq --unbuffered "$@"; }
"#;

/// A shell with the programs that it starts, which are ended with it.
struct Shell(RunningProgram);

impl Shell {
    /// Runs a script in a directory.
    fn run(script: &str, dir: &ConfigDir) -> Self {
        let programs = Path::new(env!("CARGO_BIN_EXE_matterhost")).parent().unwrap().display();
        let path = env::var("PATH").unwrap();
        let mut bash = Command::new("bash");
        bash.args(["-c", script]).current_dir(dir.path()).env_clear().process_group(0);
        bash.env("PATH", format!("{programs}:{path}")).env("XDG_STATE_HOME", dir.path().join("state"));
        // The log is read here, and the default address may be in use.
        bash.env("MATTERHOST__LOG__FORMAT", "json")
            .env("MATTERHOST__ADMIN__BIND", free_address().to_string());
        Self(RunningProgram::start(bash))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        // The group has ended already if a command failed.
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
    }
}

#[test]
fn the_commands_for_a_server_show_the_text_of_a_post() {
    let blocks = copied(README, "sh");
    let block = blocks.iter().find(|block| block.contains("config example")).unwrap();
    let [install, example, token, check, run] = block.lines().collect::<Vec<_>>()[..] else {
        panic!("five commands: {block}")
    };
    let fixture = Fixture::new();
    // The reader enters the server.
    let edit = format!("sed --in-place 's|{ADDRESS}|{}|' matterhost.toml", fixture.simulator.url());
    let dir = ConfigDir::with("");
    let token = token.replace('…', &fixture.bot.token);
    let script = [PRELUDE, install, example, &edit, &token, check, run].join("\n");
    fs::remove_file(dir.path().join("matterhost.toml")).unwrap();
    let mut shell = Shell::run(&script, &dir);
    shell.0.log.wait_for_fact("ready");
    fixture.post("hello from the README");
    shell.0.events.wait_for_line("1 of 1 accounts work");
    shell.0.events.wait_for_line("\"hello from the README\"");
}

#[test]
fn the_command_for_many_bots_makes_them() {
    let text = fs::read_to_string(README).unwrap();
    let setting = "token_dir = \"tokens\"";
    assert!(text.contains(&format!("With `{setting}` at the top")));
    let reader = Reader::with(&format!("{setting}\n[servers.main]\nurl = \"{ADDRESS}\"\n"));
    reader.run("mkdir tokens");
    let blocks = copied(README, "sh");
    let create = blocks.iter().find(|block| block.contains("bots create")).unwrap();
    create.lines().for_each(|line| reader.run(line));
    reader.run("matterhost check");
    assert_eq!(fs::read_dir(reader.dir.path().join("tokens")).unwrap().count(), 3);
}

#[test]
fn every_shell_block_is_run_by_a_test() {
    let tested = ["config example", "bots create"];
    // These are the first two blocks, which `tests/run.sh` runs as printed.
    let first_two = ["cargo run -- demo\n", "tests/run.sh\n"];
    let blocks = copied(README, "sh");
    assert_eq!(blocks[..2], first_two);
    let rest: Vec<_> =
        blocks[2..].iter().filter(|block| !tested.iter().any(|part| block.contains(part))).collect();
    assert!(rest.is_empty(), "no test runs {rest:?}");
}
