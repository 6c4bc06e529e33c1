//! The API of a host whose configuration has no token: closed, with a token that the host generates.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        process::CommandExt as _,
    },
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use serde_json::{Value, json};

use super::host::{
    ANY_PORT, AdminHost, Api, READ_TOKEN, REQUEST_INTERVAL, free_address, generated_token, wait_for_api,
};
use crate::program::{ConfigDir, DEADLINE, Fixture, RunningProgram, text};

/// The mark of a link that signs in to the page.
const MARK: &str = "/#sign-in=";

/// Waits for the link in the log; returns its code.
fn wait_for_code(running: &mut RunningProgram) -> String {
    let line = running.log.wait_for_json("the link", |line| line["link"].is_string());
    line["link"].as_str().unwrap().split_once(MARK).unwrap().1.to_owned()
}

fn sign_in(api: &Api, code: &str) -> super::http_client::Response {
    api.request("POST", "/v1/sign-in", &[("authorization", &format!("Bearer {code}"))], b"")
}

/// Tries a code that must be refused, also while there are too many wrong ones; returns the detail.
fn refusal(api: &Api, code: &str) -> String {
    let end = Instant::now() + DEADLINE;
    loop {
        let answer = sign_in(api, code);
        if answer.status != 429 {
            return answer.problem(401);
        }
        assert!(Instant::now() < end, "{answer:?}");
        thread::sleep(REQUEST_INTERVAL);
    }
}

#[test]
fn a_generated_token_is_required_private_and_kept() {
    let host = AdminHost::ready("");
    let token = generated_token(&host.dir);
    let anonymous = Api { token: None, ..host.api };
    for path in ["/v1/accounts", "/metrics", "/readyz?verbose", "/v1/reload"] {
        assert_eq!(anonymous.get(path).status, 401, "{path}");
        assert_eq!(host.get(path).status, 200, "{path}");
    }
    anonymous.post("/v1/accounts/helpdesk/stop").problem(401);
    for path in ["/livez", "/readyz", "/"] {
        assert_eq!(anonymous.get(path).status, 200, "{path}");
    }
    let file = host.dir.path().join("state/matterhost/admin.token");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let host = host.restart();
    assert_eq!(generated_token(&host.dir), token, "kept for the next start");
    assert_eq!(host.get("/v1/accounts").status, 200);
    host.running.signal("TERM");
    let (_, log) = host.running.wait_for_exit();
    assert!(!log.concat().contains(token), "the log contains the token");
}

#[test]
fn a_token_that_others_may_know_is_replaced() {
    let mut host = AdminHost::ready("");
    let token = generated_token(&host.dir);
    let file = host.dir.path().join("state/matterhost/admin.token");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    host = host.restart();
    assert_eq!(host.get("/v1/accounts").status, 401);
    let next = generated_token(&host.dir);
    assert_ne!(next, token);
    assert_eq!(Api { token: Some(next), ..host.api }.get("/v1/accounts").status, 200);
    host.running.signal("TERM");
    let (_, log) = host.running.wait_for_exit();
    let warned = log
        .iter()
        .any(|line| line.contains("WARN") && line.contains("a new token of the admin API replaces"));
    assert!(warned, "{log:#?}");
}

#[test]
fn the_generated_token_grants_all_beside_a_read_token() {
    let host = AdminHost::ready(&format!("read_token = \"{READ_TOKEN}\"\n"));
    assert_eq!(host.get("/v1/instance").json()["read_only"], false);
    let reader = Api { token: Some(READ_TOKEN), ..host.api };
    assert_eq!(reader.get("/v1/instance").json()["read_only"], true);
    reader.post("/v1/sign-in-links").problem(403);
}

#[test]
fn a_link_in_the_log_signs_in_once() {
    let dir = ConfigDir::with(&format!("{}{ANY_PORT}", Fixture::new().config()));
    let mut running = RunningProgram::start(dir.matterhost(&["run"]));
    let address = wait_for_api(&mut running);
    let code = wait_for_code(&mut running);
    let anonymous = Api { address, token: None };
    let token = generated_token(&dir);
    assert_ne!(code, token, "the link is not the token");
    anonymous
        .request("GET", "/v1/accounts", &[("authorization", &format!("Bearer {code}"))], b"")
        .problem(401);
    for wrong in ["", "guess", token, &code[1..]] {
        refusal(&anonymous, wrong);
    }
    let foreign = [("authorization", &*format!("Bearer {code}")), ("origin", "http://evil.example")];
    anonymous.request("POST", "/v1/sign-in", &foreign, b"").problem(403);
    let answer = sign_in(&anonymous, &code);
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    assert_eq!(answer.json(), json!({ "token": token }));
    let detail = refusal(&anonymous, &code);
    assert!(detail.contains("used before") && detail.contains("matterhost sign-in"), "{detail}");
    running.log.wait_for_line("a sign-in link of the page was used");
    let mut refused = 0;
    for guess in 0..100 {
        refused += u32::from(sign_in(&anonymous, &format!("guess-{guess}")).status == 429);
    }
    assert!(refused > 20, "{refused} guesses were refused");
}

#[test]
fn links_are_made_for_those_who_may_change_something() {
    let host = AdminHost::ready("");
    let anonymous = Api { token: None, ..host.api };
    anonymous.post("/v1/sign-in-links").problem(401);
    let answer = host.post("/v1/sign-in-links");
    assert_eq!(answer.status, 201, "{}", answer.text());
    let link = answer.json();
    assert!(link["expires_in_ms"].as_u64().unwrap() <= 600_000, "{link}");
    assert_eq!(sign_in(&anonymous, link["code"].as_str().unwrap()).status, 200);
}

/// Starts a host in this directory with the given variables; returns it with its API.
fn start(dir: &ConfigDir, variables: &[(&str, &str)]) -> (RunningProgram, Api) {
    let mut command = dir.matterhost(&["run"]);
    command.envs(variables.iter().copied());
    let mut running = RunningProgram::start(command);
    let address = wait_for_api(&mut running);
    (running, Api { address, token: None })
}

#[test]
fn without_state_on_disk_the_token_is_in_the_runtime_directory_or_in_memory() {
    let fixture = Fixture::new();
    let config = format!("{}{ANY_PORT}[state]\nstore = \"memory\"\n", fixture.config());
    let dir = ConfigDir::with(&config);
    let (mut running, api) = start(&dir, &[]);
    let code = wait_for_code(&mut running);
    let token = sign_in(&api, &code).json()["token"].as_str().unwrap().to_owned();
    assert_eq!(Api { token: Some(token.leak()), ..api }.get("/v1/accounts").status, 200);
    assert!(!dir.path().join("state").exists());
    running.signal("TERM");
    let (_, log) = running.wait_for_exit();
    assert!(log.iter().any(|line| line.contains("the token of the admin API is kept in memory")), "{log:#?}");
    let runtime = dir.path().join("runtime");
    let (_running, api) = start(&dir, &[("XDG_RUNTIME_DIR", runtime.to_str().unwrap())]);
    let token = fs::read_to_string(runtime.join("matterhost/admin.token")).unwrap().trim().to_owned();
    assert_eq!(Api { token: Some(token.leak()), ..api }.get("/v1/accounts").status, 200);
}

#[test]
fn a_token_whose_file_cannot_be_written_is_in_memory() {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&format!("{}{ANY_PORT}", fixture.config()));
    fs::create_dir_all(dir.path().join("state/matterhost/admin.token/in-the-way")).unwrap();
    let (mut running, api) = start(&dir, &[]);
    let code = wait_for_code(&mut running);
    assert_eq!(sign_in(&api, &code).status, 200);
    running.signal("TERM");
    let (_, log) = running.wait_for_exit();
    assert!(log.iter().any(|line| line.contains("its file cannot be written")), "{log:#?}");
}

#[test]
fn open_access_is_possible_on_this_machine_and_warned_of() {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&format!("{}{ANY_PORT}allow_anonymous = true\n", fixture.config()));
    let mut running = RunningProgram::start(dir.matterhost(&["run"]));
    running.log.wait_for_json("the warning", |line| {
        line["level"] == "WARN" && line["key"] == "admin.allow_anonymous"
    });
    let api = Api { address: wait_for_api(&mut running), token: None };
    let instance = api.get("/v1/instance").json();
    assert_eq!((&instance["read_only"], &instance["authenticated"]), (&false.into(), &false.into()));
    assert!(!dir.path().join("state/matterhost/admin.token").exists(), "no token is made");
    refusal(&api, "");
    assert!(api.post("/v1/sign-in-links").problem(409).contains("no sign-in"));
    let output = dir.matterhost(&["check"]).output().unwrap();
    assert!((text(&output.stdout) + &text(&output.stderr)).contains("admin.allow_anonymous"));
    let json: Value =
        serde_json::from_slice(&dir.matterhost(&["check", "--json"]).output().unwrap().stdout).unwrap();
    assert!(json["warnings"][0].as_str().unwrap().contains("admin.allow_anonymous"), "{json}");
}

#[test]
fn the_commands_of_the_same_user_find_the_token() {
    let fixture = Fixture::new();
    let dir = ConfigDir::with("");
    for address in [format!("bind = \"{}\"\n", free_address()), "unix = \"admin.sock\"\n".into()] {
        dir.write("matterhost.toml", &format!("{}[admin]\n{address}", fixture.config()));
        let _running = RunningProgram::ready(&fixture, &dir);
        for args in [
            &["status"][..],
            &["status", "helpdesk"],
            &["restart", "helpdesk"],
            &["logs", "level"],
            &["check", "--diff"],
            &["reload"],
            &["health", "--ready"],
        ] {
            let output = dir.matterhost(args).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{args:?} {}", text(&output.stderr));
        }
        let mut tail = RunningProgram::start(dir.matterhost(&["tail"]));
        tail.log.wait_for_line("following");
        // As for another user, who cannot read it.
        let mut elsewhere = dir.matterhost(&["status"]);
        let output = elsewhere.env("XDG_STATE_HOME", "/nowhere").output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            error.contains("as the user of the host") && error.contains("/nowhere/matterhost/admin.token"),
            "{error}"
        );
        assert!(error.contains("--token-file FILE"), "{error}");
    }
}

/// Only root can start a listener as another user; others check the pieces.
#[test]
fn the_generated_token_is_not_sent_to_a_listener_of_another_user() {
    let fixture = Fixture::new();
    let address = free_address();
    let dir = ConfigDir::with(&format!("{}[admin]\nbind = \"{address}\"\n", fixture.config()));
    if fs::metadata(dir.path()).unwrap().uid() != 0 {
        return;
    }
    drop(RunningProgram::ready(&fixture, &dir));
    let script = "import socket, sys\n\
        listener = socket.create_server((sys.argv[1], int(sys.argv[2])))\n\
        print('listening', flush=True)\n\
        print(listener.accept()[0].recv(9999), flush=True)\n";
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut other = Command::new("python3");
    other.args(["-c", script, &host, &port]).uid(65_534).current_dir("/").stdout(Stdio::piped());
    let mut other = other.spawn().unwrap();
    let mut said = BufReader::new(other.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "listening\n");
    let output = dir.matterhost(&["status"]).output().unwrap();
    other.kill().unwrap();
    other.wait().unwrap();
    let error = text(&output.stderr);
    assert!(error.contains("belongs to the user with id 65534; the token is not sent"), "{error}");
    line.clear();
    assert_eq!(said.read_line(&mut line).unwrap(), 0, "{line}");
}

#[test]
fn the_command_sign_in_prints_a_link_that_works_once() {
    let fixture = Fixture::new();
    let address = free_address();
    let config = format!("{}[admin]\nbind = \"{address}\"\n", fixture.config());
    let dir = ConfigDir::with(&config);
    let running = RunningProgram::ready(&fixture, &dir);
    let output = dir.matterhost(&["sign-in"]).output().unwrap();
    let link = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let code = link.trim_end().strip_prefix(&format!("http://{address}{MARK}")).unwrap();
    let api = Api { address, token: None };
    assert_eq!(sign_in(&api, code).json()["token"], generated_token(&dir));
    sign_in(&api, code).problem(401);
    drop(running);
    dir.write("matterhost.toml", &config.replace(&format!("bind = \"{address}\""), "unix = \"admin.sock\""));
    let mut running = RunningProgram::ready(&fixture, &dir);
    let output = dir.matterhost(&["sign-in"]).output().unwrap();
    assert!(text(&output.stderr).contains("a browser cannot open a Unix socket"));
    running.signal("TERM");
    running.log.read_to_end();
    let (_, log) = running.wait_for_exit();
    assert!(!log.concat().contains(MARK), "a link that no browser can open");
}
