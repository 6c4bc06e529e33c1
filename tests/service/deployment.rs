//! The files of `docs/deploy`, as far as they can be run without a service manager, containers and a real server.

use std::{collections::HashMap, fs, path::Path, process::Command};

use matterhost::config::{AdminConfig, Config, Sources};
use matterhost_simulator::Simulator;

use crate::program::{ConfigDir, RunningProgram, text};

fn page(name: &str) -> String {
    fs::read_to_string(format!("docs/deploy/{name}")).unwrap()
}

/// Runs the script that creates bots, and returns its output.
fn make_bots(simulator: &Simulator, dir: &Path, bots: &[&str]) -> String {
    let admin = dir.join("admin.token");
    fs::write(&admin, simulator.admin().token).unwrap();
    let mut command = Command::new("python3");
    command.args(["docs/deploy/compose/make_bots.py", "--url", simulator.url(), "--admin-token"]);
    let output = command.arg(admin).arg("--secrets").arg(dir.join("secrets")).args(bots).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn the_script_makes_bots_whose_tokens_work() {
    let simulator = Simulator::start().unwrap();
    let dir = ConfigDir::with("");
    make_bots(&simulator, dir.path(), &["helpdesk"]);
    let token = dir.path().join("secrets/helpdesk");
    let first = fs::read_to_string(&token).unwrap();
    let url = simulator.url();
    dir.write(
        "matterhost.toml",
        &format!(
            "[servers.main]\nurl = \"{url}\"\n[accounts.helpdesk]\ntoken_file = \"secrets/helpdesk\"\n[log]\nformat = \"json\"\n"
        ),
    );
    let mut running = RunningProgram::start(dir.matterhost(&["run"]));
    running.log.wait_for_fact("ready");
    let output = make_bots(&simulator, dir.path(), &["helpdesk", "deploys"]);
    assert!(output.contains("exists and is kept") && !output.contains(first.trim()), "{output}");
    assert_eq!(fs::read_to_string(&token).unwrap(), first);
    assert!(dir.path().join("secrets/deploys").exists());
}

/// Returns the configuration in the `ConfigMap`.
fn config_of_config_map() -> String {
    let manifest = page("kubernetes/matterhost.yaml");
    let block = manifest.split("matterhost.toml: |\n").nth(1).unwrap();
    block
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with("    "))
        .fold(String::new(), |text, line| text + line.trim_start() + "\n")
}

#[test]
fn the_configurations_are_taken_and_name_the_tokens_where_they_are_put() {
    for (config, token, put_there) in [
        (
            page("systemd/matterhost.toml"),
            "/run/credentials/matterhost.service/helpdesk.token",
            (page("systemd/matterhost.service"), "LoadCredential=helpdesk.token:"),
        ),
        (
            page("compose/matterhost.toml"),
            "/run/secrets/helpdesk",
            (page("compose/compose.yaml"), "    secrets:\n      - helpdesk\n"),
        ),
        (
            config_of_config_map(),
            "/run/secrets/matterhost/helpdesk",
            (page("kubernetes/matterhost.yaml"), "mountPath: /run/secrets/matterhost\n"),
        ),
    ] {
        assert!(put_there.0.contains(put_there.1), "{}", put_there.1);
        let here = ConfigDir::with(&config.replace(token, "here.token"));
        here.write("here.token", &format!("{}ofdeployingit12", matterhost_simulator::TOKEN_PREFIX));
        let file = here.path().join("matterhost.toml");
        let environment = HashMap::from([("STATE_DIRECTORY".to_owned(), "/var/lib/matterhost".to_owned())]);
        let sources = Sources { files: vec![file], environment, ..Sources::default() };
        let read = Config::load(&sources, None).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(read.accounts.len(), 1);
        // The directory of the configuration is read-only there.
        assert_eq!(read.dead_letter.dir, Path::new("/var/lib/matterhost/dead-letter"), "{config}");
    }
}

#[test]
fn root_finds_the_generated_token_of_the_service() {
    let dir = ConfigDir::with(&page("systemd/matterhost.toml"));
    let file = dir.path().join("matterhost.toml");
    // The variables of the service are not those of root.
    let environment = HashMap::from([("HOME".to_owned(), "/root".to_owned())]);
    let read = AdminConfig::load(&Sources { files: vec![file], environment, ..Sources::default() }).unwrap();
    assert_eq!(read.generated_token_file, Some("/var/lib/matterhost/admin.token".into()));
}

#[test]
fn every_deployment_limits_memory_and_tasks() {
    for (file, limits) in [
        ("systemd/matterhost.service", &["MemoryMax=", "TasksMax=", "LimitNOFILE="][..]),
        ("compose/compose.yaml", &["    mem_limit: ", "    pids_limit: "]),
        ("kubernetes/matterhost.yaml", &["              memory: "]),
    ] {
        let page = page(file);
        for limit in limits {
            assert!(page.contains(&format!("\n{limit}")), "{file} lacks {}", limit.trim());
        }
    }
}
