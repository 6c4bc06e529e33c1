//! The places of events that a person waits for with a handler, and the queue for them.

use std::{sync::Arc, time::Duration};

use matterhost_actors::model::AccountName;
use parking_lot::Mutex;
use tokio::{sync::oneshot, time::timeout};

use super::shared_slots::SharedSlots;
use crate::config::MAX_HOOKS;

/// The longest wait for a place. It leaves the handler a part of the three seconds for which a person waits.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// The places with one handler, which accounts share. Clones share them, too. The number of events that wait is bounded by that
/// of the requests that are being answered at once.
#[derive(Debug, Clone)]
pub(super) struct HookPlaces(Arc<Mutex<SharedSlots<Waiter>>>);

/// An event in the queue for a place.
#[derive(Debug)]
struct Waiter {
    account: AccountName,
    place: oneshot::Sender<HookPlace>,
}

/// The wait of an event. Once this is dropped, it is not in the queue any more.
struct Wait {
    account: AccountName,
    places: HookPlaces,
    given: oneshot::Receiver<HookPlace>,
}

/// A place with the handler, which is free once this is dropped.
#[derive(Debug)]
pub(super) struct HookPlace {
    account: AccountName,
    /// `None` once it is free.
    places: Option<HookPlaces>,
}

impl Default for HookPlaces {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(SharedSlots::new(MAX_HOOKS))))
    }
}

impl HookPlaces {
    /// Waits for a place, in turn with other accounts and behind earlier events of this one. Returns `None` if none is free in
    /// time.
    pub(super) fn take(
        &self,
        account: &AccountName,
    ) -> impl Future<Output = Option<HookPlace>> + Send + use<> {
        let (place, given) = oneshot::channel();
        self.0.lock().push(account, Waiter { account: account.clone(), place });
        self.hand_out();
        let mut wait = Wait { account: account.clone(), places: self.clone(), given };
        async move { timeout(MAX_WAIT, &mut wait.given).await.ok()?.ok() }
    }

    /// Forgets an account that delivers no more to the handler, once its events are answered. The places that were kept free for it
    /// go to the events that wait.
    pub(super) fn forget_account(&self, account: &AccountName) {
        self.0.lock().forget(account);
        self.hand_out();
    }

    fn hand_out(&self) {
        loop {
            // The lock is free again before a place is given away, which may drop it.
            let next = self.0.lock().take();
            let Some(Waiter { account, place }) = next else { return };
            let given = HookPlace { account, places: Some(self.clone()) };
            if let Err(unwanted) = place.send(given) {
                unwanted.free();
            }
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        // A place that was given in the meantime is dropped with the receiver.
        self.given.close();
        self.places.0.lock().remove(&self.account, |waiter| waiter.place.is_closed());
    }
}

impl HookPlace {
    /// Frees the place without giving it to the next event.
    fn free(mut self) {
        self.release();
    }

    /// Frees the place, unless it is free. Returns the places that it is one of.
    fn release(&mut self) -> Option<HookPlaces> {
        let places = self.places.take()?;
        places.0.lock().release(&self.account);
        Some(places)
    }
}

impl Drop for HookPlace {
    fn drop(&mut self) {
        if let Some(places) = self.release() {
            places.hand_out();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::task::unconstrained;

    use super::*;

    fn account(name: &str) -> AccountName {
        AccountName::new(name).unwrap()
    }

    fn take_all(places: &HookPlaces, name: &str, count: usize) -> Vec<HookPlace> {
        let take = |_| unconstrained(places.take(&account(name))).now_or_never()?;
        (0..count).map_while(take).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_waits_for_a_place_and_not_for_long() {
        let places = HookPlaces::default();
        let mut taken = take_all(&places, "a", MAX_HOOKS);
        assert_eq!(taken.len(), MAX_HOOKS);
        let waiting = tokio::spawn(places.take(&account("a")));
        let start = tokio::time::Instant::now();
        assert!(places.take(&account("a")).await.is_none(), "it is refused in time for the person");
        assert_eq!(start.elapsed(), MAX_WAIT);
        assert!(waiting.await.unwrap().is_none());
        let waiting = places.take(&account("a"));
        taken.pop();
        let place = waiting.await.unwrap();
        assert!(places.take(&account("a")).await.is_none(), "none is left");
        drop(place);
        assert!(places.take(&account("a")).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn places_of_events_that_wait_no_more_are_not_lost() {
        let places = HookPlaces::default();
        let taken = take_all(&places, "a", MAX_HOOKS);
        for _ in 0..10 * MAX_HOOKS {
            drop(places.take(&account("a")));
        }
        assert!(places.take(&account("a")).await.is_none());
        assert!(places.0.lock().take_waiting().is_empty(), "nor are they kept");
        let given_and_dropped = places.take(&account("a"));
        drop(taken);
        drop(given_and_dropped);
        assert_eq!(take_all(&places, "a", MAX_HOOKS).len(), MAX_HOOKS);
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_with_many_events_leaves_places_to_others() {
        let places = HookPlaces::default();
        drop(take_all(&places, "other", 1));
        let many: Vec<_> = (0..10 * MAX_HOOKS).map(|_| places.take(&account("busy"))).collect();
        let other = places.take(&account("other")).now_or_never().flatten();
        assert!(other.is_some(), "it does not wait behind {} events", many.len());
        places.forget_account(&account("other"));
    }

    #[tokio::test(start_paused = true)]
    async fn places_that_an_account_leaves_behind_go_to_the_events_that_wait() {
        for leaves_with_a_place in [false, true] {
            let places = HookPlaces::default();
            let other = take_all(&places, "other", 1);
            let other = leaves_with_a_place.then_some(other);
            let taken = take_all(&places, "busy", MAX_HOOKS);
            assert!(taken.len() < MAX_HOOKS - 1, "some are kept free for the other account");
            let mut waiting = Box::pin(places.take(&account("busy")));
            assert!((&mut waiting).now_or_never().is_none());
            places.forget_account(&account("other"));
            drop(other);
            assert!(waiting.now_or_never().flatten().is_some(), "it waits for no other event to end");
        }
    }
}
