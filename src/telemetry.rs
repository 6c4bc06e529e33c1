//! The operator's view of the running program: logs, metrics and descriptions of facts.

pub mod color;
pub mod facts;
pub mod logging;
pub mod metrics;
#[cfg(feature = "otlp")]
pub(crate) mod otlp;
pub mod time;
pub mod version;
