//! What every sink promises, and what they are tried with.

mod contract;
pub(super) mod far_exec;
pub(super) mod http;
mod random;
pub(super) mod rigs;
pub(super) mod stage;
