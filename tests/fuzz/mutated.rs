//! Random changes of seeds, for the tests that run the fuzzers' targets without a fuzzer.

use proptest::{prelude::*, sample::Index};

/// The most changes of one seed.
const MAX_CHANGES: usize = 6;

/// A change at a place of the input.
#[derive(Debug, Clone)]
enum Change {
    /// Another byte.
    Replace(u8),
    /// A few bytes more.
    Insert(Vec<u8>),
    /// Some bytes less.
    Remove(usize),
    /// Some bytes twice.
    Repeat(usize),
    /// The end.
    Cut,
}

/// Returns inputs that are seeds with a few changes.
pub(crate) fn mutated(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<Index>(), change()), 0..=MAX_CHANGES);
    (prop::sample::select(seeds), changes).prop_map(|(mut input, changes)| {
        for (place, change) in changes {
            apply(&mut input, place, change);
        }
        input
    })
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => any::<u8>().prop_map(Change::Replace),
        4 => prop::sample::select(vec!["\"", "{", "}", "[", "]", ":", ",", "\\", "\n", "null", "-1", "1e999", "\\ud800", "\u{1b}[2J"])
            .prop_map(|text| Change::Insert(text.into())),
        1 => prop::collection::vec(any::<u8>(), 1..8).prop_map(Change::Insert),
        2 => (1_usize..64).prop_map(Change::Remove),
        2 => (1_usize..512).prop_map(Change::Repeat),
        1 => Just(Change::Cut),
    ]
}

fn apply(input: &mut Vec<u8>, place: Index, change: Change) {
    let at = place.index(input.len() + 1);
    let until = |length: usize| (at + length).min(input.len());
    match change {
        Change::Replace(byte) => {
            if let Some(old) = input.get_mut(at) {
                *old = byte;
            }
        }
        Change::Insert(bytes) => drop(input.splice(at..at, bytes)),
        Change::Remove(length) => drop(input.drain(at..until(length))),
        Change::Repeat(length) => {
            let again = input[at..until(length)].to_vec();
            input.splice(at..at, again);
        }
        Change::Cut => input.truncate(at),
    }
}
