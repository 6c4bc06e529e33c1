//! A WebSocket: the upgrade, the socket's own task, the actions a client sends.

pub(crate) mod actions;
pub(crate) mod pump;
pub(crate) mod session;
pub(crate) mod upgrade;
