//! Actions per second by each door. It measures: see docs/TESTING.md.

use std::{
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    admin::host::{ANY_PORT, AdminHost, Api, TOKEN},
    hooks::{CHILD_SINK, SECRET, serve},
    program::{ConfigDir, Fixture},
};

/// The channels, and the answers in each.
const CHANNELS: usize = 20;
const ANSWERS: usize = 50;
/// The most actions of a request to the API.
const LIST: usize = 16;
/// The clients of the API at once.
const CLIENTS: usize = 8;
/// Much more than a run takes.
const LIMIT: Duration = Duration::from_secs(120);

const CHILD: &str = r#"
import json, sys
for line in sys.stdin:
    event = json.loads(line)
    if event["type"] == "com.mattermost.posted" and not event["own"]:
        print(json.dumps({"to": event["id"], "action": "reply", "text": "here"}))
    print(json.dumps({"ack": event["id"]}), flush=True)
"#;

/// Starts a host whose requests to the server have no limit worth mentioning.
fn start(sinks: &str) -> AdminHost {
    let fixture = Fixture::new();
    let config = fixture.config().replace("[accounts.", "requests_per_second = 10000\n[accounts.");
    let dir = ConfigDir::with(&format!("{config}{ANY_PORT}token = \"{TOKEN}\"\n{sinks}"));
    dir.write("handler.py", CHILD);
    let host = AdminHost::start_in(dir, fixture, Some(TOKEN));
    host.await_state("helpdesk", "ready");
    host
}

/// Lets `act` cause actions in some channels, and returns the posts per second until all are on the server.
fn measure(host: &AdminHost, count: usize, act: impl FnOnce(&[String])) -> u128 {
    let channels = host.fixture.add_channels(CHANNELS);
    let begin = Instant::now();
    act(&channels);
    while host.fixture.simulator.counters().requests_to("POST /posts") < count as u64 {
        assert!(begin.elapsed() < LIMIT, "the posts do not come");
        thread::sleep(Duration::from_millis(5));
    }
    count as u128 * 1_000_000 / begin.elapsed().as_micros()
}

/// Posts as a person, and returns the answers per second.
fn answers(host: &AdminHost) -> u128 {
    let person = &host.fixture.person.user_id;
    measure(host, CHANNELS * ANSWERS, |channels| {
        for n in 0..ANSWERS {
            for channel in channels {
                host.fixture.simulator.post(person, channel, &n.to_string());
            }
        }
    })
}

#[test]
#[ignore = "it measures, so it needs an idle machine: see docs/TESTING.md"]
fn the_actions_of_each_door_are_counted() {
    let child = start(CHILD_SINK);
    println!("a child: {} replies a second", answers(&child));

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    serve(listener, r#"{"text":"here"}"#);
    let webhook = start(&format!(
        "[sinks.hook]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:{port}/\"\nsecret = \"{SECRET}\"\n"
    ));
    println!("a webhook: {} replies a second", answers(&webhook));

    let host = start("");
    let api = host.api;
    let lists = CHANNELS * ANSWERS / LIST;
    let rate = measure(&host, lists * LIST, |channels| {
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                scope.spawn(move || {
                    (client..lists).step_by(CLIENTS).for_each(|n| send_list(api, &channels[n % CHANNELS]));
                });
            }
        });
    });
    println!("the API, {LIST} posts a request: {rate} posts a second");
}

fn send_list(api: Api, channel: &str) {
    let list = vec![json!({ "action": "post", "target": channel, "text": "here" }); LIST];
    let answer = api.send("POST", "/v1/accounts/helpdesk/actions", &json!(list));
    assert_eq!(answer.status, 200, "{}", answer.text());
}
