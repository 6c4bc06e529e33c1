//! Panics of handlers: caught, and described with their place instead of being printed.

use std::{
    any::Any,
    cell::RefCell,
    future::poll_fn,
    panic::{self, AssertUnwindSafe},
    pin::pin,
    sync::Once,
};

use futures_util::future::FutureExt as _;

use crate::model::Excerpt;

tokio::task_local! {
    /// The place of the last panic of the handler that runs.
    static PLACE: RefCell<Option<String>>;
}

/// Keeps the panics of handlers off standard error: they are caught, and logged with the account and the event. Every other
/// panic goes to the hook that was set before, also that of a task or a thread which a handler has started, and that of a
/// destructor when a handler is given up.
pub(super) fn keep_off_standard_error() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // A second panic before the first was caught ends the process.
            let note = |place: &RefCell<Option<String>>| match place.try_borrow_mut() {
                Ok(mut place) if place.is_none() => {
                    *place = Some(info.location().map(ToString::to_string).unwrap_or_default());
                    true
                }
                _ => false,
            };
            if !PLACE.try_with(note).unwrap_or(false) {
                before(info);
            }
        }));
    });
}

/// Runs a handler.
///
/// # Errors
/// The message and the place of a panic.
pub(super) async fn caught<T>(handling: impl Future<Output = T>) -> Result<T, String> {
    let mut handling = pin!(AssertUnwindSafe(handling).catch_unwind());
    // Only around a poll: a panic of a handler that is dropped is not caught here.
    poll_fn(|context| {
        PLACE.sync_scope(RefCell::default(), || {
            let polled = handling.as_mut().poll(context);
            polled.map_err(|panic| describe(&*panic, PLACE.with(RefCell::take).as_deref()))
        })
    })
    .await
}

/// Calls a function of a bot that is no handler.
///
/// # Errors
/// As [`caught`].
pub(super) fn caught_now<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    PLACE.sync_scope(RefCell::default(), || {
        let called = panic::catch_unwind(AssertUnwindSafe(call));
        called.map_err(|panic| describe(&*panic, PLACE.with(RefCell::take).as_deref()))
    })
}

fn describe(panic: &(dyn Any + Send), place: Option<&str>) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text = Excerpt::of(text.unwrap_or("no panic message"));
    let place = place
        .filter(|place| !place.is_empty())
        .map(|place| format!(" at {}", Excerpt::of(place)))
        .unwrap_or_default();
    format!("the bot panicked: {text}{place}")
}
