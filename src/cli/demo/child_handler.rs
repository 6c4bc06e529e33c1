//! The handler of one of the demo's bots: a child process, as a user would write it. It crashes once on one of the posts.

use std::{
    fs,
    io::{self, BufRead as _, Write as _},
    path::Path,
};

use serde_json::{Value, json};

use super::script::{CRASHING_POST, HELP_POST};
use crate::host::Exit;

/// Reads events from standard input and answers them on standard output. The file remembers the post on which the handler
/// crashed, so that it can answer when it gets it again.
pub(super) fn serve(memory: &Path) -> Exit {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { return Exit::Failed };
        let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
        let id = event["id"].as_str().unwrap_or_default();
        if is_fatal(&event) && fs::read_to_string(memory).is_ok_and(|known| known != id) {
            // Without a memory it would crash on each attempt.
            return fs::write(memory, id).map_or(Exit::Success, |()| Exit::Failed);
        }
        let answered = answers(&event).iter().try_for_each(|answer| writeln!(out, "{answer}"));
        if answered.and_then(|()| out.flush()).is_err() {
            return Exit::Failed;
        }
    }
    Exit::Success
}

fn is_fatal(event: &Value) -> bool {
    event["data"]["post"]["message"] == CRASHING_POST
}

/// Returns the lines that answer an event: a reply if it asks for help, and the acknowledgement.
fn answers(event: &Value) -> Vec<Value> {
    let text = if is_fatal(event) {
        Some("Sorry, I tripped over that. Please call 4711.")
    } else if event["data"]["post"]["message"] == HELP_POST {
        Some("Paper is on its way.")
    } else {
        None
    };
    let is_posted = event["type"] == "com.mattermost.posted";
    let reply =
        text.filter(|_| is_posted).map(|text| json!({ "reply": { "to": event["id"], "text": text } }));
    reply.into_iter().chain([json!({ "ack": event["id"] })]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_answered_and_every_event_is_acknowledged() {
        let event = |message: &str| json!({ "id": "a", "type": "com.mattermost.posted", "data": { "post": { "message": message } } });
        let ack = json!({ "ack": "a" });
        assert_eq!(answers(&event("The build is green.")), std::slice::from_ref(&ack));
        let [reply, last] = &answers(&event(HELP_POST))[..] else { panic!("two lines") };
        assert_eq!((&reply["reply"]["to"], last), (&json!("a"), &ack));
        let edit = json!({ "id": "a", "type": "com.mattermost.post_edited", "data": { "post": { "message": HELP_POST } } });
        assert_eq!(answers(&edit), [ack]);
    }
}
