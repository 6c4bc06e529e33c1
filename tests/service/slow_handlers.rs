//! Handlers that take long: updates of their answers, and reply tokens.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    admin::{
        host::{ANY_PORT, AdminHost, Api},
        http_client::Response,
    },
    program::{ConfigDir, DEADLINE, Fixture, RunningProgram},
    sinks::sink,
};

/// A child that streams as many updates as its post says, as fast as it can.
const STREAMER: &str = r#"
import json, sys, time
def send(**line): print(json.dumps(line), flush=True)
for line in sys.stdin:
    event = json.loads(line)
    about = {"to": event["id"], "source": event["source"], "key": "answer"}
    if event["type"] == "com.mattermost.posted" and not event["own"]:
        send(action="reply", text="…", **about)
        for n in range(1, int(event["data"]["post"]["message"]) + 1):
            send(action="update", text="text " * n, **about)
            time.sleep(PAUSE)
    send(ack=event["id"], source=event["source"])
"#;

/// Streams so many updates with a pause between them. Returns the numbers of updates and of signs of typing that the server gets.
fn stream(count: usize, pause: &str) -> (u64, u64) {
    let fixture = Fixture::new();
    let child = "[sinks.child]\ntype = \"exec\"\ncommand = [\"python3\", \"child.py\"]\ntyping = true\n";
    let dir = ConfigDir::with(&(fixture.config() + child));
    dir.write("child.py", &STREAMER.replace("PAUSE", pause));
    let _running = RunningProgram::ready(&fixture, &dir);
    let begun = Instant::now();
    fixture.post(&count.to_string());
    fixture.await_post(&"text ".repeat(count));
    let most = 2 + 2 * begun.elapsed().as_secs() + 2;
    let counters = fixture.simulator.counters();
    let updates = counters.requests_to("PUT /posts/{post_id}/patch");
    assert!((2..=most).contains(&updates), "{updates} requests, at most {most}");
    assert_eq!(fixture.bot_posts().len(), 1);
    (updates, counters.requests_to("POST /users/{user_id}/typing"))
}

#[test]
fn hundreds_of_updates_become_a_few_requests() {
    let (_, typing) = stream(400, "0.004");
    assert!(typing > 0, "it is shown as typing");
}

#[test]
#[ignore = "it counts for 20 s: see docs/BENCHMARKS.md"]
fn the_requests_for_a_long_stream_are_counted() {
    let (updates, typing) = stream(2_000, "0.01");
    println!("2,000 updates: {updates} requests, and {typing} signs of typing");
    assert!(updates <= 50, "{updates}");
}

/// Serves as a webhook that takes every event by 202. Sends the texts of posts and commands, and their reply tokens.
pub(crate) fn take_events(listener: TcpListener) -> Receiver<(String, String)> {
    let (sender, taken) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let sender = sender.clone();
            thread::spawn(move || take_from(stream, &sender));
        }
    });
    taken
}

fn take_from(stream: TcpStream, events: &Sender<(String, String)>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut token, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            let (name, value) = line.trim_end().split_once(": ").unwrap_or_default();
            match &*name.to_ascii_lowercase() {
                "matterhost-reply-token" => value.clone_into(&mut token),
                "content-length" => length = value.parse().ok()?,
                _ if line.trim().is_empty() => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        reader.get_mut().write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").ok()?;
        let event: Value = serde_json::from_slice(&body).ok()?;
        let data = &event["data"];
        let text = data["post"]["message"].as_str().or_else(|| data["text"].as_str()).unwrap_or_default();
        events.send((text.to_owned(), token)).ok()?;
    }
}

/// Returns the reply token of the post or command with a text.
pub(crate) fn token_of(events: &Receiver<(String, String)>, words: &str) -> String {
    loop {
        let (text, token) = events.recv_timeout(DEADLINE).unwrap();
        if text == words {
            return token;
        }
    }
}

pub(crate) fn answer(api: &Api, token: &str, answer: &Value) -> Response {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", &*bearer), ("content-type", "application/json")];
    api.request("POST", "/v1/replies", &headers, answer.to_string().as_bytes())
}

/// Returns the detail of a 401. Wrong tokens have a rate limit of their own.
fn refused(send: impl Fn() -> Response) -> String {
    loop {
        let response = send();
        if response.status != 429 {
            return response.problem(401);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_reply_token_answers_its_event_and_opens_nothing_else() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let hook = sink(listener.local_addr().unwrap().port());
    let events = take_events(listener);
    let host = AdminHost::ready(&hook);
    host.fixture.post("why?");
    let token = token_of(&events, "why?");
    let reply = json!({ "action": "reply", "key": "answer", "text": "later" });
    let ids: Vec<_> = (0..2).map(|_| answer(&host, &token, &reply).json()["ids"].clone()).collect();
    assert_eq!(ids[0], ids[1], "it is posted once");
    let changed = json!([
        { "action": "update", "key": "answer", "text": "changed" },
        { "action": "react", "emoji": "eyes" },
    ]);
    assert_eq!(answer(&host, &token, &changed).json()[1]["status"], 200);
    assert_eq!(host.fixture.bot_posts(), ["changed"]);
    let forged = format!("{}x", &token[..token.len() - 1]);
    for wrong in [&*forged, "x", "x.y", host.api.token.unwrap()] {
        let detail = refused(|| answer(&host, wrong, &reply));
        assert!(detail.contains("did not issue it"), "{wrong}: {detail}");
    }
    let stranger = Api { token: None, ..host.api };
    // More than the wrong tokens of a second: a request without one is no guess.
    for _ in 0..40 {
        stranger.send("POST", "/v1/replies", &reply).problem(401);
        stranger.post("/v1/sign-in").problem(401);
    }
    let bearer = format!("Bearer {token}");
    for (method, path) in
        [("GET", "/v1/accounts"), ("POST", "/v1/accounts/helpdesk/actions"), ("GET", "/v1/replies")]
    {
        refused(|| stranger.request(method, path, &[("authorization", &bearer)], b""));
    }
    let headers = [("authorization", &*bearer), ("content-length", "1048577")];
    host.request("POST", "/v1/replies", &headers, b"").problem(413);
    answer(&host, &token, &json!({ "action": "reply", "txt": "x" })).problem(400);
    // The key is kept, so the token is good under the next host.
    let host = host.restart();
    host.await_state("helpdesk", "ready");
    assert_eq!(host.send("PUT", "/v1/log-level", &json!({ "level": "debug" })).status, 200);
    let again = json!({ "action": "update", "key": "answer", "text": "after a restart" });
    assert_eq!(answer(&host, &token, &again).status, 200);
    assert_eq!(host.fixture.bot_posts(), ["after a restart"]);
    host.dir.write("matterhost.toml", &format!("{}{}", host.fixture.config(), ANY_PORT));
    assert_eq!(host.post("/v1/reload").status, 200);
    let gone = answer(&host, &token, &reply).problem(403);
    assert_eq!(gone, "account helpdesk no longer delivers to the sink hook");
    host.running.signal("TERM");
    let (_, log) = host.running.wait_for_exit();
    assert!(log.iter().all(|line| !line.contains(&token)), "{log:#?}");
}

/// The limits are those of a webhook's own answer.
#[test]
fn an_event_has_as_many_posts_by_its_token_as_by_an_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let hook = sink(listener.local_addr().unwrap().port());
    let events = take_events(listener);
    let host = AdminHost::ready(&hook);
    host.fixture.post("why?");
    let token = token_of(&events, "why?");
    let reply =
        |n: usize| json!({ "action": "reply", "key": format!("k{n}"), "text": format!("answer {n}") });
    let many: Vec<_> = (0..17).map(reply).collect();
    let results = answer(&host, &token, &json!(many)).json();
    let statuses: Vec<_> = results.as_array().unwrap().iter().map(|result| &result["status"]).collect();
    assert_eq!((&statuses[..16], statuses[16]), (&[&json!(200); 16][..], &json!(400)), "{results}");
    let detail = answer(&host, &token, &reply(17)).problem(400);
    assert!(
        detail.starts_with("an event has at most 16 replies, and this one is refused; put more into one"),
        "{detail}"
    );
    assert_eq!(answer(&host, &token, &reply(0)).status, 200, "one that is repeated is no other");
    assert_eq!(host.fixture.bot_posts().len(), 16);
    let typing = vec![json!({ "action": "typing" }); 65];
    let detail = answer(&host, &token, &json!(typing)).problem(400);
    assert!(detail.contains("65 actions; send at most 64"), "{detail}");
    assert_eq!(answer(&host, &token, &json!(typing[1..])).status, 200);
}

/// A handler that streams does not wait for each piece, and must not lose the last.
#[test]
fn a_late_update_that_is_not_waited_for_is_kept_if_it_fails() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let hook = sink(listener.local_addr().unwrap().port());
    let events = take_events(listener);
    let mut host = AdminHost::ready(&hook);
    let id = host.fixture.post("why?");
    let token = token_of(&events, "why?");
    let update = json!({ "action": "update", "key": "answer", "text": "all of it", "wait": false });
    // There is no such post yet.
    assert_eq!(answer(&host, &token, &update).json(), json!({ "ids": [] }));
    let told = host.running.log.wait_for_json("the failure", |line| line["event"] == *id);
    assert!(told["message"].as_str().unwrap().contains("matterhost dead-letter retry"), "{told}");
    let reply = json!({ "action": "reply", "key": "answer", "text": "…" });
    assert_eq!(answer(&host, &token, &reply).status, 200);
    for act in ["retry", "drop"] {
        let path = format!("/v1/sinks/hook/dead-letters/{act}");
        let unknown = host.send("POST", &path, &json!({ "ids": ["no-such-event"] }));
        assert_eq!(unknown.status, 404, "{act}");
    }
    let retried = host.send("POST", "/v1/sinks/hook/dead-letters/retry", &json!({})).json();
    assert_eq!(retried["accepted"], 1, "{retried}");
    assert_eq!(host.fixture.bot_posts(), ["all of it"]);
    // Without an event there is no sink that could keep it.
    let target = &host.fixture.channel;
    let alone = json!({ "action": "update", "target": target, "key": "none", "text": "x", "wait": false });
    assert_eq!(host.send("POST", "/v1/accounts/helpdesk/actions", &alone).status, 200);
    let told = host.running.log.wait_for_fact("update_failed");
    assert_eq!(told["account"], "helpdesk");
    assert!(told["message"].as_str().unwrap().contains("the key none"), "{told}");
}
