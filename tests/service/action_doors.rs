//! The same actions by a child, a webhook, the API and a reply token: they have the same limits, and the same errors.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    admin::{host::AdminHost, http_client::Response},
    program::DEADLINE,
    refused_actions::refused_actions,
    sinks::{Handler, sink},
    slow_handlers::answer,
};

/// The longest JSON of actions.
const MOST_BYTES: usize = 1024 * 1024;

/// A child and a webhook that take the actions which a person posts for them, and write down what they are told.
const HANDLERS: &str = r#"
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

def note(line):
    with open(sys.argv[2], "a") as notes: notes.write(json.dumps(line) + "\n")

def answer(event, door):
    """Returns the actions for this door, as long as they are to be."""
    if event["type"] != "com.mattermost.posted" or event["own"]: return None
    order = json.loads(event["data"]["post"]["message"])
    if order["door"] != door: return None
    return json.dumps({**order["action"], "to": event["id"], "source": event["source"]}).ljust(order["bytes"])

class Webhook(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))
        for result in event["data"].get("action_results", []): note(result)
        if answer(event, "token"): note({"token": self.headers["matterhost-reply-token"]})
        body = (answer(event, "webhook") or "").encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

if sys.argv[1] == "webhook":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
    print("listening", server.server_port, flush=True)
    server.serve_forever()
for line in sys.stdin:
    event = json.loads(line)
    if "result" in event:
        note(event["result"])
        continue
    line = answer(event, "child")
    if line: print(line, flush=True)
    print(json.dumps({"ack": event["id"], "source": event["source"]}), flush=True)
"#;

fn post(text: &str) -> Value {
    json!({ "action": "post", "target": "crew/lobby", "text": text })
}

/// Returns a post of a door, in JSON of so many bytes.
fn long_post(door: &str, bytes: usize) -> String {
    let json = post(&format!("{door} {bytes}")).to_string();
    let space = " ".repeat(bytes - json.len());
    json + &space
}

/// A host with all doors.
struct ActionHost {
    host: AdminHost,
    notes: PathBuf,
    _webhook: Handler,
    _dir: TempDir,
}

impl ActionHost {
    fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [script, notes] = ["handlers.py", "notes"].map(|name| dir.path().join(name));
        fs::write(&script, HANDLERS).unwrap();
        let mut command = Command::new("python3");
        command.arg(&script).arg("webhook").arg(&notes);
        let webhook = Handler::start(command, "");
        let (script, path) = (script.display(), notes.display());
        let child = format!(
            "[account_defaults]\nsinks = [\"child\", \"hook\"]\n[sinks.child]\ntype = \"exec\"\n\
             command = [\"python3\", \"{script}\", \"child\", \"{path}\"]\n"
        );
        let host = AdminHost::ready(&(child + &sink(webhook.port)));
        Self { host, notes, _webhook: webhook, _dir: dir }
    }

    /// Sends actions by the API. What is too long is refused before it is sent.
    fn request(&self, path: &str, token: &str, actions: &str) -> Response {
        let (bearer, length) = (format!("Bearer {token}"), actions.len().to_string());
        let lines =
            [("content-type", "application/json"), ("authorization", &bearer), ("content-length", &length)];
        if actions.len() > MOST_BYTES {
            self.host.request("POST", path, &lines, b"")
        } else {
            self.host.request("POST", path, &lines[..2], actions.as_bytes())
        }
    }

    /// Has a handler take an action.
    fn order(&self, door: &str, action: &Value, bytes: usize) {
        let order = json!({ "door": door, "action": action, "bytes": bytes });
        self.host.fixture.post(&order.to_string());
    }

    /// Waits until a handler has noted what is wanted.
    fn await_note(&self, wanted: impl Fn(&Value) -> Option<Value>) -> Value {
        let end = Instant::now() + DEADLINE;
        loop {
            let notes = fs::read_to_string(&self.notes).unwrap_or_default();
            // The last line may not be complete.
            let found = notes
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .find_map(|note| wanted(&note));
            if let Some(found) = found {
                return found;
            }
            assert!(Instant::now() < end, "{notes}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Returns a token for an event.
    fn reply_token(&self) -> String {
        self.order("token", &json!({}), 0);
        let token = self.await_note(|note| note.get("token").cloned());
        token.as_str().unwrap().to_owned()
    }

    /// Returns true if a handler has an action of so many bytes taken. A short one after it is taken in any case.
    fn takes(&self, door: &str, bytes: usize) -> bool {
        let [first, second] = [format!("{door} {bytes}"), format!("{door} after {bytes}")];
        self.order(door, &post(&first), bytes);
        self.order(door, &post(&second), 0);
        self.host.fixture.await_post(&second);
        self.host.fixture.bot_posts().contains(&first)
    }

    /// Returns the status of an action by the result that a handler is told.
    fn status_of_handler(&self, door: &str, action: &Value, id: &str) -> u64 {
        let mut named = action.clone();
        named["id"] = id.into();
        self.order(door, &named, 0);
        let status = self.await_note(|note| (note["id"] == id).then(|| note["status"].clone()));
        status.as_u64().unwrap()
    }
}

#[test]
fn every_door_takes_actions_up_to_the_same_length() {
    let doors = ActionHost::open();
    let token = doors.reply_token();
    let mut outcomes = Vec::new();
    for bytes in [MOST_BYTES, MOST_BYTES + 1] {
        let api = doors.request(
            "/v1/accounts/helpdesk/actions",
            doors.host.token.unwrap(),
            &long_post("api", bytes),
        );
        let late = doors.request("/v1/replies", &token, &long_post("token", bytes));
        outcomes.push((bytes, "api", api.status == 200, api.status));
        outcomes.push((bytes, "token", late.status == 200, late.status));
        for door in ["child", "webhook"] {
            outcomes.push((bytes, door, doors.takes(door, bytes), 0));
        }
    }
    let expected =
        [(MOST_BYTES, true, 200), (MOST_BYTES + 1, false, 413)].map(|(bytes, is_taken, status)| {
            let with_status = ["api", "token"].map(|door| (bytes, door, is_taken, status));
            [with_status, ["child", "webhook"].map(|door| (bytes, door, is_taken, 0))].concat()
        });
    assert_eq!(outcomes, expected.concat());
}

#[test]
fn every_door_refuses_an_action_with_the_same_status() {
    let doors = ActionHost::open();
    let token = doors.reply_token();
    for (n, (action, status)) in refused_actions("crew/lobby").iter().enumerate() {
        let statuses = [
            doors.host.send("POST", "/v1/accounts/helpdesk/actions", action).status.into(),
            answer(&doors.host, &token, action).status.into(),
            doors.status_of_handler("child", action, &format!("child-{n}")),
            doors.status_of_handler("webhook", action, &format!("webhook-{n}")),
        ];
        assert_eq!(statuses, [u64::from(*status); 4], "{action}");
    }
    assert_eq!(doors.host.fixture.bot_posts(), [""; 0]);
}
