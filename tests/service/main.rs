//! The program itself, as people and service managers run it, against the simulator.

mod check;
mod command_line;
mod configuration;
mod documents;
mod program;
mod running;
