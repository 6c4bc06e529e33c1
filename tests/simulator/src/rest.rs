//! The REST routes that the recordings show, and what bots need besides.

pub(crate) mod bots;
pub(crate) mod channels;
pub(crate) mod commands;
pub(crate) mod files;
pub(crate) mod interactions;
pub(crate) mod middleware;
pub(crate) mod permissions;
pub(crate) mod posts;
pub(crate) mod rate_limit;
pub(crate) mod reactions;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod router;
pub(crate) mod teams;
pub(crate) mod tokens;
pub(crate) mod users;
pub(crate) mod webhooks;
