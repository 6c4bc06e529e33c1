//! A parser of server-sent events (the event stream format of the HTML standard).

use bytes::Bytes;

/// The largest event: ten times the largest that a host sends.
const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;

/// A server-sent event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Event {
    pub(super) kind: String,
    pub(super) data: String,
    pub(super) id: Option<String>,
}

/// An incremental parser of an event stream.
#[derive(Debug, Default)]
pub(super) struct Parser {
    rest: Vec<u8>,
    event: Event,
}

/// The error for an event that is too large.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event has more than {MAX_EVENT_BYTES} bytes")]
pub(super) struct TooLarge;

impl Parser {
    /// Parses the next chunk and returns the events that it completes.
    pub(super) fn push(&mut self, chunk: &Bytes) -> Result<Vec<Event>, TooLarge> {
        self.rest.extend_from_slice(chunk);
        let mut events = Vec::new();
        let mut begin = 0;
        while let Some(end) = self.rest[begin..].iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&self.rest[begin..begin + end]).into_owned();
            begin += end + 1;
            events.extend(self.event.push_line(line.trim_end_matches('\r')));
        }
        self.rest.drain(..begin);
        if self.rest.len() + self.event.data.len() > MAX_EVENT_BYTES { Err(TooLarge) } else { Ok(events) }
    }
}

impl Event {
    /// Adds a line to the event; an empty line completes it.
    fn push_line(&mut self, line: &str) -> Option<Self> {
        if line.is_empty() {
            let event = std::mem::take(self);
            return (!event.data.is_empty()).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.kind),
            "id" => self.id = Some(value.to_owned()),
            "data" if self.data.is_empty() => value.clone_into(&mut self.data),
            "data" => {
                self.data.push('\n');
                self.data.push_str(value);
            }
            // Comments and `retry` are ignored.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_whole_however_they_are_cut() {
        let stream = "retry: 2000\n\n: hi\n\nid: a-1\nevent: fact\ndata: {\"x\":\"ä\"}\n\nevent: gap\r\ndata: 1\r\ndata: 2\r\n\r\n";
        let fact = Event { kind: "fact".into(), data: "{\"x\":\"ä\"}".into(), id: Some("a-1".into()) };
        let gap = Event { kind: "gap".into(), data: "1\n2".into(), id: None };
        for size in [1, 2, 3, 7, stream.len()] {
            let mut parser = Parser::default();
            let chunks = stream.as_bytes().chunks(size).map(Bytes::copy_from_slice);
            let events: Vec<_> = chunks.flat_map(|chunk| parser.push(&chunk).unwrap()).collect();
            assert_eq!(events, [fact.clone(), gap.clone()], "{size}");
        }
    }

    #[test]
    fn an_endless_event_is_given_up() {
        let mut parser = Parser::default();
        let chunk = Bytes::from(vec![b'x'; MAX_EVENT_BYTES]);
        assert_eq!(parser.push(&chunk), Ok(vec![]));
        assert_eq!(parser.push(&chunk), Err(TooLarge));
    }
}
