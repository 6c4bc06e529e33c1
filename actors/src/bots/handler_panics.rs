//! Panics of handlers: caught, and described with their place instead of being printed.

use std::{
    any::Any,
    cell::RefCell,
    future::poll_fn,
    panic::{self, AssertUnwindSafe},
    sync::Once,
    task::Poll,
};

use futures_util::future::FutureExt as _;

use crate::model::{AccountName, Excerpt};

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

/// Runs a handler of an account. A panic of its destructors when it is given up is logged.
///
/// # Errors
/// The message and the place of a panic.
pub(super) async fn caught<T>(account: &AccountName, handling: impl Future<Output = T>) -> Result<T, String> {
    let handling = Box::pin(AssertUnwindSafe(handling).catch_unwind());
    let mut handling = Droppable { account, value: Some(handling) };
    poll_fn(|context| {
        PLACE.sync_scope(RefCell::default(), || {
            let Some(handling) = &mut handling.value else { return Poll::Pending };
            let polled = handling.as_mut().poll(context);
            polled.map_err(|panic| describe(&*panic, PLACE.with(RefCell::take).as_deref()))
        })
    })
    .await
}

/// Drops a value of a bot. A panic of its destructors is logged.
pub(super) fn drop_caught<T>(account: &AccountName, value: T) {
    drop(Droppable { account, value: Some(value) });
}

/// A value of a bot, whose destructors may panic wherever it is dropped.
struct Droppable<'a, T> {
    account: &'a AccountName,
    /// `None` once it is dropped.
    value: Option<T>,
}

impl<T> Drop for Droppable<'_, T> {
    fn drop(&mut self) {
        let value = self.value.take();
        if let Err(panic) = caught_now(|| drop(value)) {
            let account = self.account.as_str();
            tracing::warn!(
                account,
                "{panic}, in a destructor; mend it, as what it had to clean up may be left"
            );
        }
    }
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
