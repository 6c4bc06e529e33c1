#![doc = include_str!("../README.md")]

mod control;
mod counters;
mod error;
mod fault;
mod fault_injection;
mod flood;
mod hooks;
mod hub;
mod messaging;
mod options;
mod program;
mod rest;
mod server;
mod simulator;
mod state;
mod version;
mod wire;
mod world;
mod ws;

pub use counters::Counters;
pub use error::SimulatorError;
pub use fault::{Fault, FaultId, FaultKind, Target};
pub use hooks::{HookAnswer, HookRequest, SentHook};
pub use options::{RateLimit, SimulatorBuilder, Timings};
pub use program::serve;
pub use simulator::Simulator;
pub use version::ServerVersion;
pub use world::account::Account;
pub use world::channel::ChannelKind;
pub use world::ids::TOKEN_PREFIX;
pub use world::integrations::OpenedDialog;
pub use world::post::{Post, PostOptions};
