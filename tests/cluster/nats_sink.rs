//! The sink for NATS in a running program, and consumers of its stream.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use matterhost_simulator::TOKEN_PREFIX;

use crate::{
    cutting_proxy::CuttingProxy,
    nats_server::NatsServer,
    program::{ConfigDir, Fixture, Lines, RunningProgram, text, wait_until_complete},
};

const STREAM: &str = "matterhost_events";

/// The time between two posts: those of one millisecond have no order when they are fetched.
const BETWEEN_POSTS: Duration = Duration::from_millis(2);

/// Returns a configuration that hosts the bot and publishes to a server.
fn config(fixture: &Fixture, address: &str, more: &str) -> String {
    let sink = format!("[sinks.stream]\ntype = \"nats\"\nservers = [\"nats://{address}\"]\n{more}\n");
    fixture.config() + &sink
}

/// Returns the texts of the posts in the stream, in order.
fn stored(server: &NatsServer) -> Vec<String> {
    let messages = server.messages(STREAM).into_iter();
    messages.filter_map(|(_, event)| Some(event["data"]["post"]["message"].as_str()?.to_owned())).collect()
}

/// Waits until all these texts are in the stream, and checks that each is there once and in order.
fn await_stored(server: &NatsServer, texts: &[String]) {
    let missing = || {
        let stored = stored(server);
        texts.iter().filter(|text| !stored.contains(text)).cloned().collect::<Vec<_>>()
    };
    wait_until_complete(missing).unwrap();
    let of_the_test = |text: &String| texts.contains(text);
    assert_eq!(stored(server).into_iter().filter(of_the_test).collect::<Vec<_>>(), texts);
}

#[test]
fn a_host_that_is_killed_and_cut_off_publishes_every_post_once() {
    let (fixture, server) = (Fixture::new(), NatsServer::start(""));
    let proxy = CuttingProxy::start(&server.address);
    let dir = ConfigDir::with(&config(&fixture, &proxy.address, ""));
    let mut running = RunningProgram::ready(&fixture, &dir);
    let mut texts: Vec<String> = Vec::new();
    let post = |texts: &mut Vec<String>, count: usize| {
        for _ in 0..count {
            texts.push(format!("post {}", texts.len()));
            fixture.post(texts.last().unwrap());
            thread::sleep(BETWEEN_POSTS);
        }
    };
    let mut side = fixture.add_channels(4);
    for is_killed in [false, true, false, true] {
        post(&mut texts, 20);
        proxy.cut();
        post(&mut texts, 20);
        await_stored(&server, &texts);
        // It is stored, and the answer is lost. The events before it in its own channel would wait for theirs.
        proxy.hold_answers(true);
        let unanswered = format!("unanswered {}", side.len());
        fixture.simulator.post(&fixture.person.user_id, &side.pop().unwrap(), &unanswered);
        await_stored(&server, std::slice::from_ref(&unanswered));
        if is_killed {
            running.signal("KILL");
        }
        proxy.cut();
        proxy.hold_answers(false);
        post(&mut texts, 10);
        if is_killed {
            running.wait_for_exit();
            running = RunningProgram::start(dir.matterhost(&["run"]));
        }
    }
    await_stored(&server, &texts);
    for n in 1..=4 {
        await_stored(&server, &[format!("unanswered {n}")]);
    }
    running.signal("TERM");
    let (status, log) = running.wait_for_exit();
    assert_eq!(status.code(), Some(0), "{log:#?}");
}

#[test]
fn the_check_names_a_stream_that_does_not_fit_and_makes_none() {
    let (fixture, server) =
        (Fixture::new(), NatsServer::start(&format!("authorization {{ token: {TOKEN_PREFIX}1 }}")));
    let check = |token: &str| {
        let token = format!("token = \"{TOKEN_PREFIX}{token}\"");
        let dir = ConfigDir::with(&config(&fixture, &server.address, &token));
        let output = dir.matterhost(&["check"]).output().unwrap();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let (code, said) = check("1");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("nats://{}", server.address)), "{said}");
    let (code, said) = check("2");
    assert_ne!(code, Some(0));
    assert!(said.contains("cannot connect to NATS at") && said.contains("the credentials"), "{said}");
}

/// Returns the directory with the clients of the consumers, which `tests/run.sh` fills.
pub(crate) fn clients() -> PathBuf {
    let server = env::var("MATTERHOST_NATS_SERVER").expect("MATTERHOST_NATS_SERVER is set: see tests/run.sh");
    let clients = Path::new(&server).parent().and_then(Path::parent).unwrap().to_owned();
    let both = [clients.join("node_modules"), clients.join("lib")];
    assert!(
        both.iter().all(|path| path.exists()),
        "tests/run.sh installs the clients in {}",
        clients.display()
    );
    clients
}

/// Starts a consumer of the documentation, beside its packages.
fn start_consumer(dir: &ConfigDir, program: &Path, handler: &str, server: &NatsServer) -> RunningProgram {
    let script = Path::new("docs/handlers").join(handler);
    let name = script.file_name().and_then(OsStr::to_str).unwrap();
    let script = dir.write(name, &fs::read_to_string(&script).unwrap());
    let mut command = Command::new(program);
    command.arg(script).args([&format!("nats://{}", server.address), "consumer"]);
    RunningProgram::start(command)
}

/// Waits for the line of a post.
fn await_line(lines: &mut Lines, text: &str) {
    lines.wait_for_line(&format!(": {text}"));
}

#[test]
fn consumers_in_python_and_javascript_take_the_events_and_go_on_where_they_were() {
    let (fixture, clients) = (Fixture::new(), clients());
    for (program, handler) in [
        (clients.join("bin/python"), "python/nats_consumer.py"),
        ("node".into(), "javascript/nats_consumer.mjs"),
    ] {
        let server = NatsServer::start("");
        let dir = ConfigDir::with(&config(&fixture, &server.address, ""));
        std::os::unix::fs::symlink(clients.join("node_modules"), dir.path().join("node_modules")).unwrap();
        let _running = RunningProgram::ready(&fixture, &dir);
        fixture.post("one");
        await_stored(&server, &["one".into()]);
        let mut consumer = start_consumer(&dir, &program, handler, &server);
        await_line(&mut consumer.events, "one");
        fixture.post("two");
        await_line(&mut consumer.events, "two");
        consumer.signal("KILL");
        consumer.wait_for_exit();
        // Until the server notices, it would send the next event to the consumer that is gone, and again after half a minute.
        server.await_clients(1);
        fixture.post("three");
        let mut again = start_consumer(&dir, &program, handler, &server);
        await_line(&mut again.events, "three");
    }
}
