//! The Mattermost client against real sockets and small servers written by hand.

mod dial;
mod rest;
mod secrets;
mod support;
mod tls;
