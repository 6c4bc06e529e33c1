//! The runbook "why does a bot not answer?": each trouble is found with the commands that `matterhost --help` names.

use matterhost_simulator::{Fault, FaultKind};

use crate::{
    program::{output, text},
    sinks_view::Host,
    unread_output::UnreadPipe,
};

/// A command, and the words that it must show.
type Step<'a> = (&'a [&'a str], &'a [&'a str]);

/// Runs each command until it shows what is expected.
fn finds(host: &Host, steps: &[Step<'_>]) {
    for (command, words) in steps {
        host.run_until(command, |output| {
            // The tables align their columns.
            let flat = output.split_whitespace().collect::<Vec<_>>().join(" ");
            words.iter().all(|word| flat.contains(word))
        });
    }
}

/// Returns the configuration of a second sink without its type.
fn second_sink(name: &str) -> String {
    format!("[account_defaults]\nsinks = [\"child\", \"{name}\"]\n[sinks.{name}]\n")
}

#[test]
fn the_help_leads_to_the_commands() {
    let help = text(&output(&["--help"]).stdout);
    let (_, part) = help.split_once("A bot does not answer?").unwrap();
    for command in ["matterhost status NAME", "matterhost sinks", "matterhost dead-letter list"] {
        assert!(part.contains(command), "{help}");
    }
}

#[test]
fn an_event_that_kills_the_handler_is_found_while_it_does_and_afterwards() {
    let host = Host::new("", &[]);
    let id = host.fixture.post("die");
    finds(
        &host,
        &[
            (&["sinks", "child"], &["exit status: 3", "| no such drug", &id]),
            (&["dead-letter", "list"], &[&id, "the handler failed 3 times with this event"]),
            (&["sinks"], &["child exec running", "1 running"]),
        ],
    );
    host.fixture.post("hello");
    host.fixture.await_post("heard hello");
}

#[test]
fn an_event_that_takes_long_is_found_with_its_slot() {
    let host = Host::new("", &[]);
    let id = host.fixture.post("keep");
    let waits = format!("event {id} of account helpdesk, channel {}", host.fixture.channel);
    finds(
        &host,
        &[
            (&["status", "helpdesk"], &["ready", "1 unacknowledged"]),
            (&["sinks", "child"], &["not answered for", &waits, "in use: 1 helpdesk"]),
        ],
    );
}

#[test]
fn an_account_that_takes_all_slots_is_found_at_the_sink() {
    let host = Host::new("in_flight = 2\n", &[]);
    let channels = host.fixture.add_channels(3);
    for channel in &channels {
        host.fixture.simulator.post(&host.fixture.person.user_id, channel, "keep");
    }
    finds(
        &host,
        &[
            (&["sinks", "child"], &["slots 2, in use: 2 helpdesk", "not answered for"]),
            (&["status", "helpdesk"], &["ready", "3 unacknowledged"]),
        ],
    );
    host.dir.write("works", "");
    host.run_until(&["sinks", "child"], |sink| sink.contains("in use: none"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_found_at_the_sink() {
    let host = Host::new(&(second_sink("archive") + "type = \"file\"\npath = \"/dev/full\"\n"), &[]);
    host.fixture.post("hello");
    finds(&host, &[(&["sinks", "archive"], &["retrying", "No space left"])]);
    host.fixture.await_post("heard hello");
}

#[test]
fn a_standard_output_that_nobody_reads_is_found_at_the_sink() {
    let pipe = UnreadPipe::new();
    pipe.fill();
    let output = pipe.writer.try_clone().unwrap();
    let host = Host::with_output(&(second_sink("output") + "type = \"stdout\"\n"), output);
    let id = host.fixture.post("hello");
    finds(&host, &[(&["sinks", "output"], &["not answered for", &id])]);
    host.fixture.await_post("heard hello");
}

#[test]
fn an_event_that_is_deferred_is_found_with_the_commands_that_end_the_wait() {
    let host = Host::new("", &[]);
    let id = host.fixture.post("later");
    let remedies = ["matterhost sink retry-now child", "matterhost sink skip child"];
    finds(
        &host,
        &[
            (&["status"], &["ready", "1 channel waits", "sink child: the handler asked for a retry"]),
            (&["status", "helpdesk"], &[&id, "1 channel waits"]),
            (&["sinks", "child"], &["retrying", &id, remedies[0], remedies[1]]),
        ],
    );
}

#[test]
fn an_event_that_the_handler_refuses_is_found_among_the_dead_letters() {
    let host = Host::new("", &[]);
    let id = host.fixture.post("refuse");
    finds(
        &host,
        &[(&["sinks", "child"], &["dead letters 1"]), (&["dead-letter", "list"], &[&id, "not for me"])],
    );
}

#[test]
fn an_answer_that_the_server_refuses_is_found_at_the_sink_and_among_the_dead_letters() {
    let host = Host::new("", &[]);
    host.fixture.simulator.inject(Fault::new(FaultKind::Forbidden).route("POST /posts"));
    let id = host.fixture.post("hello");
    finds(
        &host,
        &[
            (&["sinks", "child"], &["a reply cannot be posted, it is a dead letter", &id, "dead letters 1"]),
            (&["dead-letter", "list"], &[&id]),
        ],
    );
}

#[test]
fn an_answer_in_a_loop_of_bots_is_found_at_the_sink() {
    let host = Host::new("[replies]\nloop_limit = 1\n", &[]);
    let other = host.fixture.simulator.create_bot("parrot");
    host.fixture.simulator.add_to_team(host.fixture.team(), &other.user_id);
    host.fixture.simulator.add_to_channel(&host.fixture.channel, &other.user_id);
    // The parrot answers each answer at once, until one is refused.
    for n in 0..20 {
        host.fixture.simulator.post(&other.user_id, &host.fixture.channel, &format!("squawk {n}"));
        let is_refused = |sink: &str| sink.contains("cannot be posted");
        let answer = format!("heard squawk {n}");
        let sink = host.run_until(&["sinks", "child"], |sink| {
            is_refused(sink) || host.fixture.bot_posts().contains(&answer)
        });
        if is_refused(&sink) {
            break;
        }
    }
    finds(
        &host,
        &[(&["sinks", "child"], &["a reply cannot be posted, it is dropped", "are by bots of this host"])],
    );
}

#[test]
fn an_event_that_never_reaches_the_handler_is_found_by_the_key_of_its_filter() {
    let host = Host::new("", &[]);
    let config = std::fs::read_to_string(host.dir.path().join("matterhost.toml")).unwrap();
    let change = |key: &str| {
        let changed = format!("events = [\"posted\"]\n{key}");
        host.dir.write("matterhost.toml", &config.replace("events = [\"posted\"]", &changed));
        host.run(&["reload"]);
    };
    change("mentions_only = true");
    host.fixture.post("hello");
    finds(&host, &[(&["sinks", "child"], &["left out", "1 by mentions_only"])]);
    change("recovered = \"last\"");
    host.run(&["stop", "helpdesk"]);
    for words in ["one", "two", "three"] {
        host.fixture.post(words);
    }
    host.run(&["start", "helpdesk"]);
    host.fixture.await_post("heard three");
    finds(&host, &[(&["sinks", "child"], &["2 by recovered"])]);
    assert_eq!(host.fixture.bot_posts(), ["heard three"]);
}
