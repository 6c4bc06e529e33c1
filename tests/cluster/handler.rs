//! The handler of the members: it answers each post, and notes what it has got.

use std::{fs, path::Path};

/// A handler that answers each post, and notes the time at which it got the event.
pub(crate) const SOURCE: &str = r#"
import json, sys, time
log = open(sys.argv[1], "a")
for line in sys.stdin:
    event = json.loads(line)
    source = {"source": event["source"]}
    post = event["data"].get("post") or {}
    if event["type"] == "com.mattermost.posted" and not event["own"] and not post.get("type"):
        print(time.time(), event["account"], post["message"], file=log, flush=True)
        answer = "answer to " + post["message"]
        print(json.dumps({"reply": {"to": event["id"], **source, "text": answer}}), flush=True)
    print(json.dumps({"ack": event["id"], **source}), flush=True)
"#;

/// An event that a handler has got.
#[derive(Debug)]
pub(crate) struct Handed {
    /// The Unix time in seconds.
    pub(crate) at: f64,
    pub(crate) account: String,
    pub(crate) post: String,
}

/// Reads the events that handlers have noted in a file.
pub(crate) fn events_in(file: &Path) -> Vec<Handed> {
    let event = |line: &str| {
        let mut parts = line.splitn(3, ' ').map(str::to_owned);
        Some(Handed { at: parts.next()?.parse().ok()?, account: parts.next()?, post: parts.next()? })
    };
    fs::read_to_string(file).unwrap_or_default().lines().filter_map(event).collect()
}
