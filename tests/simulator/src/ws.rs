//! A WebSocket: the upgrade, the socket's own task, the actions a client sends.

pub(crate) mod actions;
pub(crate) mod proxy_cuts;
pub(crate) mod socket_io;
pub(crate) mod socket_task;
pub(crate) mod upgrade;
