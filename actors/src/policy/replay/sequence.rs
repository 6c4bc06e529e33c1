//! The numbering of a connection's events (fact 14: events are numbered from 0, replies are not).

/// The relation of an event's number to the expected one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SequenceCheck {
    /// The event has the expected number.
    InOrder,
    /// Events are missing before this one.
    Gap {
        /// The expected number.
        expected: u64,
    },
    /// The event was received before.
    Duplicate,
}

/// The position in a connection's sequence of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sequence {
    next: u64,
}

impl Sequence {
    /// Creates a sequence that continues at `next`: 0 for a new connection.
    pub(crate) fn starting_at(next: u64) -> Self {
        Self { next }
    }

    /// Returns the next expected number, with which a resume continues (fact 10).
    pub(crate) fn next(self) -> u64 {
        self.next
    }

    /// Checks an event's number and moves on.
    pub(crate) fn observe(&mut self, seq: u64) -> SequenceCheck {
        let expected = self.next;
        if seq < expected {
            return SequenceCheck::Duplicate;
        }
        self.next = seq.saturating_add(1);
        if seq == expected { SequenceCheck::InOrder } else { SequenceCheck::Gap { expected } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_each_other_from_zero() {
        let mut sequence = Sequence::default();
        let steps: Vec<SequenceCheck> = [0, 1, 1, 4, 2, 5].map(|seq| sequence.observe(seq)).into();
        assert_eq!(
            steps,
            [
                SequenceCheck::InOrder,
                SequenceCheck::InOrder,
                SequenceCheck::Duplicate,
                SequenceCheck::Gap { expected: 2 },
                SequenceCheck::Duplicate,
                SequenceCheck::InOrder
            ]
        );
        assert_eq!(sequence.next(), 6);
        assert_eq!(Sequence::default().observe(u64::MAX), SequenceCheck::Gap { expected: 0 });
    }
}
