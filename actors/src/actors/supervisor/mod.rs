//! The Supervisor.

mod messages;

pub use messages::*;
