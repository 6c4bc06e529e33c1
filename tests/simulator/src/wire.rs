//! JSON as the real server writes it.

pub(crate) mod event;
pub(crate) mod json;
pub(crate) mod reply;
