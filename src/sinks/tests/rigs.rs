//! Rigs for the contract: each sink with its far side.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, PipeReader},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    thread,
    time::Duration,
};

use matterhost_actors::{
    bots::{Bot, BotResult, Context, Post},
    mattermost::{ClientConfig, ClientLimits},
    model::{AccountName, ReplyError},
    ports::EventSink,
};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    fake_child::FakeChild,
    fixtures::{DEADLINE, handler_deps},
    http::{FakeResponse, Server, ok},
};
use crate::{
    config::{AttemptLimits, BotConfig, BotFactory, FileConfig, PauseScope, Secrets, WebhookConfig},
    sinks::{
        hosted_bots::HostedBots,
        lines::{file, rotate, stdout::LineSink},
        start_gate::StartGate,
        webhook::Webhook,
        worker::Worker,
    },
};

/// A sink, with functions that observe and stop its far side.
pub(super) struct Rig {
    pub(super) name: &'static str,
    pub(super) sink: Arc<dyn EventSink>,
    /// Returns the ids that the far side has received, in order.
    pub(super) received: Box<dyn Fn() -> Vec<String>>,
    /// Stops or resumes the far side; `None` if it cannot be stopped.
    pub(super) hold: Option<Box<dyn Fn(bool)>>,
    /// The text of a post that is refused once.
    pub(super) retry_text: Option<&'static str>,
    /// The text of a post that is refused permanently.
    pub(super) reject_text: Option<&'static str>,
    pub(super) worker: Option<Worker>,
}

/// Returns a rig for each type of sink.
pub(super) fn all() -> Vec<Rig> {
    vec![
        output(),
        files(),
        webhook(1),
        webhook(5),
        exec(),
        bots(),
        #[cfg(feature = "cluster")]
        nats(),
    ]
}

fn id(line: &str) -> String {
    serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned()
}

/// Standard output as a pipe whose reader stops while the gate is shut.
fn output() -> Rig {
    let (reader, writer) = io::pipe().unwrap();
    let received = Arc::<Mutex<Vec<String>>>::default();
    let gate = Arc::new((Mutex::new(true), Condvar::new()));
    let sink = LineSink::start(writer).unwrap();
    let (seen, shut) = (Arc::clone(&received), Arc::clone(&gate));
    thread::spawn(move || read(reader, &seen, &shut));
    Rig {
        name: "stdout",
        sink: Arc::new(sink),
        received: Box::new(move || received.lock().unwrap().clone()),
        hold: Some(Box::new(move |hold| {
            *gate.0.lock().unwrap() = !hold;
            gate.1.notify_all();
        })),
        retry_text: None,
        reject_text: None,
        worker: None,
    }
}

fn read(reader: PipeReader, received: &Mutex<Vec<String>>, gate: &(Mutex<bool>, Condvar)) {
    for line in BufReader::new(reader).lines().map_while(Result::ok) {
        received.lock().unwrap().push(id(&line));
        drop(gate.1.wait_while(gate.0.lock().unwrap(), |open| !*open).unwrap());
    }
}

fn files() -> Rig {
    let dir: TempDir = tempfile::tempdir().unwrap();
    let config = FileConfig {
        path: dir.path().join("events.jsonl"),
        rotate_size: 20_000,
        rotate_after: Duration::from_secs(3600),
        keep: 1_000,
        fsync: false,
    };
    let sink = file::start("archive", config.clone(), StartGate::open()).unwrap();
    let received = move || {
        let _dir = &dir;
        let files = rotate::existing_files(&config.path, config.keep);
        let text: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        text.lines().map(id).collect()
    };
    Rig {
        name: "file",
        sink: Arc::new(sink),
        received: Box::new(received),
        hold: None,
        retry_text: None,
        reject_text: None,
        worker: None,
    }
}

/// Returns the text of a post, which decides the response of the handler.
fn text(event: &Value) -> &str {
    event["data"]["post"]["message"].as_str().unwrap()
}

fn webhook(batch: usize) -> Rig {
    let received = Arc::<Mutex<Vec<String>>>::default();
    let (seen, retries) = (Arc::clone(&received), AtomicU16::new(0));
    let server = Arc::new(Server::start(move |request| {
        let events = request.events();
        let any = |wanted: &str| events.iter().any(|event| text(event) == wanted);
        if any("reject") {
            return FakeResponse::Answer(422, "", Vec::new());
        }
        if any("retry-once") && retries.fetch_add(1, Ordering::AcqRel) == 0 {
            return FakeResponse::Answer(503, "", Vec::new());
        }
        seen.lock().unwrap().extend(request.ids());
        ok()
    }));
    let webhook = Webhook::start(config(&server, batch), handler_deps("hook")).unwrap();
    let holding = Arc::clone(&server);
    Rig {
        name: if batch == 1 { "webhook" } else { "webhook in batches" },
        worker: Some(webhook.worker.clone()),
        sink: Arc::new(webhook),
        received: Box::new(move || received.lock().unwrap().clone()),
        hold: Some(Box::new(move |hold| holding.hold(hold))),
        retry_text: Some("retry-once"),
        reject_text: Some("reject"),
    }
}

/// The configuration of a webhook at that server.
pub(in crate::sinks) fn config(server: &Server, batch: usize) -> WebhookConfig {
    let url = format!("http://{}", server.address).parse().unwrap();
    let limits = ClientLimits { rest_connections: 4, ..ClientLimits::default() };
    WebhookConfig {
        client: ClientConfig::new(url, None, limits, "matterhost/test"),
        path: "/events?key=not-shown".into(),
        transport: crate::config::Transport::default(),
        secret_file: None,
        secrets: Secrets::parse("whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw").unwrap(),
        timeout: DEADLINE,
        concurrency: 4,
        batch,
        attempts: AttemptLimits::default(),
        reject_on: [400, 422].into(),
        retry_after: PauseScope::Channel,
        typing: false,
    }
}

fn exec() -> Rig {
    let child = Arc::new(FakeChild::start());
    let (child_for_reading, child_to_hold) = (Arc::clone(&child), Arc::clone(&child));
    Rig {
        name: "exec",
        sink: Arc::new(child.exec.clone()),
        received: Box::new(move || child_for_reading.received()),
        hold: Some(Box::new(move |hold| child_to_hold.hold(hold))),
        retry_text: Some("retry-once"),
        reject_text: Some("reject"),
        worker: Some(child.exec.worker.clone()),
    }
}

/// A bot that records the posts, and refuses some.
fn bots() -> Rig {
    /// The texts of posts that were handled, and the number of those that were refused once.
    #[derive(Clone, Default)]
    struct Recording(Arc<Mutex<Vec<String>>>, Arc<AtomicU16>);

    impl Bot for Recording {
        async fn posted(&self, _: &Context, post: &Post) -> BotResult {
            match &*post.message {
                "retry-once" if self.1.fetch_add(1, Ordering::AcqRel) == 0 => {
                    Err(ReplyError::Stopped(AccountName::new("helpdesk")?).into())
                }
                "reject" => Err(ReplyError::Empty.into()),
                _ => {
                    self.0.lock().unwrap().push(post.id.to_string());
                    Ok(())
                }
            }
        }
    }

    let recording = Recording::default();
    let received = Arc::clone(&recording.0);
    let factory = BotFactory::new("desk".into(), move || recording.clone());
    let config = BotConfig { factory, deadline: DEADLINE, typing: false };
    Rig {
        name: "bot",
        sink: Arc::new(HostedBots::new(config, handler_deps("desk"), None)),
        received: Box::new(move || received.lock().unwrap().clone()),
        hold: None,
        retry_text: Some("retry-once"),
        reject_text: Some("reject"),
        worker: None,
    }
}

/// A stream on a real server, which is stopped and goes on.
#[cfg(feature = "cluster")]
fn nats() -> Rig {
    use rustix::process::{Pid, Signal, kill_process};

    use super::super::nats::{Nats, tests::config};
    use crate::nats_server::NatsServer;
    /// Longer than a message may be.
    static TOO_LONG: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| "x".repeat(9 << 20));
    let server = NatsServer::start("max_payload: 8MB");
    let sink = Nats::start(config(&server), handler_deps("stream")).unwrap();
    let process = Pid::from_child(&server.child);
    let hold = move |hold| {
        let signal = if hold { Signal::STOP } else { Signal::CONT };
        kill_process(process, signal).unwrap();
    };
    let received = move || {
        hold(false);
        server.messages("events").into_iter().map(|(_, event)| event["id"].as_str().unwrap().into()).collect()
    };
    Rig {
        name: "nats",
        worker: Some(sink.worker.clone()),
        sink: Arc::new(sink),
        received: Box::new(received),
        hold: Some(Box::new(hold)),
        retry_text: None,
        reject_text: Some(TOO_LONG.as_str()),
    }
}
