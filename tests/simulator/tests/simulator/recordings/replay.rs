//! Plays a recording's requests against a simulator and notes every difference.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use matterhost_simulator::{PostOptions, Simulator, SimulatorBuilder, Timings};
use serde_json::{Value, json};

use super::compare::{Ids, compare, same_text};
use super::integration::{Integration, comparable, trigger};
use super::known_differences::KnownDifferences;
use crate::client::{Response, Socket, SocketEnd, TIMEOUT, rest};

/// The admin of the recordings of 5.37, but the one below.
pub(crate) const ADMIN: &str = "f3em7t6rctr4uk3uix4qhumicr";
/// The admin of `own_changes`, which was recorded later.
const ADMIN_OWN_CHANGES: &str = "u5wcre5gitgifjsqhe1e5jzd9w";
/// The admin of the recordings of 11.1.
pub(crate) const ADMIN_11_1: &str = "qaecr7krifn7dk36x1eesefkha";

/// The recorder's integration, and the server's own address, as the recordings have them.
const RECORDED_INTEGRATION: &str = "127.0.0.1:18999";
const RECORDED_SITE: &str = "127.0.0.1:8165";

/// The time that a request and the events that it causes take, in seconds.
const CAUSED_WITHIN_S: f64 = 0.05;

/// One recording on its way.
pub(crate) struct Replay {
    pub(crate) simulator: Simulator,
    pub(crate) ids: Ids,
    /// Tokens by the name of the caller or socket; the part before `-` will do.
    pub(crate) tokens: HashMap<String, String>,
    /// Ids of those tokens.
    pub(crate) token_ids: HashMap<String, String>,
    /// Sockets that the recorder cut; where others end without a close frame the server did it.
    pub(crate) cuts: &'static [&'static str],
    /// Users who joined channels before the recording shows the post about it.
    pub(crate) joins: Vec<(String, String)>,
    /// Posts that the script made itself: they are not made again when they are seen.
    made: Vec<String>,
    /// Times of the recording that stand in requests, and what they are here.
    pub(crate) times: HashMap<String, i64>,
    /// Posts made when they are seen get times as far apart as in the recording, whose order they were made in.
    pub(crate) keeps_times: bool,
    /// Requests made posts whose events were recorded before their answers.
    pub(crate) requests_first: bool,
    /// The time between the recording and now, in milliseconds, where times are kept.
    offset: Option<i64>,
    sockets: HashMap<String, Socket>,
    integration: Integration,
    /// Recorded requests to it, with their lines, that have not been made yet.
    hooks: Vec<(usize, Value)>,
    /// Triggers of the recording, and what they are here.
    triggers: Vec<(String, String)>,
    scenario: &'static str,
    known_differences: KnownDifferences,
    found: BTreeSet<(usize, String)>,
}

impl Replay {
    pub(crate) fn with(scenario: &'static str, builder: SimulatorBuilder) -> Self {
        let timings = Timings { auth_timeout: std::time::Duration::from_millis(300), ..Timings::default() };
        let simulator = builder.timings(timings).start().expect("a simulator");
        let mut replay = Self {
            ids: Ids::default(),
            tokens: HashMap::from([
                ("admin".to_owned(), simulator.admin().token),
                ("bad".to_owned(), "x".repeat(26)),
            ]),
            token_ids: HashMap::new(),
            cuts: &[],
            joins: Vec::new(),
            made: Vec::new(),
            times: HashMap::new(),
            keeps_times: false,
            requests_first: false,
            offset: None,
            sockets: HashMap::new(),
            integration: Integration::start(),
            hooks: Vec::new(),
            triggers: Vec::new(),
            scenario,
            known_differences: KnownDifferences::of(scenario),
            found: BTreeSet::new(),
            simulator,
        };
        let admin = replay.simulator.admin().user_id;
        replay.ids.bind(replay.recorded_admin(), &admin);
        replay
    }

    /// Plays all lines; the script is called before each with the line's number and itself.
    pub(crate) fn run(mut self, mut script: impl FnMut(&mut Self, usize, &Value)) {
        let path = format!("{}/../fixtures/wire/{}.jsonl", env!("CARGO_MANIFEST_DIR"), self.scenario);
        let text = fs::read_to_string(path).expect("a recording");
        let text = text
            .replace(RECORDED_INTEGRATION, &self.integration.address.to_string())
            .replace(RECORDED_SITE, &self.simulator.address().to_string())
            .replace(&encoded(RECORDED_SITE), &encoded(&self.simulator.address().to_string()));
        let mut lines: Vec<(usize, Value)> = text
            .lines()
            .enumerate()
            .map(|(at, line)| (at + 1, serde_json::from_str(line).expect("JSON")))
            .collect();
        self.reorder(&mut lines);
        if self.requests_first || lines.iter().any(|(_, line)| line.get("hook").is_some()) {
            requests_before_their_events(&mut lines);
            answers_before_their_posts(&mut lines);
        }
        for at in 0..lines.len() {
            let (number, line) = &lines[at];
            script(&mut self, *number, line);
            if line.get("send").is_some() {
                self.cause_before_reply(&lines[at..]);
            }
            self.play(*number, line);
        }
        let found = std::mem::take(&mut self.found);
        self.known_differences.check(self.scenario, &found);
    }

    /// Lines listed as `order` change places with the socket's next one.
    fn reorder(&mut self, lines: &mut [(usize, Value)]) {
        for number in self.known_differences.lines_with("order") {
            let at = number - 1;
            let conn = lines[at].1["conn"].clone();
            let other = (at + 1..lines.len())
                .find(|next| lines[*next].1["conn"] == conn && lines[*next].1.get("recv").is_some());
            lines.swap(at, other.expect("a line to change places with"));
            self.found.insert((number, "order".to_owned()));
        }
    }

    fn play(&mut self, number: usize, line: &Value) {
        let conn = line["conn"].as_str().unwrap_or_default().to_owned();
        if let Some(rest) = line.get("rest") {
            self.play_rest(number, &conn, rest);
            self.compare_hooks();
        } else if let Some(hook) = line.get("hook") {
            self.integration.answer_as(hook);
            self.hooks.push((number, hook.clone()));
        } else if line.get("open").is_some() {
            self.open(&conn, line);
        } else if let Some(text) = line["send"].as_str() {
            let token = self.token(&conn).unwrap_or_default();
            self.socket(&conn).send(&text.replace("<token>", &token));
        } else if let Some(text) = line["recv"].as_str() {
            self.recv(number, &conn, text);
        } else if line.get("close").is_some() {
            self.close(number, &conn, &line["close"]);
        }
    }

    fn play_rest(&mut self, number: usize, conn: &str, rest: &Value) {
        let method = rest["method"].as_str().expect("a method");
        let path = self.translate(rest["path"].as_str().expect("a path"));
        let mut body = self.ids.translate_value(&rest["body"]);
        let known = self.triggers.iter().find(|(recorded, _)| rest["body"]["trigger_id"] == **recorded);
        if let Some((_, simulated)) = known {
            body["trigger_id"] = json!(simulated);
        }
        let body = Some(body).filter(|body| !body.is_null());
        let answer = self.rest(conn, method, &path, body.as_ref());
        let headers: serde_json::Map<String, Value> = rest["headers"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(name, _)| Some((name.clone(), json!(answer.header(name)?))))
            .collect();
        let simulated = json!({ "status": answer.status, "headers": headers, "answer": answer.json() });
        let recorded = json!({
            "status": rest["status"], "headers": rest["headers"], "answer": rest["answer"]
        });
        let fewer = self.known_differences.has(number, "fewer");
        for path in compare(&recorded["answer"], &simulated["answer"], &mut self.ids) {
            self.differs(number, if fewer && path.ends_with(" is missing") { "fewer" } else { &path });
        }
        for part in ["status", "headers"] {
            for path in compare(&recorded[part], &simulated[part], &mut self.ids) {
                self.differs(number, &format!("{part}{path}"));
            }
        }
    }

    fn compare_hooks(&mut self) {
        for (number, recorded) in std::mem::take(&mut self.hooks) {
            let request = self.integration.request();
            self.triggers.extend(trigger(&recorded).zip(trigger(&request)));
            let simulated = comparable(&request);
            for path in compare(&comparable(&recorded), &simulated, &mut self.ids) {
                self.differs(number, &path);
            }
        }
    }

    /// A request of one of the recording's callers.
    pub(crate) fn rest(&self, conn: &str, method: &str, path: &str, body: Option<&Value>) -> Response {
        rest(self.simulator.address(), method, path, self.token(conn).as_deref(), body)
    }

    /// A request of the admin that is not recorded.
    pub(crate) fn admin(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.rest("admin", method, &format!("/api/v4{path}"), Some(body));
        assert!(answer.status < 300, "{method} {path}: {}", answer.body);
        answer.json()
    }

    fn translate(&self, path: &str) -> String {
        let mut path = self.ids.translate(path);
        for (recorded, simulated) in &self.times {
            path = path.replace(recorded, &simulated.to_string());
        }
        path
    }

    fn token(&self, conn: &str) -> Option<String> {
        let name = conn.split('-').next().unwrap_or(conn);
        self.tokens.get(conn).or_else(|| self.tokens.get(name)).cloned()
    }

    fn open(&mut self, conn: &str, line: &Value) {
        let query = self.ids.translate(line["query"].as_str().expect("a query"));
        let token = self.token(conn).filter(|_| line["authorization"] == true);
        let socket = Socket::open(self.simulator.address(), token.as_deref(), &query);
        self.sockets.insert(conn.to_owned(), socket);
    }

    pub(crate) fn socket(&mut self, conn: &str) -> &mut Socket {
        self.sockets.get_mut(conn).expect("an open socket")
    }

    fn recv(&mut self, number: usize, conn: &str, text: &str) {
        if self.known_differences.has(number, "missing") {
            self.found.insert((number, "missing".to_owned()));
            return;
        }
        let recorded: Value = serde_json::from_str(text).expect("JSON");
        self.cause(&recorded);
        let simulated = self.socket(conn).recv();
        let simulated = self.hide_tokens(simulated);
        let value: Value = serde_json::from_str(&simulated).expect("JSON");
        let paths = compare(&recorded, &value, &mut self.ids);
        // Replies name statuses by user id, sorted: their bytes hang on the ids.
        let event = recorded.get("event").is_some();
        if event && paths.is_empty() && !same_text(text, &simulated, &mut self.ids) {
            self.differs(number, "text");
        }
        for path in paths {
            self.differs(number, &path);
        }
    }

    fn hide_tokens(&self, text: String) -> String {
        let tokens = self.tokens.iter().filter(|(name, _)| *name != "bad");
        tokens.fold(text, |text, (_, token)| text.replace(token, "<token>"))
    }

    /// Makes the post of an event that nobody has made yet: the recorder made it by a way not recorded.
    fn cause(&mut self, event: &Value) {
        if event["event"] != "posted" {
            return;
        }
        let text = event["data"]["post"].as_str().expect("a post");
        let post: Value = serde_json::from_str(text).expect("JSON");
        let text = |name: &str| post[name].as_str().expect("a text").to_owned();
        if self.ids.knows(&text("id")) {
            return;
        }
        let join = (text("channel_id"), post["props"]["addedUserId"].as_str().unwrap_or("").to_owned());
        let is_answer = post["props"]["from_webhook"] == "true";
        if is_answer || (!text("type").is_empty() && !self.joins.contains(&join)) {
            // A request of the recording made it.
            return;
        }
        self.joins.retain(|known| *known != join);
        if let Some(made) = self.made.iter().position(|message| *message == text("message")) {
            self.made.remove(made);
            return;
        }
        let mentions = event["data"]["mentions"].as_str().filter(|_| !text("type").is_empty());
        let mentions = mentions.map(|ids| serde_json::from_str(&self.ids.translate(ids)).expect("ids"));
        let create_at = self.kept_time(post["create_at"].as_i64().expect("a time"));
        self.simulator.post_with(&PostOptions {
            user_id: self.ids.translate(&text("user_id")),
            channel_id: self.ids.translate(&text("channel_id")),
            message: text("message"),
            kind: text("type"),
            props: self.ids.translate_value(&post["props"]).as_object().cloned().expect("props"),
            mentions: mentions.unwrap_or_default(),
            create_at,
            ..PostOptions::default()
        });
        // It is seen at once by this socket, and later by others: the id is bound by then.
    }

    /// The time of a recorded post here, where times are kept: that of the first one is now.
    fn kept_time(&mut self, recorded: i64) -> Option<i64> {
        if !self.keeps_times {
            return None;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_millis();
        let now = i64::try_from(now).expect("a time");
        Some(recorded + *self.offset.get_or_insert(now - recorded))
    }

    /// Makes the posts that a socket hears between a request and its reply: they were on their way before the request.
    fn cause_before_reply(&mut self, lines: &[(usize, Value)]) {
        let conn = &lines[0].1["conn"];
        for (_, line) in lines.iter().filter(|(_, line)| line["conn"] == *conn).skip(1) {
            let Some(text) = line["recv"].as_str() else {
                return;
            };
            let frame: Value = serde_json::from_str(text).expect("JSON");
            if frame.get("status").is_some() {
                return;
            }
            if frame["event"] == "posted" {
                self.cause(&frame);
                let post = frame["data"]["post"].as_str().expect("a post");
                let post: Value = serde_json::from_str(post).expect("JSON");
                self.made.push(post["message"].as_str().expect("a message").to_owned());
            }
        }
    }

    fn recorded_admin(&self) -> &'static str {
        match self.scenario {
            "own_changes" => ADMIN_OWN_CHANGES,
            scenario if scenario.starts_with("11.1/") => ADMIN_11_1,
            _ => ADMIN,
        }
    }

    /// Makes a post that is seen later, if ever.
    pub(crate) fn post(&mut self, channel: &str, text: &str) {
        let (admin, channel) = (self.ids.translate(self.recorded_admin()), self.ids.translate(channel));
        self.simulator.post(&admin, &channel, text);
        self.made.push(text.to_owned());
    }

    fn close(&mut self, number: usize, conn: &str, code: &Value) {
        let mut socket = self.sockets.remove(conn).expect("an open socket");
        if code == 1000 {
            if !socket.is_quiet() {
                self.differs(number, "frame is new");
            }
            let _ = socket.socket.close(None);
            socket.end();
        } else if self.cuts.contains(&conn) {
            let open = self.simulator.counters().total_open_sockets();
            socket.disconnect();
            let gone = self.simulator.wait_for(|c| c.total_open_sockets() < open, TIMEOUT);
            assert!(gone, "the server noticed that {conn} was cut");
        } else {
            assert_eq!(socket.end(), SocketEnd::Dropped, "line {number}: the server drops {conn}");
        }
    }

    fn differs(&mut self, number: usize, path: &str) {
        self.found.insert((number, path.trim_start_matches('.').to_owned()));
    }
}

/// Puts each request before the events that it caused: those were recorded when they came, it with its answer.
fn requests_before_their_events(lines: &mut [(usize, Value)]) {
    let time = |line: &Value| line["t"].as_f64().expect("a time");
    for at in 0..lines.len() {
        let mut at = at;
        let is_request = lines[at].1.get("rest").is_some();
        while is_request && at > 0 {
            let (before, request) = (&lines[at - 1].1, &lines[at].1);
            if before.get("recv").is_none() || time(request) - time(before) > CAUSED_WITHIN_S {
                break;
            }
            lines.swap(at - 1, at);
            at -= 1;
        }
    }
}

/// Puts what an outgoing webhook answers before the post that the server asks it about.
fn answers_before_their_posts(lines: &mut [(usize, Value)]) {
    for at in 1..lines.len() {
        let is_outgoing =
            lines[at].1["hook"]["body"].as_str().is_some_and(|body| body.contains("trigger_word"));
        let post = lines[..at].iter().rposition(|(_, line)| line["rest"]["path"] == "/api/v4/posts");
        if let Some(post) = post.filter(|_| is_outgoing) {
            lines[post..=at].rotate_right(1);
        }
    }
}

/// An address as a form has it.
fn encoded(address: &str) -> String {
    address.replace(':', "%3A")
}
