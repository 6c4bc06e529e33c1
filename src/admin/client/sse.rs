//! Server-sent events, taken apart (the event stream format of the HTML standard).

use bytes::Bytes;

/// One event at most: what a host sends at once is a tenth of it.
const LARGEST: usize = 16 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Event {
    pub(super) kind: String,
    pub(super) data: String,
    pub(super) id: Option<String>,
}

/// Takes a stream apart, piece by piece.
#[derive(Debug, Default)]
pub(super) struct Parser {
    rest: Vec<u8>,
    event: Event,
}

/// An event that has no end.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event has more than {LARGEST} bytes")]
pub(super) struct TooLarge;

impl Parser {
    /// Takes a piece; gives back the events that end in it.
    pub(super) fn take(&mut self, piece: &Bytes) -> Result<Vec<Event>, TooLarge> {
        self.rest.extend_from_slice(piece);
        let mut events = Vec::new();
        let mut begin = 0;
        while let Some(end) = self.rest[begin..].iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&self.rest[begin..begin + end]).into_owned();
            begin += end + 1;
            events.extend(self.event.line(line.trim_end_matches('\r')));
        }
        self.rest.drain(..begin);
        if self.rest.len() + self.event.data.len() > LARGEST { Err(TooLarge) } else { Ok(events) }
    }
}

impl Event {
    /// Takes a line; an empty one ends the event.
    fn line(&mut self, line: &str) -> Option<Self> {
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
            // Comments, and what is for browsers.
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
            let pieces = stream.as_bytes().chunks(size).map(Bytes::copy_from_slice);
            let events: Vec<_> = pieces.flat_map(|piece| parser.take(&piece).unwrap()).collect();
            assert_eq!(events, [fact.clone(), gap.clone()], "{size}");
        }
    }

    #[test]
    fn what_never_ends_is_given_up() {
        let mut parser = Parser::default();
        let piece = Bytes::from(vec![b'x'; LARGEST]);
        assert_eq!(parser.take(&piece), Ok(vec![]));
        assert_eq!(parser.take(&piece), Err(TooLarge));
    }
}
