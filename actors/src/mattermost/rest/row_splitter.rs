//! Long JSON bodies, read row by row as they arrive, so that a list costs no more memory than the rows that are kept.

use std::ops::ControlFlow;

/// The rows of a body, as a caller takes them.
pub(super) trait Rows {
    /// Notes that the request succeeded, before the first row.
    fn begin(&mut self) {}

    /// Returns true if the row is wanted; otherwise its bytes are skipped.
    fn wants(&mut self, row: &RowKey) -> bool;

    /// Takes a row that was wanted, as JSON text. A break ends the reading.
    fn take(&mut self, row: &RowKey, json: &[u8]) -> ControlFlow<()>;

    /// Reports a wanted row that is longer than a row may be.
    fn take_too_long(&mut self, row: &RowKey);
}

/// The place of a row.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RowKey {
    /// The key in the object that contains the row; empty in an array.
    pub(super) name: String,
    /// True if the row is in an object within the outermost one.
    pub(super) is_nested: bool,
}

/// The state of a body that is read in pieces.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BodyState {
    /// More is to come.
    Open,
    /// The outermost value has ended, or enough was read.
    Complete,
    /// The text cannot be JSON with rows.
    Malformed,
    /// The text is JSON of another shape.
    OtherShape,
}

/// The shape of a body with rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// An array, whose elements are the rows.
    List,
    /// An object, whose members are the rows, and so are those of the member of this name.
    Object(&'static str),
}

/// A splitter of a JSON text into rows: the elements of an array, or the members of an object and of one object in it.
///
/// It only finds where rows begin and end; whether a row is JSON is checked when it is parsed.
pub(super) struct RowSplitter {
    shape: Shape,
    /// The longest row, in bytes.
    max_row: usize,
    place: SplitState,
    row: RowKey,
    /// For each open container above the rows: true if it is an object.
    containers: Vec<bool>,
    text: Vec<u8>,
    is_wanted: bool,
    is_too_long: bool,
}

#[derive(Debug, Clone, Copy)]
enum SplitState {
    /// Before the outermost value.
    Start,
    /// Between rows.
    Between,
    /// In the key of a row.
    Key {
        escaped: bool,
    },
    /// In a number or a word.
    Scalar,
    /// In a row with this many open containers, and in a string of it or not.
    Row {
        open: usize,
        string: Option<Escaped>,
    },
    Complete,
    Malformed,
    OtherShape,
}

/// True if the next character of a string is escaped.
type Escaped = bool;

impl RowSplitter {
    pub(super) fn new(shape: Shape, max_row: usize) -> Self {
        Self {
            shape,
            max_row,
            place: SplitState::Start,
            row: RowKey::default(),
            containers: Vec::new(),
            text: Vec::new(),
            is_wanted: false,
            is_too_long: false,
        }
    }

    pub(super) fn state(&self) -> BodyState {
        match self.place {
            SplitState::Complete => BodyState::Complete,
            SplitState::Malformed => BodyState::Malformed,
            SplitState::OtherShape => BodyState::OtherShape,
            _ => BodyState::Open,
        }
    }

    /// Ends the reading although more would come.
    pub(super) fn stop(&mut self) {
        self.place = SplitState::Complete;
    }

    /// Reads a piece of the body and hands its complete rows over.
    pub(super) fn read(&mut self, mut piece: &[u8], rows: &mut dyn Rows) -> ControlFlow<()> {
        loop {
            let (plain, rest) = piece.split_at(self.plain_length(piece));
            self.keep(plain);
            let Some((byte, rest)) = rest.split_first() else { return ControlFlow::Continue(()) };
            self.read_byte(*byte, rows)?;
            piece = rest;
        }
    }

    /// Returns the number of bytes of a row that come before the next one that means something here.
    fn plain_length(&self, piece: &[u8]) -> usize {
        let next = match self.place {
            SplitState::Row { string: Some(false), .. } => {
                piece.iter().position(|byte| matches!(byte, b'"' | b'\\'))
            }
            SplitState::Row { string: None, .. } => {
                piece.iter().position(|byte| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']'))
            }
            _ => return 0,
        };
        next.unwrap_or(piece.len())
    }

    fn read_byte(&mut self, byte: u8, rows: &mut dyn Rows) -> ControlFlow<()> {
        match self.place {
            SplitState::Start | SplitState::Complete | SplitState::Malformed | SplitState::OtherShape => {
                self.outside(byte);
            }
            SplitState::Between => return self.between(byte, rows),
            SplitState::Key { escaped } => self.in_key(byte, escaped),
            SplitState::Scalar => {
                if matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace() {
                    self.end_row(rows)?;
                    return self.between(byte, rows);
                }
                self.keep(&[byte]);
            }
            SplitState::Row { open, string } => return self.in_row(byte, open, string, rows),
        }
        ControlFlow::Continue(())
    }

    fn outside(&mut self, byte: u8) {
        match (self.place, byte) {
            (_, byte) if byte.is_ascii_whitespace() => {}
            (SplitState::Start, b'{') if self.shape != Shape::List => self.enter(byte),
            (SplitState::Start, b'[') if self.shape == Shape::List => self.enter(byte),
            (SplitState::Start, b'{' | b'[' | b'"' | b'n' | b't' | b'f' | b'0'..=b'9')
            | (SplitState::OtherShape, _) => {
                self.place = SplitState::OtherShape;
            }
            _ => self.place = SplitState::Malformed,
        }
    }

    fn enter(&mut self, byte: u8) {
        self.containers.push(byte == b'{');
        self.row = RowKey { name: String::new(), is_nested: self.containers.len() > 1 };
        self.place = SplitState::Between;
    }

    fn between(&mut self, byte: u8, rows: &mut dyn Rows) -> ControlFlow<()> {
        let in_object = self.containers.last().copied().unwrap_or_default();
        match byte {
            b',' => self.row.name.clear(),
            b':' => {}
            b'}' | b']' => {
                self.containers.pop();
                self.row = RowKey { name: String::new(), is_nested: self.containers.len() > 1 };
                self.place =
                    if self.containers.is_empty() { SplitState::Complete } else { SplitState::Between };
            }
            b'"' if in_object && self.row.name.is_empty() => {
                self.text.clear();
                self.place = SplitState::Key { escaped: false };
            }
            b'{' if self.containers.len() == 1 && self.is_nested_name() => self.enter(byte),
            byte if byte.is_ascii_whitespace() => {}
            byte => self.begin_row(byte, rows),
        }
        ControlFlow::Continue(())
    }

    fn is_nested_name(&self) -> bool {
        matches!(self.shape, Shape::Object(nested) if nested == self.row.name)
    }

    fn in_key(&mut self, byte: u8, escaped: bool) {
        if byte == b'"' && !escaped {
            self.row.name = String::from_utf8_lossy(&self.text).into_owned();
            self.place = SplitState::Between;
        } else {
            if self.text.len() < self.max_row {
                self.text.push(byte);
            }
            self.place = SplitState::Key { escaped: byte == b'\\' && !escaped };
        }
    }

    fn begin_row(&mut self, byte: u8, rows: &mut dyn Rows) {
        self.text.clear();
        self.is_wanted = rows.wants(&self.row);
        self.is_too_long = false;
        self.keep(&[byte]);
        self.place = match byte {
            b'{' | b'[' => SplitState::Row { open: 1, string: None },
            b'"' => SplitState::Row { open: 0, string: Some(false) },
            _ => SplitState::Scalar,
        };
    }

    fn in_row(
        &mut self,
        byte: u8,
        open: usize,
        string: Option<Escaped>,
        rows: &mut dyn Rows,
    ) -> ControlFlow<()> {
        self.keep(&[byte]);
        let (open, string) = match (string, byte) {
            (Some(false), b'"') => (open, None),
            (Some(false), b'\\') => (open, Some(true)),
            (Some(_), _) => (open, Some(false)),
            (None, b'"') => (open, Some(false)),
            (None, b'{' | b'[') => (open + 1, None),
            (None, b'}' | b']') => (open.saturating_sub(1), None),
            (None, _) => (open, None),
        };
        self.place = SplitState::Row { open, string };
        if open == 0 && string.is_none() { self.end_row(rows) } else { ControlFlow::Continue(()) }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if !self.is_wanted || self.is_too_long {
            return;
        }
        if self.text.len() + bytes.len() <= self.max_row {
            self.text.extend_from_slice(bytes);
        } else {
            self.is_too_long = true;
            self.text = Vec::new();
        }
    }

    fn end_row(&mut self, rows: &mut dyn Rows) -> ControlFlow<()> {
        self.place = SplitState::Between;
        if self.is_too_long {
            rows.take_too_long(&self.row);
            return ControlFlow::Continue(());
        }
        if self.is_wanted { rows.take(&self.row, &self.text) } else { ControlFlow::Continue(()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Default)]
    struct Collected {
        rows: Vec<(String, String)>,
        too_long: Vec<String>,
        most: usize,
    }

    impl Rows for Collected {
        fn wants(&mut self, row: &RowKey) -> bool {
            row.name != "unwanted"
        }

        fn take(&mut self, row: &RowKey, json: &[u8]) -> ControlFlow<()> {
            let nested = if row.is_nested { "/" } else { "" };
            self.rows.push((format!("{nested}{}", row.name), String::from_utf8(json.to_vec()).unwrap()));
            if self.rows.len() == self.most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }

        fn take_too_long(&mut self, row: &RowKey) {
            self.too_long.push(row.name.clone());
        }
    }

    fn split(text: &str, size: usize) -> (Collected, BodyState) {
        let shape = if text.trim_start().starts_with('[') { Shape::List } else { Shape::Object("posts") };
        let (mut splitter, mut rows) = (RowSplitter::new(shape, 40), Collected::default());
        for piece in text.as_bytes().chunks(size) {
            assert!(splitter.read(piece, &mut rows).is_continue());
        }
        (rows, splitter.state())
    }

    fn row(name: &str, json: &str) -> (String, String) {
        (name.to_owned(), json.to_owned())
    }

    #[test]
    fn members_and_nested_members_are_rows() {
        let text = r#" {"order" : ["a", "b"], "posts":{"a":{"m":"\"}\\"},"unwanted":{"x":[]} , "b":{"y":{"posts":{}}}},
            "next_post_id":"", "n": 17 ,"t":true} "#;
        for size in [1, 7, 1_000] {
            let (collected, state) = split(text, size);
            assert_eq!(
                collected.rows,
                [
                    row("order", r#"["a", "b"]"#),
                    row("/a", r#"{"m":"\"}\\"}"#),
                    row("/b", r#"{"y":{"posts":{}}}"#),
                    row("next_post_id", r#""""#),
                    row("n", "17"),
                    row("t", "true"),
                ]
            );
            assert_eq!(state, BodyState::Complete);
        }
    }

    #[test]
    fn the_elements_of_an_array_are_rows() {
        let (collected, state) = split(r#"[{"a":1},null,"x",[2]]"#, 3);
        let rows = [r#"{"a":1}"#, "null", r#""x""#, "[2]"].map(|json| row("", json));
        assert_eq!((&collected.rows[..], state), (&rows[..], BodyState::Complete));
        assert_eq!(split("[]", 1).1, BodyState::Complete);
        for (text, state) in [
            ("[1", BodyState::Open),
            ("", BodyState::Open),
            ("[] x", BodyState::Malformed),
            ("<html>", BodyState::Malformed),
            ("null", BodyState::OtherShape),
        ] {
            assert_eq!(split(text, 1).1, state, "{text}");
        }
    }

    #[test]
    fn a_row_that_is_too_long_costs_itself() {
        for (length, size) in [(100, 9), (39, 1), (39, 100)] {
            let (collected, state) = split(&format!(r#"["{}",1]"#, "x".repeat(length)), size);
            assert_eq!((collected.too_long.len(), collected.rows), (1, vec![row("", "1")]));
            assert_eq!(state, BodyState::Complete);
        }
        let (collected, _) = split(&format!(r#"["{}",1]"#, "x".repeat(38)), 100);
        assert_eq!((collected.too_long.len(), collected.rows.len()), (0, 2), "40 bytes with the quotes");
    }

    #[test]
    fn the_reading_ends_when_enough_was_read() {
        let (mut splitter, mut rows) =
            (RowSplitter::new(Shape::List, 40), Collected { most: 2, ..Default::default() });
        assert!(splitter.read(b"[1,2,3]", &mut rows).is_break());
        assert_eq!(rows.rows.len(), 2);
    }

    proptest! {
        /// Rows come out as they were put in, however the text is cut; no text at all panics.
        #[test]
        fn rows_come_out_as_they_were_put_in(texts in proptest::collection::vec(".{0,9}", 0..6), size in 1usize..20, any in ".{0,40}") {
            let list = serde_json::to_string(&texts).unwrap();
            let rows: Vec<String> = split(&list, size).0.rows.into_iter().map(|(_, json)| json).collect();
            let wanted: Vec<String> = texts.iter().map(|text| serde_json::to_string(text).unwrap()).collect();
            prop_assume!(wanted.iter().all(|text| text.len() <= 40));
            prop_assert_eq!(rows, wanted);
            let mut rows = Collected::default();
            let _ = RowSplitter::new(Shape::Object("posts"), 40).read(any.as_bytes(), &mut rows);
        }
    }
}
