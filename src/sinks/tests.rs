//! What every sink promises, and what they are tried with.

mod contract;
pub(super) mod fake_child;
pub(super) mod fixtures;
pub(super) mod http;
mod random;
pub(super) mod rigs;
