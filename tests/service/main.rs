//! The program itself, run against the simulator as users and service managers run it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed step fails the test")]

mod action_doors;
mod action_rates;
mod admin;
mod attacks;
mod book;
mod bots;
mod check;
mod code_blocks;
mod command_line;
mod configuration;
mod cookbook;
mod demo;
mod deployment;
mod docs;
mod examples;
mod free_port;
mod handler_faults;
mod handler_replies;
mod hooks;
mod kills;
mod latencies;
mod logging;
mod metrics;
mod monitoring;
#[cfg(feature = "otlp")]
mod otlp;
mod packages;
mod program;
mod promtool;
mod random_actions;
mod readme;
mod refused_actions;
mod reload;
mod remote_commands;
mod run_command;
mod runbook;
mod secrets;
mod seeds;
mod service_manager;
mod sinks;
mod sinks_view;
mod slow_handlers;
mod state;
mod storms;
mod terminal;
mod transport;
mod tutorial;
mod unread_output;
