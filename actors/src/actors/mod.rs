//! The actors.

mod settings;
mod supervisor;

pub use settings::{DeliverySettings, HealthSettings, HostSettings};
pub use supervisor::{AccountSpec, ServerSpec};
