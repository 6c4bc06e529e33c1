//! Parts that the handlers (webhook and exec) share.

mod deps;
mod pause;
mod throttled_warning;

pub(super) use deps::HandlerDeps;
pub(super) use pause::Pause;
pub(super) use throttled_warning::ThrottledWarning;
