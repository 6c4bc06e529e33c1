#![doc = include_str!("../README.md")]

pub mod admin;
pub mod api;
pub mod app;
pub mod check;
pub mod cli;
pub mod cloud_event;
pub mod config;
pub mod demo;
pub mod exit;
pub mod logging;
pub mod observe;
pub mod page;
pub mod remote;
pub mod sinks;
pub mod state;
pub mod stores;
