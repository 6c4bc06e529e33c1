//! Panics of handlers: caught, and described with their place instead of being printed.

use std::{
    any::Any,
    cell::RefCell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use futures_util::future::FutureExt as _;

use crate::model::Excerpt;

tokio::task_local! {
    /// The place of the last panic of the handler that runs.
    static PLACE: RefCell<Option<String>>;
}

/// Keeps the panics of handlers off standard error: they are caught, and logged with the account and the event. Every other
/// panic goes to the hook that was set before, also that of a task or a thread which a handler has started.
pub(super) fn keep_off_standard_error() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let note = |place: &RefCell<Option<String>>| {
                if let Ok(mut place) = place.try_borrow_mut() {
                    *place = info.location().map(ToString::to_string);
                }
            };
            if PLACE.try_with(note).is_err() {
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
    let caught = async {
        let result = AssertUnwindSafe(handling).catch_unwind().await;
        result.map_err(|panic| describe(&*panic, PLACE.with(RefCell::take).as_deref()))
    };
    PLACE.scope(RefCell::default(), caught).await
}

fn describe(panic: &(dyn Any + Send), place: Option<&str>) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text = Excerpt::of(text.unwrap_or("no panic message"));
    let place = place.map(|place| format!(" at {}", Excerpt::of(place))).unwrap_or_default();
    format!("the bot panicked: {text}{place}")
}
