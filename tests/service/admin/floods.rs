//! Floods of requests and connections.

use std::{
    collections::BTreeMap,
    io::Write as _,
    net::TcpStream,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use matterhost_simulator::{Fault, FaultKind, Target};
use serde_json::json;

use super::{
    host::{ANY_PORT, AdminHost, Api, READ_TOKEN, REQUEST_INTERVAL, TOKEN, add_bot},
    http_client,
    isolation::assert_bots_unaffected,
    sse::EventStream,
};
use crate::program::{DEADLINE, Fixture};

/// The responses with the expected status after which a thread ends its flood.
const RESPONSES: usize = 250;
const THREADS: usize = 4;
/// Requests a second that a caller may make, and guesses of a token.
const REQUESTS: u128 = 200;
const GUESSES: u128 = 20;
/// The time whose requests are admitted in addition: the bucket is full at first, and a machine under load is late.
const EXTRA: Duration = Duration::from_secs(2);

/// Requests as fast as possible.
#[derive(Clone, Copy)]
struct Flood {
    path: &'static str,
    token: Option<&'static str>,
    /// The status of the responses that end the flood once there are enough.
    until: u16,
}

/// The responses to a flood.
#[derive(Debug)]
struct Flooded {
    counts: BTreeMap<u16, usize>,
    took: Duration,
}

impl Flood {
    fn new(path: &'static str, token: Option<&'static str>, until: u16) -> Self {
        Self { path, token, until }
    }

    /// Sends requests from several threads.
    fn send(self, api: Api) -> Flooded {
        let began = Instant::now();
        let threads: Vec<_> = (0..THREADS).map(|_| thread::spawn(move || self.send_some(api))).collect();
        let mut counts = BTreeMap::<u16, usize>::new();
        for (status, count) in threads.into_iter().flat_map(|thread| thread.join().unwrap()) {
            *counts.entry(status).or_default() += count;
        }
        let flooded = Flooded { counts, took: began.elapsed() };
        println!("{}: {:?} within {} ms", self.path, flooded.counts, flooded.took.as_millis());
        flooded
    }

    fn send_some(self, api: Api) -> BTreeMap<u16, usize> {
        let bearer = self.token.map(|token| format!("Bearer {token}"));
        let lines: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        let anonymous = Api { token: None, ..api };
        let (end, mut counts) = (Instant::now() + DEADLINE, BTreeMap::<u16, usize>::new());
        while counts.get(&self.until).is_none_or(|count| *count < RESPONSES) {
            assert!(Instant::now() < end, "too few responses {}: {counts:?}", self.until);
            *counts.entry(anonymous.request("GET", self.path, &lines, b"").status).or_default() += 1;
        }
        counts
    }

    /// Sends the requests, and checks that an operator always gets a response meanwhile.
    fn send_beside_operator(self, host: &AdminHost) -> Flooded {
        let api = host.api;
        let flooding = thread::spawn(move || self.send(api));
        let slowest = slowest_response(host, || flooding.is_finished());
        println!("slowest response to the operator: {} ms", slowest.as_millis());
        flooding.join().unwrap()
    }
}

impl Flooded {
    /// Checks that no more requests than a rate allows got a status.
    fn assert_at_most(&self, per_second: u128, status: u16) {
        let most = (self.took + EXTRA).as_millis() * per_second / 1_000;
        assert!(self.counts.get(&status).is_none_or(|count| *count as u128 <= most), "{self:?}");
    }

    fn assert_statuses(&self, statuses: &[u16]) {
        assert_eq!(self.counts.keys().copied().collect::<Vec<_>>(), statuses);
    }
}

/// Asks for the accounts as an operator does, until something is over.
fn slowest_response(host: &AdminHost, is_over: impl Fn() -> bool) -> Duration {
    let mut slowest = Duration::ZERO;
    while !is_over() {
        let began = Instant::now();
        assert_eq!(host.get("/v1/accounts").status, 200);
        slowest = slowest.max(began.elapsed());
        thread::sleep(Duration::from_millis(50));
    }
    slowest
}

#[test]
fn requests_without_rights_do_not_delay_others() {
    assert_bots_unaffected("", |host| {
        Flood::new("/v1/accounts", None, 401).send_beside_operator(host).assert_statuses(&[401]);
        let guesses = Flood::new("/v1/accounts", Some("guess-0123456789abcdef"), 429);
        guesses.send_beside_operator(host).assert_at_most(GUESSES, 401);
        Flood::new("/openapi.json", None, 429).send_beside_operator(host).assert_at_most(REQUESTS, 200);
    });
}

#[test]
fn probes_are_answered_however_many_there_are() {
    assert_bots_unaffected("", |host| {
        for path in ["/livez", "/readyz"] {
            Flood::new(path, None, 200).send_beside_operator(host).assert_statuses(&[200]);
        }
    });
}

#[test]
fn callers_who_may_read_or_act_use_up_no_requests_of_an_operator() {
    const ACTING: &str = "mustnotshow-act-60303ae2";
    let tokens = format!(
        "token = \"{TOKEN}\"\nread_token = \"{READ_TOKEN}\"\n\
         [admin.tokens.job]\nscope = \"act\"\naccounts = [\"helpdesk\"]\ntoken = \"{ACTING}\"\n"
    );
    let host = AdminHost::ready(&tokens);
    for token in [READ_TOKEN, ACTING] {
        let flood = Flood::new("/v1/instance", Some(token), 429);
        flood.send_beside_operator(&host).assert_at_most(REQUESTS, 200);
    }
}

#[test]
fn authorized_requests_have_a_limit_too() {
    assert_bots_unaffected("", |host| {
        Flood::new("/v1/instance", host.token, 429).send(host.api).assert_at_most(REQUESTS, 200);
        // Requests are admitted again, and enough of them for the checks that follow.
        let (end, mut admitted) = (Instant::now() + DEADLINE, 0);
        while admitted < 20 {
            assert!(Instant::now() < end);
            thread::sleep(REQUEST_INTERVAL);
            admitted += usize::from(host.get("/v1/instance").status == 200);
        }
    });
}

#[test]
fn connections_over_the_limit_wait_for_their_turn() {
    assert_bots_unaffected("max_connections = 64\nmax_streams = 8\n", |host| {
        let open = |_| TcpStream::connect_timeout(&host.address, Duration::from_millis(50)).ok();
        let open: Vec<_> = (0..400).filter_map(open).collect();
        let flooded = Instant::now();
        println!("{} of 400 connections were open at once; the limit is 64", open.len());
        // The idle connections are closed, and a client waiting behind them gets a response.
        let mut waiting = http_client::connect(host.address);
        waiting.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        assert_eq!(http_client::read(waiting).unwrap().status, 200);
        println!("/livez answered {} ms after the flood", flooded.elapsed().as_millis());
    });
}

#[test]
fn a_thousand_clients_get_every_fact() {
    const LISTENERS: usize = 1_000;
    assert_bots_unaffected("max_connections = 1200\nmax_streams = 1100\n", |host| {
        let began = Instant::now();
        let listen = |n: usize| {
            // A fixed pause rather than a schedule, which would catch up in a burst on a loaded machine.
            thread::sleep(REQUEST_INTERVAL);
            host.stream(["/v1/events", "/v1/watch"][n % 2], &[])
        };
        let mut streams: Vec<EventStream> = (0..LISTENERS).map(listen).collect();
        println!(
            "{LISTENERS} streams open after {} ms, with {} KiB",
            began.elapsed().as_millis(),
            host.memory_kib()
        );
        assert_eq!(host.post("/v1/accounts/helpdesk/reset").status, 202);
        let reset = Instant::now();
        for (n, stream) in streams.iter_mut().enumerate() {
            match n % 2 {
                0 => drop(stream.wait_for_fact("budget_reset")),
                _ => drop(stream.wait_for_row("helpdesk", |_| true)),
            }
        }
        println!("all streams received it after {} ms", reset.elapsed().as_millis());
        assert_eq!(host.get("/livez").status, 200);
    });
}

#[test]
fn streams_over_the_limit_are_refused_and_other_requests_work() {
    assert_bots_unaffected("", |host| {
        let mut open = Vec::new();
        let refused = loop {
            let response = try_listen(host);
            if response.answer.status != 200 {
                break response.answer;
            }
            open.push(response);
        };
        println!("{} streams are open by default, and the next gets {}", open.len(), refused.status);
        assert_eq!((open.len(), refused.status), (256, 429));
        assert!(refused.header("retry-after").is_some());
        for path in ["/livez", "/readyz", "/v1/accounts"] {
            assert_eq!(host.get(path).status, 200, "{path}");
        }
        drop(open);
        // The host notices when it writes its second comment to them, which takes half a minute.
        let end = Instant::now() + 2 * DEADLINE;
        while try_listen(host).answer.status != 200 {
            assert!(Instant::now() < end, "the permits are not released");
            thread::sleep(Duration::from_millis(100));
        }
    });
}

fn try_listen(host: &AdminHost) -> http_client::StreamingResponse {
    thread::sleep(REQUEST_INTERVAL);
    host.request_streaming("/v1/events", &[])
}

/// While a server refuses the posts of one account, its actions wait, and have a share of the connections.
#[test]
fn an_account_whose_actions_wait_leaves_connections_to_others() {
    const SHARE: usize = 4;
    let fixture = Fixture::new();
    let (_, alerts) = add_bot(&fixture, "alerts");
    let bot = fixture.bot.user_id.clone();
    let host =
        AdminHost::start(fixture, &format!("{alerts}{ANY_PORT}max_connections = 16\nmax_streams = 4\n"));
    host.await_state("helpdesk", "ready");
    host.await_state("alerts", "ready");
    let simulator = &host.fixture.simulator;
    let refused = Target::UserRoute(bot, "POST /posts".into());
    let fault = simulator.inject(Fault::new(FaultKind::ServerError).target(refused));
    let post = json!({ "action": "post", "target": host.fixture.channel, "text": "waits" });
    let api = host.api;
    let act = |name: &str| api.send("POST", &format!("/v1/accounts/{name}/actions"), &post);
    let (told, answers) = mpsc::channel();
    thread::scope(|scope| {
        for told in vec![told; 2 * SHARE] {
            scope.spawn(move || told.send(act("helpdesk")).unwrap());
        }
        for _ in 0..SHARE {
            let answer = answers.recv_timeout(DEADLINE).unwrap();
            assert_eq!(answer.problem(503), "too many actions of account helpdesk wait for its server");
            assert!(answer.header("retry-after").is_some());
        }
        assert_eq!(act("alerts").status, 200);
        assert_eq!(host.get("/v1/accounts").status, 200);
        simulator.clear_fault(fault);
        for _ in 0..SHARE {
            assert_eq!(answers.recv_timeout(DEADLINE).unwrap().status, 200);
        }
    });
}
