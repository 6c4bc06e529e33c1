//! Schedules: handlers that run at times of the day instead of at events.
//!
//! A bot names its schedules in [`Bot::schedules`](super::Bot::schedules), and [`Bot::scheduled`](super::Bot::scheduled)
//! runs them; a [`Router`](super::Router) has both in [`every`](super::Router::every). [`Schedule`] says how times are
//! written.

mod plan;
mod run_times;
mod runner;
mod schedule;

pub(crate) use plan::{Plan, Step, millis};
pub(super) use run_times::Journal;
pub(crate) use runner::ScheduledBot;
pub(super) use runner::{Runner, RunningSchedules};
pub use schedule::{Run, Schedule, ScheduleError};
