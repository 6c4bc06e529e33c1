//! Schedules: handlers that run at times of the day instead of at events.
//!
//! A bot names its schedules in [`Bot::schedules`](super::Bot::schedules), and [`Bot::scheduled`](super::Bot::scheduled)
//! runs them; a [`Router`](super::Router) has both in [`every`](super::Router::every). [`Schedule`] says how times are
//! written.

mod hosted_schedules;
mod plan;
mod run_thread;
mod run_times;
mod runner;
mod schedule;

pub use hosted_schedules::{HostedSchedules, StartedSchedules};
pub(crate) use plan::{Plan, Step, millis};
pub(super) use run_times::Journal;
pub(crate) use runner::ScheduledBot;
pub use schedule::{Run, Schedule, ScheduleError};

use std::collections::HashSet;

use super::{Bot, handler_panics};

/// Returns the mistakes in the schedules of a bot, beside those that it finds itself.
pub fn schedule_problems(bot: &impl Bot) -> Vec<String> {
    handler_panics::keep_off_standard_error();
    match handler_panics::caught_now(|| bot.schedules()) {
        Ok(schedules) => {
            let known = bot.problems();
            let twice = distinct(schedules).1.into_iter().map(|name| describe_twice(&name));
            twice.filter(|problem| !known.contains(problem)).collect()
        }
        Err(panic) => vec![format!("{panic} when it was asked for its schedules")],
    }
}

/// Describes a name that two schedules have.
pub(super) fn describe_twice(name: &str) -> String {
    format!("schedule {name} is there twice; give one of them another name")
}

/// Returns the schedules with a name of their own, and the names that occur before.
fn distinct(schedules: Vec<Schedule>) -> (Vec<Schedule>, Vec<Box<str>>) {
    let mut seen = HashSet::new();
    let (first, more): (Vec<_>, Vec<_>) =
        schedules.into_iter().partition(|schedule| seen.insert(Box::<str>::from(schedule.name())));
    (first, more.iter().map(|schedule| schedule.name().into()).collect())
}
