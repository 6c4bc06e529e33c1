//! What a handler answers is posted by the bot, once, whatever goes wrong between.

use matterhost_simulator::{Fault, FaultKind};

use crate::program::{Dir, Running, World};

/// A handler that answers each post of a person, and acknowledges it when a file says that it may.
const HANDLER: &str = r#"
import json, os, sys, time
for line in sys.stdin:
    event = json.loads(line)
    post = event["data"].get("post") or {}
    if event["type"] == "com.mattermost.posted" and not post.get("type"):
        print(json.dumps({"reply": {"to": event["id"], "text": "heard: " + post["message"]}}), flush=True)
        while not os.path.exists("may-acknowledge"):
            time.sleep(0.01)
    print(json.dumps({"ack": event["id"]}), flush=True)
"#;

fn answering(world: &World) -> Dir {
    let sink = "[sinks.child]\ntype = \"exec\"\ncommand = [\"python3\", \"handler.py\"]\n";
    let dir = Dir::with(&(world.config() + sink));
    dir.write("handler.py", HANDLER);
    dir
}

fn heard(world: &World, words: &str) -> usize {
    let reply = format!("heard: {words}");
    world.posts_of_the_bot().into_iter().filter(|post| *post == reply).count()
}

#[test]
fn a_reply_is_posted_once_though_the_answer_to_the_first_try_is_lost() {
    let world = World::new();
    let dir = answering(&world);
    dir.write("may-acknowledge", "");
    let running = Running::ready(&world, &dir);
    world.simulator.inject(Fault::new(FaultKind::LostAnswer).route("POST /posts").times(1));
    world.says("lost");
    world.says("after it");
    world.await_post("heard: after it");
    assert_eq!((heard(&world, "lost"), heard(&world, "after it")), (1, 1));
    running.signal("TERM");
    assert_eq!(running.ended().0.code(), Some(0));
}

#[test]
fn a_reply_is_posted_once_though_the_server_says_429() {
    let world = World::new();
    let dir = answering(&world);
    dir.write("may-acknowledge", "");
    let _running = Running::ready(&world, &dir);
    let limited = FaultKind::TooManyRequests { retry_after: 1 };
    world.simulator.inject(Fault::new(limited).route("POST /posts").times(2));
    world.says("limited");
    world.await_post("heard: limited");
    world.says("next");
    world.await_post("heard: next");
    assert_eq!(heard(&world, "limited"), 1);
}

#[test]
fn a_reply_is_posted_once_though_the_host_is_killed_before_its_event_is_acknowledged() {
    let world = World::new();
    let dir = answering(&world);
    let running = Running::ready(&world, &dir);
    world.says("killed");
    world.await_post("heard: killed");
    running.signal("KILL");
    running.ended();
    // The event comes again, and the handler answers it again.
    dir.write("may-acknowledge", "");
    let _running = Running::ready(&world, &dir);
    world.says("alive");
    world.await_post("heard: alive");
    assert_eq!((heard(&world, "killed"), heard(&world, "alive")), (1, 1));
}
