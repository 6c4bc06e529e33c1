//! A client of server-sent events.

use std::{
    io::{BufRead as _, BufReader, Read},
    time::Instant,
};

use serde_json::Value;

use super::http_client::{Response, StreamingResponse};
use crate::program::DEADLINE;

/// A stream of events.
pub(crate) struct EventStream {
    pub(crate) head: Response,
    lines: BufReader<Box<dyn Read + Send>>,
    /// The id of the last event.
    pub(crate) last: Option<String>,
}

/// An event of the stream.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: Value,
}

impl EventStream {
    pub(crate) fn of(StreamingResponse { answer, body }: StreamingResponse) -> Self {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("text/event-stream"));
        Self { head: answer, lines: BufReader::new(body), last: None }
    }

    /// Returns the next event, or `None` if the stream has ended.
    pub(crate) fn next(&mut self) -> Option<Event> {
        self.next_before(Instant::now() + DEADLINE)
    }

    fn next_before(&mut self, end: Instant) -> Option<Event> {
        let mut event = Event { name: String::new(), data: Value::Null };
        loop {
            let line = self.line()?;
            // Checked per line, because comments keep arriving.
            assert!(Instant::now() < end, "no matching event in time");
            match line.split_once(": ") {
                Some(("id", id)) => self.last = Some(id.to_owned()),
                Some(("event", name)) => name.clone_into(&mut event.name),
                Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                None if line.is_empty() && !event.name.is_empty() => return Some(event),
                _ => {}
            }
        }
    }

    /// Returns the next line.
    pub(crate) fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(line.trim_end().to_owned()),
            Err(error) => panic!("cannot read the stream: {error}"),
        }
    }

    /// Waits for an event that satisfies the condition.
    pub(crate) fn wait_for(&mut self, what: &str, holds: impl Fn(&Event) -> bool) -> Event {
        self.until_before(Instant::now() + DEADLINE, what, holds)
    }

    fn until_before(&mut self, end: Instant, what: &str, holds: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = self.next_before(end).unwrap_or_else(|| panic!("the stream ended before {what}"));
            if holds(&event) {
                return event;
            }
        }
    }

    /// Waits for this fact.
    pub(crate) fn wait_for_fact(&mut self, fact: &str) -> Value {
        self.wait_for(fact, |event| event.name == "fact" && event.data["fact"] == fact).data
    }

    /// Waits for a row of this account that satisfies the condition.
    pub(crate) fn wait_for_row(&mut self, name: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + DEADLINE;
        loop {
            let rows = self.until_before(end, name, |event| event.name == "rows").data;
            let row = rows["accounts"].as_array().unwrap().iter().find(|row| row["name"] == name);
            if let Some(row) = row.filter(|row| holds(row)) {
                return row.clone();
            }
        }
    }
}
