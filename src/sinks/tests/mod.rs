//! What every sink promises, and what they are tried with.

pub(super) mod stage;
