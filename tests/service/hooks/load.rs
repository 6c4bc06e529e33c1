//! The times of hooks, and of posts beside many of them. These tests measure: see docs/TESTING.md.

use std::{
    io, mem,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use matterhost_simulator::HookRequest;

use super::{CHILD_SINK, Rig};
use crate::{
    admin::host::Api,
    latencies::{Latencies, percentile},
    program::Lines,
};

/// A child that answers commands and buttons, and keeps its buttons.
const QUICK: &str = r#"
import json, sys
for line in sys.stdin:
    event = json.loads(line)
    kind = event["type"].removeprefix("com.mattermost.")
    if kind == "slash_command" and event["data"]["text"] == "buttons":
        props = {"attachments": [{"text": "?", "actions": [{"id": "ok", "name": "OK"}]}]}
        print(json.dumps({"to": event["id"], "action": "post", "text": "here", "props": props}))
    elif kind in ("slash_command", "button"):
        print(json.dumps({"to": event["id"], "action": "reply", "text": "here", "response_type": "ephemeral"}))
    print(json.dumps({"ack": event["id"]}), flush=True)
"#;

/// Standard output beside the child.
const OUTPUT: &str = "[account_defaults]\nsinks = [\"out\", \"child\"]\n[sinks.out]\ntype = \"stdout\"\n";

/// The presses of a button, one after another.
const PRESSES: usize = 500;
/// The commands a second, from so many people at once, and the time that they last.
const COMMANDS_PER_SECOND: u64 = 1_000;
const PEOPLE: u64 = 16;
const LASTS: Duration = Duration::from_secs(30);
const POST_INTERVAL: Duration = Duration::from_millis(20);
/// The most time that 99 of 100 posts may take, as beside an attack.
const MAX_P99: Duration = Duration::from_millis(50);
/// The time within which a person has an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

#[test]
#[ignore = "it measures, so it needs an idle machine: see docs/TESTING.md"]
fn a_button_is_answered_at_once() {
    let rig = Rig::with(&format!("{OUTPUT}{CHILD_SINK}"), QUICK);
    rig.run("/deploy buttons");
    let posts = rig.fixture.simulator.posts_in(&rig.fixture.channel);
    let post = &posts.iter().find(|post| post.message == "here").unwrap().id;
    let press = |_| {
        assert_eq!(rig.press(post, "ok", None).0, 200);
        rig.fixture.simulator.sent_hooks().pop().unwrap().took
    };
    let mut times: Vec<_> = (0..PRESSES).map(press).collect();
    times.sort();
    println!("a button: {}", shown(&times));
    assert!(percentile(&times, 100) < ANSWER_WITHIN);
}

#[test]
#[ignore = "it measures, so it needs an idle machine: see docs/TESTING.md"]
fn a_thousand_hooks_a_second_leave_the_bots_undisturbed() {
    let mut rig = Rig::with(&format!("{OUTPUT}{CHILD_SINK}"), QUICK);
    rig.run("/deploy staging");
    let command = rig.last_request();
    let hooks = Api { address: rig.url.strip_prefix("http://").unwrap().parse().unwrap(), token: None };
    let events = mem::replace(&mut rig.running.events, Lines::read(io::empty()));
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let start = Instant::now();
    let (posts, mut times) = thread::scope(|scope| {
        let person = |n| {
            let (command, over, sent) = (&command, &over, &sent);
            scope.spawn(move || run_commands(command, hooks, n, (over, sent)))
        };
        let people: Vec<_> = (0..PEOPLE).map(person).collect();
        let count = (LASTS.as_millis() / POST_INTERVAL.as_millis()).try_into().unwrap();
        let posts = Latencies::measure(&rig.fixture, events, (count, POST_INTERVAL), || ());
        over.store(true, Ordering::Relaxed);
        (posts, people.into_iter().flat_map(|person| person.join().unwrap()).collect::<Vec<_>>())
    });
    let rate = times.len() as u128 * 1_000 / start.elapsed().as_millis();
    times.sort();
    println!("{rate} commands a second: {}; posts beside them: {posts}", shown(&times));
    assert!(percentile(&times, 100) < ANSWER_WITHIN, "a person waits too long");
    assert!(posts.percentile(99) < MAX_P99, "{posts}");
}

/// Runs a command again and again, in turn with others, and returns the times that the answers took.
fn run_commands(
    command: &HookRequest,
    hooks: Api,
    person: u64,
    (over, sent): (&AtomicBool, &AtomicU64),
) -> Vec<Duration> {
    let start = Instant::now();
    let mut times = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let n = sent.fetch_add(1, Ordering::Relaxed);
        let due = Duration::from_micros(n * 1_000_000 / COMMANDS_PER_SECOND);
        thread::sleep(due.saturating_sub(start.elapsed()));
        let asked = Instant::now();
        let answer = send(command, hooks, &format!("{person}x{n}"));
        assert!(answer.contains("\"here\""), "{answer}");
        times.push(asked.elapsed());
    }
    times
}

/// Sends a command as another one, with a trigger of its own, and returns the response.
fn send(command: &HookRequest, hooks: Api, trigger: &str) -> String {
    let (before, behind) = command.body.split_once("trigger_id=").unwrap();
    let (_, behind) = behind.split_once('&').unwrap_or_default();
    let body = format!("{before}trigger_id={trigger}&{behind}");
    let (_, path) = command.url.split_once("//").and_then(|(_, rest)| rest.split_once('/')).unwrap();
    let form = [("content-type", "application/x-www-form-urlencoded")];
    hooks.request("POST", &format!("/{path}"), &form, body.as_bytes()).text()
}

fn shown(sorted: &[Duration]) -> String {
    let [p50, p99, p100] = [50, 99, 100].map(|percent| percentile(sorted, percent));
    format!("p50 {p50:.1?}, p99 {p99:.1?}, at most {p100:.1?}")
}
