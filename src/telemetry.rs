//! What an operator sees of the running program: logs, metrics and descriptions of events.

pub mod color;
pub mod describe;
pub mod logging;
pub mod metrics;
#[cfg(feature = "otlp")]
pub(crate) mod otlp;
