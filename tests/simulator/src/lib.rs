#![doc = include_str!("../README.md")]

mod control;
mod error;
mod fault;
mod flood;
mod hub;
mod observe;
mod options;
mod program;
mod rest;
mod script;
mod server;
mod simulator;
mod state;
mod talk;
mod wire;
mod world;
mod ws;

pub use error::SimulatorError;
pub use fault::{Fault, FaultId, FaultKind, Target};
pub use observe::Counters;
pub use options::{RateLimit, SimulatorBuilder, Timings};
pub use program::serve;
pub use simulator::Simulator;
pub use world::account::Account;
pub use world::channel::ChannelKind;
pub use world::ids::TOKEN_MARK;
pub use world::post::{Post, PostOptions};
