//! More people, or other clients, than the hooks have room for.

use std::{
    io::Write as _,
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use matterhost_simulator::HookRequest;
use rustix::net::sockopt;

use super::{
    CHILD_SINK, Rig, SECRET,
    load::{Answers, BUSY, QUICK, begin, send},
    serve_with,
};
use crate::{
    admin::http_client,
    metrics::scrape_with,
    program::{Fixture, RunningProgram, wait_until_complete},
};

/// The commands that a handler has at once, and people of whom most can have it.
const PLACES: usize = 256;
const CROWD: usize = 150;

/// The time that a webhook needs for an answer.
const TAKES: Duration = Duration::from_millis(50);

/// Returns a sink `hook` whose webhook needs a moment, and hangs with what says so until the sender is dropped.
fn hanging_webhook() -> (String, mpsc::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (end, hangs) = mpsc::channel::<()>();
    let hangs = Arc::new(Mutex::new(hangs));
    serve_with(listener, move |body| {
        if String::from_utf8_lossy(body).contains("hang") {
            let _ = hangs.lock().unwrap().recv();
        }
        thread::sleep(TAKES);
        r#"{"text":"here","response_type":"ephemeral"}"#
    });
    let sink = format!(
        "[sinks.hook]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:{port}/\"\nsecret = \"{SECRET}\"\n"
    );
    (sink, end)
}

/// The time of a slow request, which is too long in a crowd and not otherwise.
const SLOW: Duration = Duration::from_secs(2);

/// Runs a command as so many people at once.
fn crowd(command: &HookRequest, name: &str, people: usize) -> Answers {
    let mut answers = Answers::default();
    thread::scope(|scope| {
        let ask = |n| scope.spawn(move || send(command, &format!("{name}{n}")));
        let people: Vec<_> = (0..people).map(ask).collect();
        for person in people {
            answers.record(person.join().unwrap(), Duration::ZERO);
        }
    });
    answers
}

/// A webhook that needs a moment has an answer for all; one that hangs has none, and those that it cannot take are told.
#[test]
fn a_crowd_waits_for_its_turn_and_is_told_when_it_does_not_come() {
    let (sink, end) = hanging_webhook();
    // So many that one account may have a connection for each.
    let rig = Rig::limited("max_connections = 2048\n", |_, _| sink, "", RunningProgram::ready);
    rig.run("/deploy staging");
    let command = rig.last_request();
    let answers = crowd(&command, "first", CROWD);
    // On a busy machine some answers come later.
    assert_eq!(answers.times.len() + answers.late, CROWD, "{answers}");
    let answers = crowd(&super::replaced(&command, "staging", "hang"), "second", PLACES + CROWD);
    assert_eq!((answers.late, answers.busy), (PLACES, CROWD), "{answers}");
    drop(end);
}

/// The person hangs up before the place comes that their command waits for, so that no response can say that it did not come.
#[test]
fn a_person_who_has_hung_up_is_told_that_the_bot_was_too_busy() {
    let (sink, end) = hanging_webhook();
    let sinks =
        format!("[account_defaults]\nsinks = [\"out\", \"hook\"]\n[sinks.out]\ntype = \"stdout\"\n{sink}");
    let mut rig = Rig::limited("max_connections = 2048\n", |_, _| sinks, "", RunningProgram::ready);
    rig.run("/deploy staging");
    let command = rig.last_request();
    let answers = crowd(&super::replaced(&command, "staging", "hang"), "first", PLACES);
    assert_eq!(answers.late, PLACES, "{answers}");
    let stream = begin(&super::replaced(&command, "staging", "over"), "over");
    // It waits for a place: the sink beside the handler has the event.
    rig.running.events.wait_for_json("the command", |event| event["data"]["text"] == "over");
    reset(stream);
    let told = || rig.seen_by_the_person().iter().filter(|text| *text == BUSY).count();
    wait_until_complete(|| if told() == 0 { vec![BUSY] } else { Vec::new() }).unwrap();
    assert_eq!(told(), 1);
    drop(end);
}

/// Ends a connection at once, without what is left to send or to read.
fn reset(stream: TcpStream) {
    sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// The fewest connections, and the half that one account may have if no other has any.
const CONNECTIONS: usize = 16;
const SHARE: usize = 8;

#[test]
fn an_account_whose_handler_hangs_leaves_connections_to_others() {
    let (sink, end) = hanging_webhook();
    let more = |fixture: &Fixture, url: &str| {
        let (simulator, team) = (&fixture.simulator, fixture.team());
        let reporter = simulator.create_bot("reporter");
        simulator.add_to_team(team, &reporter.user_id);
        simulator.add_to_channel(&fixture.channel, &reporter.user_id);
        let token = simulator.create_command(team, "report", &format!("{url}/hooks/reports/command/report"));
        format!(
            "[accounts.reports]\ntoken = \"{}\"\nsinks = [\"child\"]\n[accounts.reports.commands.report]\ntoken = \"{token}\"\n\
             [account_defaults]\nsinks = [\"hook\"]\n{CHILD_SINK}{sink}",
            reporter.token
        )
    };
    let settings = format!("max_connections = {CONNECTIONS}\n");
    let rig = Rig::limited(&settings, more, QUICK, RunningProgram::ready);
    rig.run("/deploy staging");
    let hanging = super::replaced(&rig.last_request(), "staging", "hang");
    assert_eq!(rig.run("/report today").0, 200);
    let report = rig.last_request();
    thread::scope(|scope| {
        let many = scope.spawn(|| crowd(&hanging, "hanging", 2 * CONNECTIONS));
        let others = crowd(&report, "report", SHARE / 2);
        assert_eq!(others.busy + others.lost + others.other.len(), 0, "{others}");
        let many = many.join().unwrap();
        // The others may have a part of the half, and on a busy machine some come once the first ones have their answer.
        assert_eq!(many.late + many.busy, 2 * CONNECTIONS, "{many}");
        assert!(many.late >= SHARE / 2 && many.busy > 0, "{many}");
        let counted = format!("matterhost_hooks_total{{hook=\"command\",outcome=\"busy\"}} {}", many.busy);
        scrape_with(&rig.admin, &[&counted]);
    });
    drop(end);
}

/// A request that comes byte by byte, for longer than a client has in a crowd, and in time.
#[test]
fn a_slow_request_is_answered() {
    let rig = Rig::with(CHILD_SINK, QUICK);
    rig.run("/deploy staging");
    let again = super::replaced(&rig.last_request(), "trigger_id=", "trigger_id=another");
    let pace = SLOW / u32::try_from(again.body.len()).unwrap();
    let slow = super::changed(&again, |request| request.pace = Some(pace));
    let sent = rig.fixture.simulator.send_hook(&slow);
    assert!(sent.took >= SLOW, "{:?}", sent.took);
    let answer = sent.answer.unwrap();
    assert!(answer.status == 200 && answer.body.contains("here"), "{answer:?}");
}

/// Clients that send nothing, or a part of a request, have the connections no longer than a moment.
#[test]
fn clients_without_a_request_do_not_keep_out_others() {
    let settings = format!("max_connections = {CONNECTIONS}\n");
    let rig = Rig::limited(&settings, |_, _| CHILD_SINK.to_owned(), QUICK, RunningProgram::ready);
    rig.run("/deploy staging");
    let command = rig.last_request();
    let address = rig.url.strip_prefix("http://").unwrap().parse().unwrap();
    let begins = [
        "",
        "POST /hooks/helpdesk/action HTTP/1.1\r\n",
        "POST /hooks/helpdesk/action HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n{",
    ];
    let open = |n: usize| {
        let mut stream = http_client::connect(address);
        stream.write_all(begins[n % begins.len()].as_bytes()).unwrap();
        stream
    };
    let idle: Vec<TcpStream> = (0..CONNECTIONS).map(open).collect();
    let answer = send(&command, "behind").expect("an answer");
    assert!(answer.contains("here"), "{answer}");
    // The limits of time alone would say so: 408.
    let ended = idle.into_iter().map(http_client::read).filter(Option::is_none).count();
    assert!(ended >= CONNECTIONS / 2, "{ended} of {CONNECTIONS} made room");
}
