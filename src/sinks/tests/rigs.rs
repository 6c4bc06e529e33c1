//! Each sink with its far side: what the contract is tried on.

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
    mattermost::{ClientConfig, ClientLimits},
    ports::EventSink,
};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    fake_child::FakeChild,
    fixtures::handler_deps,
    http::{FakeResponse, Server},
};
use crate::{
    config::{FileConfig, Secrets, WebhookConfig},
    sinks::{
        lines::{file, stdout::LineSink},
        start_gate::StartGate,
        webhook::Webhook,
        worker::Worker,
    },
};

/// A sink, and the means to see and to trouble its far side.
pub(super) struct Rig {
    pub(super) name: &'static str,
    pub(super) sink: Arc<dyn EventSink>,
    /// The ids that the far side has taken, in its order.
    pub(super) heard: Box<dyn Fn() -> Vec<String>>,
    /// Has the far side take nothing, or again; `None` for one that cannot be stopped.
    pub(super) hold: Option<Box<dyn Fn(bool)>>,
    /// The words of a post that is refused for the time being, and those of one that is refused for good.
    pub(super) later: Option<&'static str>,
    pub(super) never: Option<&'static str>,
    pub(super) worker: Option<Worker>,
}

/// One of each.
pub(super) fn all() -> Vec<Rig> {
    vec![output(), files(), webhook(1), webhook(5), exec()]
}

fn id(line: &str) -> String {
    serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned()
}

/// A reader of a pipe that stops while the gate is shut.
fn output() -> Rig {
    let (reader, writer) = io::pipe().unwrap();
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let gate = Arc::new((Mutex::new(true), Condvar::new()));
    let sink = LineSink::start(writer).unwrap();
    let (seen, shut) = (Arc::clone(&heard), Arc::clone(&gate));
    thread::spawn(move || read(reader, &seen, &shut));
    Rig {
        name: "stdout",
        sink: Arc::new(sink),
        heard: Box::new(move || heard.lock().unwrap().clone()),
        hold: Some(Box::new(move |hold| {
            *gate.0.lock().unwrap() = !hold;
            gate.1.notify_all();
        })),
        later: None,
        never: None,
        worker: None,
    }
}

fn read(reader: PipeReader, heard: &Mutex<Vec<String>>, gate: &(Mutex<bool>, Condvar)) {
    for line in BufReader::new(reader).lines().map_while(Result::ok) {
        heard.lock().unwrap().push(id(&line));
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
    let heard = move || {
        let _here = &dir;
        let files = crate::sinks::lines::rotate::existing_files(&config.path, config.keep);
        let text: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        text.lines().map(id).collect()
    };
    Rig {
        name: "file",
        sink: Arc::new(sink),
        heard: Box::new(heard),
        hold: None,
        later: None,
        never: None,
        worker: None,
    }
}

/// Words of a post, by which the handler knows what to do.
fn words(event: &Value) -> &str {
    event["data"]["post"]["message"].as_str().unwrap()
}

fn webhook(batch: usize) -> Rig {
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let (seen, laters) = (Arc::clone(&heard), AtomicU16::new(0));
    let server = Arc::new(Server::start(move |request| {
        let events = request.events();
        let any = |wanted: &str| events.iter().any(|event| words(event) == wanted);
        if any("reject") {
            return FakeResponse::Answer(422, "", Vec::new());
        }
        if any("retry-once") && laters.fetch_add(1, Ordering::AcqRel) == 0 {
            return FakeResponse::Answer(503, "", Vec::new());
        }
        seen.lock().unwrap().extend(request.ids());
        super::http::ok()
    }));
    let webhook = Webhook::start(config(&server, batch), handler_deps("hook")).unwrap();
    let holding = Arc::clone(&server);
    Rig {
        name: if batch == 1 { "webhook" } else { "webhook in batches" },
        worker: Some(webhook.worker.clone()),
        sink: Arc::new(webhook),
        heard: Box::new(move || heard.lock().unwrap().clone()),
        hold: Some(Box::new(move |hold| holding.hold(hold))),
        later: Some("retry-once"),
        never: Some("reject"),
    }
}

/// A webhook at that server.
pub(in crate::sinks) fn config(server: &Server, batch: usize) -> WebhookConfig {
    let url = format!("http://{}", server.address).parse().unwrap();
    let limits = ClientLimits { rest_connections: 4, ..ClientLimits::default() };
    WebhookConfig {
        client: ClientConfig::new(url, None, limits, "matterhost/test"),
        path: "/events?key=not-shown".into(),
        transport: crate::config::Transport::default(),
        secret_file: None,
        secrets: Secrets::parse("whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw").unwrap(),
        timeout: super::fixtures::DEADLINE,
        concurrency: 4,
        batch,
    }
}

fn exec() -> Rig {
    let child = Arc::new(FakeChild::start());
    let (heard, held) = (Arc::clone(&child), Arc::clone(&child));
    Rig {
        name: "exec",
        sink: Arc::new(child.exec.clone()),
        heard: Box::new(move || heard.heard()),
        hold: Some(Box::new(move |hold| held.hold(hold))),
        later: Some("retry-once"),
        never: Some("reject"),
        worker: Some(child.exec.worker.clone()),
    }
}
