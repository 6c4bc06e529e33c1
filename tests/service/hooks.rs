//! Slash commands, buttons, menus and dialogs, from a person to a handler and back.

mod bots_in_rust;
mod crowds;
mod expired;
mod load;
mod registration;
mod taken_for_later;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    thread,
    time::Duration,
};

use matterhost_simulator::{HookRequest, OpenedDialog, ServerVersion, Simulator};
use serde_json::{Value, json};

use crate::{
    admin::host::{Api, free_address},
    metrics::scrape_with,
    program::{ConfigDir, Fixture, RunningProgram, wait_until_complete},
    sinks::sink,
    slow_handlers::{answer, take_events, token_of},
};

/// The token that the server gave the command.
const PATH_OF_TOKEN: &str = "command.token";

/// A sink whose child process is the handler.
pub(crate) const CHILD_SINK: &str =
    "[sinks.child]\ntype = \"exec\"\ncommand = [\"python3\", \"handler.py\"]\n";

/// A host with hooks, on a server with a command.
struct Rig {
    fixture: Fixture,
    dir: ConfigDir,
    running: RunningProgram,
    url: String,
    /// The address of the admin API.
    admin: String,
}

impl Rig {
    /// Starts a host whose child process is the handler.
    fn new(handler: &str) -> Self {
        Self::with(CHILD_SINK, handler)
    }

    fn with(sinks: &str, handler: &str) -> Self {
        Self::of(sinks, handler, RunningProgram::ready)
    }

    fn of(sinks: &str, handler: &str, start: impl FnOnce(&Fixture, &ConfigDir) -> RunningProgram) -> Self {
        Self::limited("", |_, _| sinks.to_owned(), handler, start)
    }

    /// Starts a host with further settings of `[hooks]`, and with what `more` returns for the URL of the hooks.
    fn limited(
        settings: &str,
        more: impl FnOnce(&Fixture, &str) -> String,
        handler: &str,
        start: impl FnOnce(&Fixture, &ConfigDir) -> RunningProgram,
    ) -> Self {
        let fixture = Fixture::on(Simulator::builder().version(ServerVersion::V11_1).start().unwrap());
        // The command is made with the address of the hooks, which must not change.
        let [hooks, admin] = free_addresses();
        let url = format!("http://{hooks}");
        let token = command(&fixture, &format!("{url}/hooks/helpdesk/command/deploy"));
        let more = more(&fixture, &url);
        let config = format!(
            "{}[hooks]\nbind = \"{hooks}\"\npublic_url = \"{url}\"\n{settings}\
             [admin]\nbind = \"{admin}\"\nallow_anonymous = true\n\
             [accounts.helpdesk.commands.deploy]\ntoken_file = \"{PATH_OF_TOKEN}\"\n{more}",
            fixture.config()
        );
        let dir = ConfigDir::with(&config);
        dir.write(PATH_OF_TOKEN, &token);
        dir.write("handler.py", handler);
        let running = start(&fixture, &dir);
        Self { fixture, dir, running, url, admin: admin.to_string() }
    }

    fn run(&self, line: &str) -> (u16, Value) {
        self.fixture.simulator.run_command(&self.fixture.person.user_id, &self.fixture.channel, line)
    }

    fn press(&self, post: &str, action: &str, chosen: Option<&str>) -> (u16, Value) {
        self.fixture.simulator.press(&self.fixture.person.user_id, post, action, chosen)
    }

    fn submit(&self, dialog: &OpenedDialog, submission: &Value) -> (u16, Value) {
        self.fixture.simulator.submit_dialog(dialog, &self.fixture.channel, Some(submission))
    }

    /// Makes the bot post its buttons, and returns the post.
    fn deploy(&self) -> String {
        let before = self.fixture.bot_posts().len();
        assert_eq!(self.run("/deploy staging").0, 200);
        let posts = self.fixture.simulator.posts_in(&self.fixture.channel).into_iter();
        let mut posts: Vec<_> =
            posts.filter(|post| post.user_id == self.fixture.bot.user_id && post.kind.is_empty()).collect();
        assert_eq!(posts.len(), before + 1);
        posts.pop().unwrap().id
    }

    fn text_of(&self, post: &str) -> String {
        let posts = self.fixture.simulator.posts_in(&self.fixture.channel);
        posts.into_iter().find(|found| found.id == post).unwrap().message
    }

    /// Waits for the answer to a command that came after its response.
    fn await_later_answer(&self, text: &str) {
        let is_there = || {
            let posts = self.fixture.simulator.posts_in(&self.fixture.channel);
            posts.iter().any(|post| post.message == text && post.props.contains_key("from_webhook"))
        };
        wait_until_complete(|| if is_there() { Vec::new() } else { vec![text] }).unwrap();
    }

    fn seen_by_the_person(&self) -> Vec<String> {
        let seen = self.fixture.simulator.ephemeral_posts(&self.fixture.person.user_id);
        seen.into_iter().map(|post| post.message).collect()
    }

    /// Returns the last request to the hooks.
    fn last_request(&self) -> HookRequest {
        self.fixture.simulator.sent_hooks().pop().unwrap().request
    }

    fn status(&self, request: &HookRequest) -> u16 {
        self.fixture.simulator.send_hook(request).answer.unwrap().status
    }
}

/// Returns two addresses at which nothing listens.
fn free_addresses() -> [SocketAddr; 2] {
    [(); 2].map(|()| free_address())
}

fn command(fixture: &Fixture, url: &str) -> String {
    fixture.simulator.create_command(fixture.team(), "deploy", url)
}

fn example() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join("docs/handlers/python/deploy_child.py")).unwrap()
}

#[test]
fn commands_buttons_and_dialogs_of_a_person_end_a_row_of_posts_by_bots() {
    let sink = format!("{CHILD_SINK}[replies]\nloop_limit = 1\n");
    let rig = Rig::with(&sink, &example());
    rig.deploy();
    let post = rig.deploy();
    assert_eq!(rig.press(&post, "reason", None).0, 200);
    let dialog = rig.fixture.simulator.opened_dialogs().pop().unwrap();
    assert_eq!(rig.submit(&dialog, &json!({ "reason": "because it is Friday" })), (200, json!({})));
    rig.fixture.await_post("Deployed 1.1 to staging for @ann. Reason: because it is Friday");
}

/// A request with a change.
fn changed(request: &HookRequest, change: impl FnOnce(&mut HookRequest)) -> HookRequest {
    let mut request = request.clone();
    change(&mut request);
    request
}

/// A request with a text of its body replaced.
fn replaced(request: &HookRequest, old: &str, new: &str) -> HookRequest {
    assert!(request.body.contains(old), "{old} in {request:?}");
    changed(request, |request| request.body = request.body.replace(old, new))
}

/// Forged, changed, replayed, of another account, too large, no JSON, not offered: refused and counted, and nothing is posted.
#[test]
fn what_the_server_did_not_send_is_refused() {
    let rig = Rig::new(&example());
    let post = rig.deploy();
    rig.press(&post, "version", Some("1.0"));
    let good = rig.last_request();
    rig.run("/deploy nowhere");
    let command = rig.last_request();
    let posts = rig.fixture.simulator.posts_in(&rig.fixture.channel);
    let elsewhere = rig.fixture.add_channels(1).pop().unwrap();
    let token = fs::read_to_string(rig.dir.path().join(PATH_OF_TOKEN)).unwrap();
    let at = |path: &str| changed(&good, |request| request.url = format!("{}{path}", rig.url));
    let with_body = |body: &str| changed(&good, |request| request.body = body.to_owned());
    let mut not_offered: Value = serde_json::from_str(&good.body).unwrap();
    not_offered["context"]["selected_option"] = json!("9.9");
    // The person reads what was not offered, so the status is 200.
    for (hook, outcome, status, request) in [
        ("action", "replayed", 409, good.clone()),
        ("action", "forged", 401, replaced(&good, "\"v1.", "\"v1.x")),
        ("action", "forged", 401, replaced(&good, "matterhost", "other")),
        ("action", "unknown_account", 404, at("/hooks/other/action")),
        ("action", "elsewhere", 401, replaced(&good, &rig.fixture.channel, &elsewhere)),
        ("action", "malformed", 400, with_body("{")),
        ("action", "malformed", 400, with_body("[]")),
        ("action", "not_offered", 200, with_body(&not_offered.to_string())),
        ("dialog", "forged", 401, at("/hooks/helpdesk/dialog")),
        ("command", "replayed", 409, command.clone()),
        ("command", "wrong_token", 401, replaced(&command, &token, &"x".repeat(26))),
        ("command", "unknown_command", 404, changed(&command, |request| request.url.push('x'))),
    ] {
        assert_eq!(rig.status(&request), status, "{hook} {outcome}");
        let series = format!("matterhost_hooks_total{{hook=\"{hook}\",outcome=\"{outcome}\"}} ");
        scrape_with(&rig.admin, &[&series]);
    }
    assert_eq!(rig.status(&at("/v1/accounts")), 404, "no route of the API");
    // The connection may end before the body is sent.
    let large = with_body(&format!("{{\"user_id\":\"{}\"}}", "x".repeat(10_000_000)));
    let answer = rig.fixture.simulator.send_hook(&large).answer;
    assert!(answer.as_ref().is_none_or(|answer| answer.status == 413), "{answer:?}");
    assert_eq!(rig.fixture.simulator.posts_in(&rig.fixture.channel), posts, "nothing is posted");
}

/// The secret of the webhook.
pub(crate) const SECRET: &str = "whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw";

/// Serves every request of a webhook with this JSON.
pub(crate) fn serve(listener: TcpListener, answer: &'static str) {
    serve_with(listener, move |_| answer);
}

/// Serves each request of a webhook with the JSON for its body.
fn serve_with(listener: TcpListener, answer: impl Fn(&[u8]) -> &'static str + Clone + Send + 'static) {
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            thread::spawn(move || answer_requests(stream, answer));
        }
    });
}

fn answer_requests(mut stream: TcpStream, answer: impl Fn(&[u8]) -> &'static str) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut length = 0;
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            let mut body = Vec::new();
            reader.by_ref().take(length).read_to_end(&mut body).unwrap();
            let answer = answer(&body);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length";
            // One write: the system would hold the second of two back until the first is acknowledged.
            stream.write_all(format!("{head}: {}\r\n\r\n{answer}", answer.len()).as_bytes()).unwrap();
        }
        line.clear();
    }
}

/// A queue that loses events instead of delaying others is passed by, and a sink without a handler has the event too.
#[test]
fn a_webhook_answers_in_its_response_and_standard_output_has_the_event() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    serve(listener, r#"{"text":"here","response_type":"ephemeral"}"#);
    let sinks = format!(
        "[account_defaults]\nsinks = [\"out\", \"hook\"]\n[sinks.out]\ntype = \"stdout\"\n\
         [sinks.hook]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:{port}/\"\nbest_effort = true\nsecret = \"{SECRET}\"\n"
    );
    let mut rig = Rig::with(&sinks, "");
    let (status, answer) = rig.run("/deploy staging now");
    assert_eq!((status, &answer["text"]), (200, &json!("here")));
    let is_hook = |event: &Value| event["type"] == "com.mattermost.slash_command";
    let event = rig.running.events.wait_for_json("the command", is_hook);
    assert_eq!((&event["data"]["text"], &event["sendername"]), (&json!("staging now"), &json!("ann")));
    assert_eq!((&event["channelname"], &event["teamname"]), (&json!("lobby"), &json!("crew")));
    let text = event.to_string();
    let token = fs::read_to_string(rig.dir.path().join(PATH_OF_TOKEN)).unwrap();
    assert!(!text.contains(&token) && event["data"].get("response_url").is_none(), "{text}");
}

/// A handler that fails, and one that is slow.
const SLOW_AND_FAILING: &str = r#"
import json, os, sys, time
for line in sys.stdin:
    event = json.loads(line)
    if event["type"] != "com.mattermost.slash_command":
        print(json.dumps({"ack": event["id"]}), flush=True)
    elif event["data"]["text"] == "fail":
        print(json.dumps({"reject": event["id"], "cause": "broken"}), flush=True)
    else:
        while not os.path.exists("may-answer"):
            time.sleep(0.01)
        print(json.dumps({"to": event["id"], "action": "reply", "text": "late"}), flush=True)
        print(json.dumps({"ack": event["id"]}), flush=True)
"#;

#[test]
fn a_failing_handler_says_so_and_a_slow_one_answers_later() {
    let rig = Rig::new(SLOW_AND_FAILING);
    let (status, answer) = rig.run("/deploy fail");
    assert_eq!((status, &answer["text"]), (200, &json!("The bot cannot answer now. Try again later.")));
    assert_eq!(answer["response_type"], "ephemeral");
    let (status, answer) = rig.run("/deploy slowly");
    assert_eq!((status, &answer["text"]), (200, &json!("")));
    let took = rig.fixture.simulator.sent_hooks().pop().unwrap().took;
    assert!(took >= Duration::from_secs(3) && took < Duration::from_secs(10), "{took:?}");
    rig.dir.write("may-answer", "");
    rig.await_later_answer("late");
    assert_eq!(rig.seen_by_the_person(), ["The bot cannot answer now. Try again later."]);
}

/// The person has an empty answer at once, and the other one when the handler has it.
#[test]
fn a_webhook_that_takes_a_command_for_later_answers_with_its_reply_token() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let hook = sink(listener.local_addr().unwrap().port());
    let events = take_events(listener);
    let rig = Rig::with(&hook, "");
    let (status, said) = rig.run("/deploy production");
    assert_eq!((status, &said["text"]), (200, &json!("")));
    let token = token_of(&events, "production");
    let api = Api { address: rig.admin.parse().unwrap(), token: None };
    let later = json!({ "action": "reply", "text": "Deployed." });
    let response = answer(&api, &token, &later);
    assert_eq!(response.status, 200, "{}", response.text());
    rig.await_later_answer("Deployed.");
    assert!(rig.seen_by_the_person().is_empty());
}

/// A child that says that it works on a command. The person waits for three seconds, its sink for one.
const WORKING: &str = r#"
import json, os, sys, time
for line in sys.stdin:
    event = json.loads(line)
    if event["type"] == "com.mattermost.slash_command":
        print(json.dumps({"working": event["id"], "for": "1m"}), flush=True)
        while not os.path.exists("may-answer"):
            time.sleep(0.01)
        print(json.dumps({"to": event["id"], "action": "reply", "text": "Deployed."}), flush=True)
    print(json.dumps({"ack": event["id"]}), flush=True)
"#;

#[test]
fn a_child_that_works_on_a_command_is_not_given_up_when_others_would_be() {
    let rig = Rig::with(&format!("{CHILD_SINK}answer_timeout = \"1s\"\n"), WORKING);
    assert_eq!(rig.run("/deploy production").1["text"], "");
    rig.dir.write("may-answer", "");
    rig.await_later_answer("Deployed.");
    assert!(rig.seen_by_the_person().is_empty());
}

/// A handler that answers commands, and leaves everything else unanswered.
const BUSY: &str = r#"
import json, sys
for line in sys.stdin:
    event = json.loads(line)
    if event["type"] == "com.mattermost.slash_command":
        print(json.dumps({"to": event["id"], "action": "reply", "text": "here", "response_type": "ephemeral"}), flush=True)
        print(json.dumps({"ack": event["id"]}), flush=True)
"#;

#[test]
fn a_hook_is_answered_at_once_while_ten_thousand_events_wait() {
    let rig = Rig::new(BUSY);
    for n in 0..10_000 {
        rig.fixture.post(&n.to_string());
    }
    for _ in 0..100 {
        assert_eq!(rig.run("/deploy").1["text"], "here");
    }
    let mut times: Vec<_> = rig.fixture.simulator.sent_hooks().iter().map(|sent| sent.took).collect();
    times.sort();
    assert!(*times.last().unwrap() < Duration::from_secs(3), "{times:?}");
    println!("from the request to the response: p50 {:?}, p99 {:?}", times[50], times[98]);
}
