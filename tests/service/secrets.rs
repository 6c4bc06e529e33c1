//! Tokens and secrets never appear in a log, answer, page, metric, error, panic or debug format.

use std::{
    collections::HashMap,
    fmt::Debug,
    fs,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    panic,
    process::Command,
    sync::Arc,
};

use matterhost::config::{Config, SinkKind, Sources};
use matterhost_actors::{
    hosting::{AccountSpec, AddAccount, AddServer, ServerSpec},
    model::Event,
    ports::{Delivered, EventSink, HttpApi, Outcome},
};
use matterhost_simulator::TOKEN_PREFIX;

use crate::program::{ConfigDir, DEADLINE, Fixture, Lines, RunningProgram, refuse_secrets};

/// A secret for each setting that holds one.
const HOOK: &str = "whsec_mustnotshowCCCCCCCCCCCCCCCCCCCCC";

/// Returns a configuration with all settings that hold secrets, given in every possible way.
fn config_with_secrets() -> (ConfigDir, Sources) {
    let dir = ConfigDir::with(&format!(
        "[servers.main]\nurl = 'http://127.0.0.1:1'\n\
         [accounts.a]\ntoken = '{TOKEN_PREFIX}7dqm4q6zj3h5s9a'\nsinks = ['hook']\n\
         [accounts.b]\ntoken_file = 'b.token'\nsinks = ['hook']\n\
         [accounts.c]\ntoken_env = 'C_TOKEN'\nsinks = ['hook']\n\
         [accounts.d]\nsinks = ['hook']\n\
         [sinks.hook]\ntype = 'webhook'\nurl = 'http://127.0.0.1:1/'\nsecret = '{HOOK}'\n\
         [admin]\ntoken = '{TOKEN_PREFIX}fulladmintoken'\nread_token_env = 'READ_TOKEN'\n"
    ));
    dir.write("b.token", &format!("{TOKEN_PREFIX}7dqm4q6zj3h5s9b\n"));
    let environment = HashMap::from([
        ("C_TOKEN".to_owned(), format!("{TOKEN_PREFIX}7dqm4q6zj3h5s9c")),
        ("READ_TOKEN".to_owned(), format!("{TOKEN_PREFIX}readadmintoken")),
        ("STATE_DIRECTORY".to_owned(), dir.path().display().to_string()),
    ]);
    let file = dir.path().join("matterhost.toml");
    let flags = vec![("accounts.d.token", format!("{TOKEN_PREFIX}7dqm4q6zj3h5s9d"), "--some-flag")];
    (dir, Sources { files: vec![file], environment, flags, ..Sources::default() })
}

/// The user that a test of root runs the program as.
const NOBODY: u32 = 65_534;

#[test]
fn other_processes_of_its_user_cannot_read_the_environment() {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&fixture.config());
    let mut command = Command::from(dir.matterhost(&["run"]));
    if rustix::process::geteuid().is_root() {
        for path in [dir.path().to_owned(), dir.path().join("matterhost.toml")] {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut running = RunningProgram::start(command);
    running.log.wait_for_fact("ready");
    let environment = fs::metadata(format!("/proc/{}/environ", running.id())).unwrap();
    assert_eq!(environment.uid(), 0, "it belongs to the user if other processes may read it");
}

/// Panics if a debug format of the value shows a secret.
fn refuse_shown(value: &impl Debug) {
    refuse_secrets(&format!("{value:?}\n{value:#?}"));
}

/// Panics if a panic message with the value shows a secret.
fn refuse_in_panic(value: &impl Debug) {
    let unexpected = panic::catch_unwind(panic::AssertUnwindSafe(|| panic!("not expected: {value:?}")));
    refuse_secrets(unexpected.unwrap_err().downcast_ref::<String>().unwrap());
}

struct Nowhere;

impl EventSink for Nowhere {
    fn deliver(&self, _: &Arc<Event>) -> Delivered {
        Delivered::Now(Outcome::Acknowledged)
    }
}

#[test]
fn no_debug_format_and_no_panic_shows_a_secret() {
    let (_dir, sources) = config_with_secrets();
    refuse_shown(&sources);
    let config = Config::load(&sources, None).unwrap();
    refuse_shown(&config);
    refuse_in_panic(&config);
    refuse_shown(&config.admin);
    for account in config.accounts {
        assert!(account.token.expose().starts_with(TOKEN_PREFIX));
        refuse_shown(&account);
        refuse_shown(&account.token);
        let sink = Arc::new(Nowhere);
        let spec = AccountSpec {
            name: account.name,
            server: account.server,
            token: account.token,
            sink,
            settings: None,
        };
        refuse_shown(&spec);
        refuse_shown(&AddAccount(spec));
    }
    for server in config.servers {
        refuse_shown(&server);
        let api = Arc::new(HttpApi::new(server.client));
        let spec = ServerSpec { name: server.name, api, limits: server.limits };
        refuse_shown(&spec);
        refuse_shown(&AddServer(spec));
    }
    let SinkKind::Webhook(hook) = &config.sinks[0].kind else { panic!("the sink is not a webhook") };
    refuse_shown(&hook.secrets);
    for secret in hook.secrets.iter() {
        refuse_shown(secret);
        // Keys are bytes, which would be printed as numbers.
        let numbers = format!("{:?}", &secret.expose()[..4]);
        let numbers = numbers.trim_matches(['[', ']']);
        assert!(!format!("{hook:?}").contains(numbers) && !format!("{hook:#x?}").contains(numbers));
    }
}

#[test]
fn no_mistake_in_the_configuration_shows_a_secret() {
    let mark = TOKEN_PREFIX;
    let account = format!("[accounts.a]\ntoken = '{mark}7dqm4q6zj3h5s9a'\n");
    let server = "[servers.main]\nurl = 'http://127.0.0.1:1'\n";
    for config in [
        format!("{server}{account}[accounts.b]\ntoken = '{mark}7dqm4q6zj3h5s9a'\n"),
        format!("{server}[accounts.a]\ntoken_file = '{mark}7dqm4q6zj3h5s9a'\n"),
        format!("{server}[accounts.a]\ntoken_env = '{mark}7dqm4q6zj3h5s9a'\n"),
        format!("{server}[accounts.a]\ntoken = ['{mark}7dqm4q6zj3h5s9a']\n"),
        format!("{server}[accounts.a]\ntoken = '{mark} 7dqm4q6zj3h5s9a'\n"),
        format!("{server}[accounts.a]\ntoken = '{mark}7dqm4q6zj3h5s9a"),
        format!("{server}{account}[admin]\ntoken = '{mark}'\n"),
        format!("{server}{account}[admin]\ntoken = '{mark} 7dqm4q6zj3h5s9a'\n"),
        format!("{server}{account}[sinks.h]\ntype = 'webhook'\nurl = 'http://h/'\nsecret = 'whsec_{mark}'\n"),
        format!("[servers.main]\nurl = 'http://bot:{mark}@127.0.0.1:1'\n{account}"),
        format!(
            "{server}{account}[sinks.h]\ntype = 'webhook'\nurl = 'http://h:{mark}@h/'\nsecret = '{HOOK}'\n"
        ),
    ] {
        let dir = ConfigDir::with(&config);
        let file = dir.path().join("matterhost.toml");
        let sources = Sources { files: vec![file], ..Sources::default() };
        let error = Config::load(&sources, None).unwrap_err();
        refuse_shown(&error);
        refuse_secrets(&error.to_string());
        for args in [&["check"][..], &["check", "--json"], &["run"]] {
            assert_eq!(dir.matterhost(args).output().unwrap().status.code(), Some(78), "{config}");
        }
    }
}

/// Returns the whole answer of the admin API to a request.
fn admin_answer(address: &str, method: &str, path: &str, token: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n");
    stream.write_all(format!("{head}Content-Length: 0\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn no_answer_of_the_admin_api_shows_a_secret() {
    let fixture = Fixture::new();
    let (full, read) = (format!("{TOKEN_PREFIX}fulladmintoken"), format!("{TOKEN_PREFIX}readadmintoken"));
    let admin = format!("[admin]\nbind = \"127.0.0.1:0\"\ntoken = \"{full}\"\nread_token = \"{read}\"\n");
    let dir = ConfigDir::with(&(fixture.config() + &admin));
    let mut running = RunningProgram::start(dir.matterhost(&["run"]));
    let listening =
        running.log.wait_for_json("the admin API", |line| line["message"] == "the admin API is listening");
    let address =
        listening["url"].as_str().unwrap().strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
    running.log.wait_for_fact("ready");
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/livez"),
        ("GET", "/readyz?verbose"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
        ("GET", "/v1/instance"),
        ("GET", "/v1/accounts"),
        ("GET", "/v1/accounts/helpdesk"),
        ("GET", "/v1/servers"),
        ("GET", "/v1/log-level"),
        ("GET", "/v1/reload"),
        ("POST", "/v1/accounts/helpdesk/restart"),
        ("POST", "/v1/accounts/helpdesk/actions"),
        ("GET", "/v1/accounts/nobody"),
    ] {
        for token in [&full, &read, &format!("{TOKEN_PREFIX}ofnobodyatall")] {
            let answer = admin_answer(&address, method, path, token);
            assert!(answer.starts_with("HTTP/1.1 "), "{method} {path}: {answer}");
            refuse_secrets(&answer);
        }
    }
    // By now the host has seen each token, and has logged the requests.
    running.signal("TERM");
    assert_eq!(running.wait_for_exit().0.code(), Some(0));
}

#[test]
#[should_panic(expected = "the output contains a token or a secret")]
fn a_program_that_shows_a_token_fails_its_test() {
    // The line is checked although the test does not wait for it.
    let line = format!("authorization: Bearer {TOKEN_PREFIX}7dqm4q6zj3h5s9a\n");
    drop(Lines::read(io::Cursor::new(line)));
}
