//! The REST routes that the recordings show, and what bots need besides.

pub(crate) mod answer;
pub(crate) mod bots;
pub(crate) mod call;
pub(crate) mod channels;
pub(crate) mod files;
pub(crate) mod gate;
pub(crate) mod limit;
pub(crate) mod posts;
pub(crate) mod reactions;
pub(crate) mod router;
pub(crate) mod teams;
pub(crate) mod tokens;
pub(crate) mod users;
