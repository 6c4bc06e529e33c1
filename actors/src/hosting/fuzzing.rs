//! The targets of the fuzzers in `tests/fuzz`.

pub use super::connection::fuzzing::event;
