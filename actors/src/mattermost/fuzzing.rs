//! The targets of the fuzzers in `tests/fuzz`. The tests run them, too, with a few changes of recorded bytes.

pub use super::{
    rest::fuzzing::{channels, posts, user},
    socket::fuzzing::frames,
};

pub(crate) use super::socket::fuzzing::post;

#[cfg(test)]
#[path = "../../../tests/fuzz/mutated.rs"]
pub(crate) mod mutated;
#[cfg(test)]
#[path = "../../../tests/fuzz/seeds.rs"]
pub(crate) mod seeds;
