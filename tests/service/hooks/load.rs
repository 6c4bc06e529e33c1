//! Many hooks at once, and the times of hooks and of posts beside them. Those tests measure: see docs/TESTING.md.

use std::{
    fmt,
    io::{self, Write as _},
    mem,
    net::TcpStream,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use matterhost_simulator::HookRequest;

use super::{CHILD_SINK, Rig};
use crate::{
    admin::http_client,
    latencies::{Latencies, percentile},
    program::Lines,
};

/// A child that answers commands and buttons, and keeps its buttons.
pub(super) const QUICK: &str = r#"
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
const PEOPLE: u64 = 64;
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
    let mut events = mem::replace(&mut rig.running.events, Lines::read(io::empty()));
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let start = Instant::now();
    let (posts, mut answers) = thread::scope(|scope| {
        let person = |n| {
            let (command, over, sent) = (&command, &over, &sent);
            scope.spawn(move || run_commands(command, n, (over, sent)))
        };
        let people: Vec<_> = (0..PEOPLE).map(person).collect();
        let count = (LASTS.as_millis() / POST_INTERVAL.as_millis()).try_into().unwrap();
        let posts = Latencies::measure(&rig.fixture, &mut events, (count, POST_INTERVAL), || ());
        over.store(true, Ordering::Relaxed);
        let mut answers = Answers::default();
        for person in people {
            answers.add(person.join().unwrap());
        }
        (posts, answers)
    });
    let took = start.elapsed();
    answers.times.sort();
    let rate = answers.all() as u128 * 1_000 / took.as_millis();
    println!("{rate} commands a second for {took:.1?}: {answers}; posts beside them: {posts}");
    assert!(percentile(&answers.times, 100) < ANSWER_WITHIN, "a person waits too long");
    assert_eq!(answers.all(), answers.times.len(), "all are answered");
    assert!(rate >= u128::from(COMMANDS_PER_SECOND) * 95 / 100, "too few; was the machine idle?");
    assert!(posts.percentile(99) < MAX_P99, "{posts}");
}

/// The words for those whom the handler cannot have in time.
pub(super) const BUSY: &str = "The bot is too busy. Try again in a moment.";

/// The answers to many commands.
#[derive(Default)]
pub(super) struct Answers {
    /// The times of those that the handler answered.
    pub(super) times: Vec<Duration>,
    /// Those that were refused because the bot is too busy.
    pub(super) busy: usize,
    /// Those whose answer comes later.
    pub(super) late: usize,
    /// Others, such as failures.
    pub(super) other: Vec<String>,
    /// Those whose connection ended without an answer.
    pub(super) lost: usize,
}

impl Answers {
    pub(super) fn record(&mut self, answer: Option<String>, took: Duration) {
        let Some(answer) = answer else {
            self.lost += 1;
            return;
        };
        match &*answer {
            text if text.contains("\"here\"") => self.times.push(took),
            text if text.contains(BUSY) => self.busy += 1,
            "{}" => self.late += 1,
            _ => self.other.push(answer),
        }
    }

    fn add(&mut self, more: Self) {
        self.times.extend(more.times);
        self.busy += more.busy;
        self.late += more.late;
        self.other.extend(more.other);
        self.lost += more.lost;
    }

    fn all(&self) -> usize {
        self.times.len() + self.busy + self.late + self.other.len() + self.lost
    }
}

impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { times, busy, late, other, lost } = self;
        let (answered, failed) = (times.len(), other.len());
        write!(
            f,
            "{answered} answered ({}), {busy} refused as too busy, {late} late, {failed} failed, {lost} lost",
            shown(times)
        )?;
        match other.first() {
            Some(first) => write!(f, ", such as {first}"),
            None => Ok(()),
        }
    }
}

/// Runs a command again and again, in turn with others.
fn run_commands(command: &HookRequest, person: u64, (over, sent): (&AtomicBool, &AtomicU64)) -> Answers {
    let start = Instant::now();
    let mut answers = Answers::default();
    while !over.load(Ordering::Relaxed) {
        let n = sent.fetch_add(1, Ordering::Relaxed);
        let due = Duration::from_micros(n * 1_000_000 / COMMANDS_PER_SECOND);
        thread::sleep(due.saturating_sub(start.elapsed()));
        let asked = Instant::now();
        let answer = send(command, &format!("{person}x{n}"));
        answers.record(answer, asked.elapsed());
    }
    answers
}

/// Sends a command as another one, with a trigger of its own, and returns the response; `None` if the connection ends without one.
pub(super) fn send(command: &HookRequest, trigger: &str) -> Option<String> {
    Some(http_client::read(try_begin(command, trigger)?)?.text())
}

/// Sends a command likewise, and returns the connection that the response comes by.
pub(super) fn begin(command: &HookRequest, trigger: &str) -> TcpStream {
    try_begin(command, trigger).unwrap()
}

fn try_begin(command: &HookRequest, trigger: &str) -> Option<TcpStream> {
    let (before, behind) = command.body.split_once("trigger_id=").unwrap();
    let (_, behind) = behind.split_once('&').unwrap_or_default();
    let body = format!("{before}trigger_id={trigger}&{behind}");
    let (host, path) = command.url.split_once("//").and_then(|(_, rest)| rest.split_once('/')).unwrap();
    let (form, length) = ("application/x-www-form-urlencoded", body.len().to_string());
    let lines = [("host", host), ("content-type", form), ("content-length", &length)];
    let head = http_client::head("POST", &format!("/{path}"), &lines);
    let mut stream = http_client::connect(host.parse().unwrap());
    stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
    Some(stream)
}

fn shown(sorted: &[Duration]) -> String {
    if sorted.is_empty() {
        return "none".to_owned();
    }
    let [p50, p99, p100] = [50, 99, 100].map(|percent| percentile(sorted, percent));
    format!("p50 {p50:.1?}, p99 {p99:.1?}, at most {p100:.1?}")
}
