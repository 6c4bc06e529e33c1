//! Attacks by a child process that gets the events of an account.

use super::harness::{Attacked, Measured};
use crate::program::Fixture;

/// Attacks with a child that runs this as Python.
fn child(program: &str) -> Measured {
    let fixture = Fixture::new();
    // The first tokens of all simulators are the same.
    let (_, token) = fixture.simulator.create_token(&fixture.bot.user_id);
    let config = format!(
        "[servers.other]\nurl = \"{}\"\n[accounts.victim]\nserver = \"other\"\ntoken = \"{}\"\nsinks = [\"child\"]\n\
         [sinks.child]\ntype = \"exec\"\ncommand = [\"python3\", \"-c\", '''{program}''']\n",
        fixture.simulator.url(),
        token
    );
    let mut n = 0;
    Attacked::start(&config).endure(|| {
        fixture.post(&format!("to the child {n}"));
        n += 1;
    })
}

/// The start of a child that knows the id of its first event.
macro_rules! with_event {
    ($rest:literal) => {
        concat!("import json, sys\nid = json.loads(sys.stdin.readline())['id']\n", $rest)
    };
}

super::rows! {
    a_child_that_fills_its_standard_error => child("
import sys
while True:
    sys.stderr.write('babble ' * 100 + '\\n')
");
    a_child_whose_standard_error_has_no_line_ends => child("
import sys
while True:
    sys.stderr.write('babble ' * 10000)
");
    a_child_that_replies_without_end => child(with_event!("
while True:
    print(json.dumps({'reply': {'to': id, 'text': 'x' * 1000}}), flush=True)
"));
    a_child_that_replies_to_events_that_do_not_exist => child(with_event!("
while True:
    print(json.dumps({'reply': {'to': 'nobody', 'text': 'x' * 1000}}), flush=True)
"));
    a_child_that_babbles => child("
while True:
    print('babble ' * 1000, flush=True)
");
    a_child_whose_line_has_no_end => child("
import sys
while True:
    sys.stdout.write('babble ' * 10000)
");
    a_child_that_reads_nothing => child("
import time
time.sleep(600)
");
}
