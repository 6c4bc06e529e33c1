//! Slash commands, which a person waits for, and which a child takes for later or not.

use super::*;
use crate::{
    config::DeadLetterConfig,
    sinks::{HandlerDeps, dead_letter::DeadLetters, exec::InTurn, tests::fixtures::event},
};

/// A child that says that it works on a command whose text begins with `later`, and then does what the text says, unless a file
/// `mended` exists.
const TAKER: &str = r#"
import json, os, sys
open("lives", "a").write("x")
def say(**line): print(json.dumps(line), flush=True)
for line in sys.stdin:
    event = json.loads(line)
    id, words = event["id"], event["data"].get("text", "").split()
    if "later" in words: say(working=id, **{"for": "1s"})
    if os.path.exists("mended"): words = []
    if "die" in words: sys.exit(3)
    if "retry" in words: say(retry=id, after="10ms"); continue
    if "reject" in words: say(reject=id, cause="no good"); continue
    if "hang" in words: continue
    say(ack=id)
"#;

fn command(text: &str) -> Arc<Event> {
    let data = serde_json::json!({ "command": "/deploy", "text": text, "user_id": "ann" }).to_string();
    let event = event("helpdesk", "slash_command", "c", text, &data);
    Arc::new(Event { connection_id: text.into(), ..event })
}

/// Returns the outcome of a command that goes past the others.
async fn asked(child: &FakeChild, text: &str) -> Outcome {
    outcome(child.exec.deliver(&command(text))).await
}

#[tokio::test]
async fn a_command_is_tried_again_if_the_child_has_taken_it_for_later() {
    for how in ["die", "retry", "hang"] {
        let change = |config: &mut ExecConfig| config.timeout = Duration::from_secs(1);
        let child = FakeChild::with(TAKER, change, handler_deps("child").poster);
        assert_eq!(delivered(&child.exec, &post("c", "first")).await, Outcome::Acknowledged);
        let taken = asked(&child, &format!("later {how}")).await;
        assert!(matches!(taken, Outcome::Hold { .. }), "{how}: {taken:?}");
        std::fs::write(child.path("mended"), "").unwrap();
        let again = delivered(&InTurn(child.exec.clone()), &command(&format!("later {how}"))).await;
        assert_eq!(again, Outcome::Acknowledged, "{how}");
        let others = delivered(&child.exec, &post("d", "other")).await;
        assert_eq!(others, Outcome::Acknowledged, "{how}: it has given its slot back");
    }
}

#[tokio::test]
async fn a_command_that_the_child_has_not_taken_for_later_is_tried_once() {
    let change = |config: &mut ExecConfig| config.timeout = Duration::from_secs(1);
    let child = FakeChild::with(TAKER, change, handler_deps("child").poster);
    for how in ["die", "retry", "reject", "hang"] {
        assert_eq!(delivered(&child.exec, &post("c", how)).await, Outcome::Acknowledged);
        let failed = asked(&child, how).await;
        assert!(matches!(failed, Outcome::Rejected { .. }), "{how}: {failed:?}");
    }
}

#[tokio::test]
async fn a_command_that_was_taken_for_later_and_fails_at_last_is_a_dead_letter() {
    let dir = tempfile::tempdir().unwrap();
    let config = DeadLetterConfig { dir: dir.path().join("dead"), max_size: 1 << 20, keep: 2 };
    let letters = DeadLetters::for_sink("child", &config);
    let deps = HandlerDeps { dead_letters: Some(letters.clone()), ..handler_deps("child") };
    let child = FakeChild::with_deps(TAKER, |config| config.attempts.max_attempts = 2, deps);
    assert_eq!(delivered(&child.exec, &post("c", "first")).await, Outcome::Acknowledged);
    for text in ["reject", "later reject", "later die"] {
        let mut last = asked(&child, text).await;
        if matches!(last, Outcome::Hold { .. }) {
            last = delivered(&InTurn(child.exec.clone()), &command(text)).await;
        }
        assert!(matches!(last, Outcome::Rejected { .. }), "{text}: {last:?}");
    }
    let kept: Vec<_> = letters.list().unwrap().into_iter().map(|letter| letter.event.to_string()).collect();
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(kept[0].contains("later reject") && kept[1].contains("later die"), "{kept:?}");
}
