//! The contract of all sinks, and the fixtures of their tests.

mod contract;
pub(super) mod fake_child;
pub(super) mod fixtures;
pub(super) mod http;
mod random;
pub(super) mod rigs;
