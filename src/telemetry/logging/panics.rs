use std::{
    panic::{self, PanicHookInfo},
    thread,
};

/// Logs panics as lines of the log. The standard hook writes to standard error itself, which blocks if its reader does
/// not read.
pub(super) fn log_panics() {
    panic::set_hook(Box::new(|info| {
        let thread = thread::current();
        let location = info.location().map(ToString::to_string);
        tracing::error!(thread = thread.name(), location, "a thread panicked: {}", message(info));
    }));
}

fn message<'a>(info: &'a PanicHookInfo<'_>) -> &'a str {
    let payload = info.payload();
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref().copied()).unwrap_or("without a message")
}
