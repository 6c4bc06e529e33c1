//! The order of one connection's events (fact 14: events are numbered from 0, replies are not).

/// What an event's number says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The one that was due.
    Next,
    /// Some are missing before it.
    Gap {
        /// The number that was due.
        expected: u64,
    },
    /// It was seen before.
    Seen,
}

/// Where a connection's sequence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sequence {
    next: u64,
}

impl Sequence {
    /// A sequence that goes on at `next`: 0 for a new connection.
    pub fn starting_at(next: u64) -> Self {
        Self { next }
    }

    /// The number that is due; a resume asks for it (fact 10).
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Takes note of an event's number.
    pub fn saw(&mut self, seq: u64) -> Step {
        let expected = self.next;
        if seq < expected {
            return Step::Seen;
        }
        self.next = seq.saturating_add(1);
        if seq == expected { Step::Next } else { Step::Gap { expected } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_each_other_from_zero() {
        let mut sequence = Sequence::default();
        let steps: Vec<Step> = [0, 1, 1, 4, 2, 5].map(|seq| sequence.saw(seq)).into();
        assert_eq!(
            steps,
            [Step::Next, Step::Next, Step::Seen, Step::Gap { expected: 2 }, Step::Seen, Step::Next]
        );
        assert_eq!(sequence.next(), 6);
        assert_eq!(Sequence::default().saw(u64::MAX), Step::Gap { expected: 0 });
    }
}
