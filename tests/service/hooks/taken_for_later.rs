//! Commands that a handler takes for later and then fails at: they are events like any other.

use super::{CHILD_SINK, Rig};
use crate::program::{text, wait_until_complete};

/// A child that says that it works on a command and dies, once or each time. Its second answer comes after the response.
const DYING: &str = r#"
import json, os, sys, time
for line in sys.stdin:
    event = json.loads(line)
    if event["type"] == "com.mattermost.slash_command":
        place = event["data"]["text"]
        print(json.dumps({"working": event["id"], "for": "1m"}), flush=True)
        print(json.dumps({"to": event["id"], "action": "reply", "text": "I look at " + place}), flush=True)
        if place == "never" or not os.path.exists("died"):
            open("died", "w")
            sys.exit(3)
        while not os.path.exists("may-answer"):
            time.sleep(0.01)
        print(json.dumps({"to": event["id"], "action": "reply", "text": "Deployed."}), flush=True)
    print(json.dumps({"ack": event["id"]}), flush=True)
"#;

#[test]
fn a_command_that_was_taken_for_later_is_tried_again_and_at_last_a_dead_letter() {
    let rig = Rig::with(CHILD_SINK, DYING);
    assert_eq!(rig.run("/deploy once").0, 200);
    rig.dir.write("may-answer", "");
    rig.await_later_answer("Deployed.");
    assert!(rig.seen_by_the_person().is_empty(), "it has not failed");
    assert_eq!(rig.run("/deploy never").0, 200);
    let failed = "The bot cannot answer now. Try again later.";
    wait_until_complete(|| if rig.seen_by_the_person().is_empty() { vec![failed] } else { Vec::new() })
        .unwrap();
    assert_eq!(rig.seen_by_the_person(), [failed], "the person is told once");
    let letters = rig.dir.matterhost(&["dead-letter", "list", "--json"]).output().unwrap();
    let letters = text(&letters.stdout);
    assert_eq!(letters.lines().count(), 1, "{letters}");
    assert!(letters.contains("com.mattermost.slash_command") && letters.contains("never"), "{letters}");
    let posts = rig.fixture.simulator.posts_in(&rig.fixture.channel);
    let shown = posts.iter().filter(|post| post.message == "I look at once").count();
    assert_eq!(shown, 1, "the answer before the failure is not shown again");
}
