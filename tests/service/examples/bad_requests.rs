//! Requests to the webhooks that the host did not send, and events that the examples do not expect.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::Stdio,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::hmac;

use super::{Example, SECRET};
use crate::{admin::host::Api, program::Lines, sinks::Handler};

/// The event of another type, which every handler takes and leaves unanswered.
const EVENT: &str =
    r#"{"type":"com.mattermost.hello","id":"1","source":"/matterhost/main/a","own":false,"data":{}}"#;

/// Returns the headers of a body that was signed with a secret at a time.
fn signed(secret: &str, sent: u64, body: &str) -> [(&'static str, String); 4] {
    let key = BASE64_STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let tag = hmac::sign(&key, format!("id.{sent}.{body}").as_bytes());
    let signature = format!("v1,{}", BASE64_STANDARD.encode(tag));
    [
        ("webhook-id", "id".into()),
        ("webhook-timestamp", sent.to_string()),
        ("webhook-signature", signature),
        ("connection", "close".into()),
    ]
}

/// Returns the status for a request with these headers and body.
fn status(handler: &Handler, headers: &[(&'static str, String)], body: &str) -> u16 {
    let api = Api { address: ([127, 0, 0, 1], handler.port).into(), token: None };
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    api.request("POST", "/", &headers, body.as_bytes()).status
}

/// Returns true if a webhook starts with this secret.
fn starts_with(secret: &str, example: &Example) -> bool {
    let mut command = example.command(&["0", "http://127.0.0.1:1"]);
    command.env("HOOK_SECRET", secret).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    // It may have ended already.
    let _ = child.kill();
    child.wait().unwrap();
    !line.is_empty()
}

#[test]
fn webhooks_refuse_what_the_host_did_not_send_and_go_on() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let other = SECRET.replace('r', "s");
    for example in ["echo", "streaming", "deploy", "files"].iter().flat_map(|bot| Example::of(bot, "webhook"))
    {
        assert!(!starts_with("", &example), "{}: anybody could sign with an empty key", example.name());
        let handler = Handler::start(example.command(&["0", "http://127.0.0.1:1"]), SECRET);
        let refused = |headers: &[(&'static str, String)], body: &str, expected: u16| {
            assert_eq!(status(&handler, headers, body), expected, "{}: {headers:?}", example.name());
        };
        let long = [("content-length", "1000000000".to_owned()), ("connection", "close".to_owned())];
        refused(&long, "", 413);
        refused(&long[1..], EVENT, 401);
        refused(&signed(&other, now, EVENT), EVENT, 401);
        refused(&signed(SECRET, now, "{}"), EVENT, 401);
        refused(&signed(SECRET, now - 3600, EVENT), EVENT, 401);
        refused(&signed(SECRET, now, "{"), "{", 400);
        let taken = status(&handler, &signed(SECRET, now, EVENT), EVENT);
        assert!(matches!(taken, 200 | 202), "{}: {taken}", example.name());
    }
}

/// An event whose data is not there.
const EMPTY: &str =
    r#"{"type":"com.mattermost.TYPE","id":"2","source":"/matterhost/main/a","own":false,"data":{}}"#;

#[test]
fn children_reject_events_that_they_cannot_handle_and_go_on() {
    let types = [("echo", "posted"), ("streaming", "posted"), ("files", "posted"), ("deploy", "button")];
    for (bot, kind) in types {
        for example in Example::of(bot, "child") {
            let mut child =
                example.command(&[]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let mut output = Lines::read(child.stdout.take().unwrap());
            let mut input = child.stdin.take().unwrap();
            writeln!(input, "{}", EMPTY.replace("TYPE", kind)).unwrap();
            output.wait_for_json("a refusal", |line| line["reject"] == "2" && line["cause"].is_string());
            writeln!(input, "{EVENT}").unwrap();
            output.wait_for_json("an acknowledgement", |line| line["ack"] == "1");
            drop(input);
            child.wait().unwrap();
        }
    }
}
