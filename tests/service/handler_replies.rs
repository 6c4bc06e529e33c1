//! The bot posts the answer of a handler exactly once, whatever fails in between.

use matterhost_simulator::{Fault, FaultKind, ServerVersion, Simulator};

use crate::program::{ConfigDir, Fixture, RunningProgram};

/// A handler that answers each user's post, and acknowledges it once the file `may-acknowledge` exists.
const HANDLER: &str = r#"
import json, os, sys, time
for line in sys.stdin:
    event = json.loads(line)
    post = event["data"].get("post") or {}
    if event["type"] == "com.mattermost.posted" and not post.get("type"):
        print(json.dumps({"reply": {"to": event["id"], "text": "received: " + post["message"]}}), flush=True)
        while not os.path.exists("may-acknowledge"):
            time.sleep(0.01)
    print(json.dumps({"ack": event["id"]}), flush=True)
"#;

fn answering(fixture: &Fixture) -> ConfigDir {
    let sink = "[sinks.child]\ntype = \"exec\"\ncommand = [\"python3\", \"handler.py\"]\n";
    let dir = ConfigDir::with(&(fixture.config() + sink));
    dir.write("handler.py", HANDLER);
    dir
}

fn count_replies(fixture: &Fixture, words: &str) -> usize {
    let reply = format!("received: {words}");
    fixture.bot_posts().into_iter().filter(|post| *post == reply).count()
}

#[test]
fn a_reply_is_posted_once_though_the_answer_to_the_first_try_is_lost() {
    let fixture = Fixture::new();
    let dir = answering(&fixture);
    dir.write("may-acknowledge", "");
    let running = RunningProgram::ready(&fixture, &dir);
    fixture.simulator.inject(Fault::new(FaultKind::LostResponse).route("POST /posts").times(1));
    fixture.post("lost");
    fixture.post("after it");
    fixture.await_post("received: after it");
    assert_eq!((count_replies(&fixture, "lost"), count_replies(&fixture, "after it")), (1, 1));
    running.signal("TERM");
    assert_eq!(running.wait_for_exit().0.code(), Some(0));
}

#[test]
fn a_reply_is_posted_once_though_the_server_says_429() {
    let fixture = Fixture::new();
    let dir = answering(&fixture);
    dir.write("may-acknowledge", "");
    let _running = RunningProgram::ready(&fixture, &dir);
    let limited = FaultKind::TooManyRequests { retry_after: 1 };
    fixture.simulator.inject(Fault::new(limited).route("POST /posts").times(2));
    fixture.post("limited");
    fixture.await_post("received: limited");
    fixture.post("next");
    fixture.await_post("received: next");
    assert_eq!(count_replies(&fixture, "limited"), 1);
}

#[test]
fn a_reply_is_posted_once_though_the_host_is_killed_before_its_event_is_acknowledged() {
    let fixture = Fixture::new();
    let dir = answering(&fixture);
    let running = RunningProgram::ready(&fixture, &dir);
    fixture.post("killed");
    fixture.await_post("received: killed");
    running.signal("KILL");
    running.wait_for_exit();
    // The event is delivered again, and the handler answers it again.
    dir.write("may-acknowledge", "");
    let _running = RunningProgram::ready(&fixture, &dir);
    fixture.post("alive");
    fixture.await_post("received: alive");
    assert_eq!((count_replies(&fixture, "killed"), count_replies(&fixture, "alive")), (1, 1));
}

/// The limits come from the server, also for a handler, and the buttons go with the last post.
#[test]
fn a_long_reply_becomes_the_posts_that_the_server_takes() {
    let fixture = Fixture::on(Simulator::builder().max_post_size(4_000).start().unwrap());
    let dir = answering(&fixture);
    let long = r#""text": "x" * 10000, "props": {"attachments": [{"text": "b"}]}"#;
    dir.write("handler.py", &HANDLER.replace(r#""text": "received: " + post["message"]"#, long));
    dir.write("may-acknowledge", "");
    let _running = RunningProgram::ready(&fixture, &dir);
    fixture.post("hello");
    fixture.await_post(&"x".repeat(2_000));
    let posts = fixture.simulator.posts_in(&fixture.channel);
    let own = posts.iter().filter(|post| post.user_id == fixture.bot.user_id && post.kind.is_empty());
    let parts: Vec<_> =
        own.map(|post| (post.message.len(), post.props.contains_key("attachments"))).collect();
    assert_eq!(parts, [(4_000, false), (4_000, false), (2_000, true)]);
}

/// Returns the first block of the README in a language.
fn readme_block(language: &str) -> String {
    let readme = std::fs::read_to_string("README.md").unwrap();
    let block = readme.split(&format!("```{language}\n")).nth(1).unwrap();
    block.split("```").next().unwrap().to_owned()
}

#[test]
fn the_first_handler_of_the_readme_answers() {
    let fixture = Fixture::new();
    let dir = ConfigDir::with(&(fixture.config() + &readme_block("toml")));
    dir.write("handler.py", &readme_block("python"));
    let _running = RunningProgram::ready(&fixture, &dir);
    fixture.post("hello");
    fixture.await_post("You said: hello");
    fixture.post("again");
    fixture.await_post("You said: again");
    assert_eq!(fixture.bot_posts().len(), 2, "its own posts are not answered: {:?}", fixture.bot_posts());
}

/// A handler that answers each reaction in a thread.
const REACTION_HANDLER: &str = r#"
import json, sys
for line in sys.stdin:
    event = json.loads(line)
    if event["type"] == "com.mattermost.reaction_added":
        print(json.dumps({"reply": {"to": event["id"], "text": "seen", "in_thread": True}}), flush=True)
    print(json.dumps({"ack": event["id"]}), flush=True)
"#;

#[test]
fn an_answer_to_a_reaction_goes_to_the_thread_of_its_post() {
    let fixture = Fixture::on(Simulator::builder().version(ServerVersion::V11_1).start().unwrap());
    let dir = answering(&fixture);
    dir.write("handler.py", REACTION_HANDLER);
    let _running = RunningProgram::ready(&fixture, &dir);
    let person = &fixture.person.user_id;
    let question = fixture.simulator.post(person, &fixture.channel, "question");
    let reply = fixture.simulator.reply(person, &question, "more");
    fixture.simulator.add_reaction(person, &reply.id, "eyes");
    fixture.await_post("seen");
    let posts = fixture.simulator.posts_in(&fixture.channel);
    let answer = posts.iter().find(|post| post.message == "seen").unwrap();
    assert_eq!(answer.root_id, question.id);
}
