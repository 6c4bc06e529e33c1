//! The way in which a server lists channels.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::{
    sync,
    time::{Instant, timeout},
};

/// The time after which a server that lists channels only by team is asked for the list of all again: it may have been updated.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(10 * 60);

/// The longest wait for the answer to another account: most servers answer sooner. The account may be on a slow connection, or its
/// thread may be busy.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The knowledge about the lists of a server. The clients of all Arbiters share it: a client ends when all accounts of its
/// Arbiter reconnect at once, and each of them would ask again.
#[derive(Debug, Default)]
pub(super) struct ChannelLists {
    known: Mutex<Known>,
    /// Held by the account that asks first.
    asking: sync::Mutex<()>,
}

/// The answer to the last request for the list of all channels.
#[derive(Debug, Clone, Copy, Default)]
enum Known {
    /// There was none.
    #[default]
    Nothing,
    /// The server has the list.
    All,
    /// The server had no such list at this time.
    ByTeam(Instant),
}

/// The permission to request the list of all channels. A request without an answer changes nothing: nothing is known then.
#[derive(Debug)]
pub(super) struct Asking<'a> {
    lists: &'a ChannelLists,
    /// Keeps other accounts waiting for the answer.
    _first: Option<sync::MutexGuard<'a, ()>>,
}

impl ChannelLists {
    /// Returns nothing if the server lists channels only by team (fact 12). While that is not known, one account asks, and the
    /// others wait for its answer, for a while.
    pub(super) async fn ask_for_all(&self) -> Option<Asking<'_>> {
        let first = match self.known() {
            Known::Nothing => timeout(LONGEST_WAIT, self.asking.lock()).await.ok(),
            Known::All | Known::ByTeam(_) => None,
        };
        match self.known() {
            Known::Nothing => Some(Asking { lists: self, _first: first }),
            Known::All => Some(Asking { lists: self, _first: None }),
            Known::ByTeam(_) => None,
        }
    }

    fn known(&self) -> Known {
        match *self.known.lock() {
            Known::ByTeam(since) if since.elapsed() >= ASK_AGAIN_AFTER => Known::Nothing,
            known => known,
        }
    }
}

impl Asking<'_> {
    /// Records that the server has the list.
    pub(super) fn found(self) {
        *self.lists.known.lock() = Known::All;
    }

    /// Records that the server has no such list.
    pub(super) fn missing(self) {
        *self.lists.known.lock() = Known::ByTeam(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::mattermost::rest::{channels::ChannelRows, row_splitter::Rows as _};

    /// Returns the permission if it is there at once, `None` while another account asks.
    fn poll<T>(future: impl Future<Output = T>) -> Option<T> {
        let mut future = std::pin::pin!(future);
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(asked) => Some(asked),
            Poll::Pending => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_account_asks_and_the_others_wait_for_its_answer() {
        let lists = ChannelLists::default();
        let first = lists.ask_for_all().await.unwrap();
        assert!(poll(lists.ask_for_all()).is_none());
        drop(first);
        let second = lists.ask_for_all().await.unwrap();
        second.missing();
        assert!(poll(lists.ask_for_all()).unwrap().is_none());
        tokio::time::advance(ASK_AGAIN_AFTER).await;
        let again = poll(lists.ask_for_all()).unwrap().unwrap();
        assert!(poll(lists.ask_for_all()).is_none(), "the server may have been updated");
        again.found();
        let [third, fourth] = [(); 2].map(|()| poll(lists.ask_for_all()).unwrap());
        assert!(third.is_some() && fourth.is_some(), "at the same time");
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_whose_list_is_slow_delays_the_others_for_a_moment() {
        let lists = ChannelLists::default();
        let slow = lists.ask_for_all().await.unwrap();
        let began = Instant::now();
        let asked = timeout(Duration::from_secs(20), lists.ask_for_all()).await;
        assert!(asked.unwrap().is_some(), "it asks for itself");
        assert!(began.elapsed() <= LONGEST_WAIT + Duration::from_millis(10), "{:?}", began.elapsed());
        slow.found();
        assert!(poll(lists.ask_for_all()).unwrap().is_some());
    }

    #[tokio::test]
    async fn a_list_that_begins_is_there_before_its_end() {
        let lists = ChannelLists::default();
        let mut rows = ChannelRows::answering(lists.ask_for_all().await.unwrap(), 1);
        assert!(poll(lists.ask_for_all()).is_none());
        rows.begin();
        assert!(poll(lists.ask_for_all()).unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_fails_changes_nothing() {
        let lists = ChannelLists::default();
        let [first, other] = [lists.ask_for_all().await.unwrap(), lists.ask_for_all().await.unwrap()];
        first.missing();
        drop(other);
        assert!(poll(lists.ask_for_all()).unwrap().is_none());
    }
}
