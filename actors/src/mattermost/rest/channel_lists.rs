//! The way in which a server lists channels.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::{sync, time::Instant};

/// The time after which a server that lists channels only by team is asked for the list of all again: it may have been updated.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(10 * 60);

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
    /// The server has the list, or it failed in another way.
    All,
    /// The server had no such list at this time.
    ByTeam(Instant),
}

/// The permission to request the list of all channels.
#[derive(Debug)]
pub(super) struct Asking<'a> {
    lists: &'a ChannelLists,
    /// Keeps other accounts waiting for the answer.
    _first: Option<sync::MutexGuard<'a, ()>>,
}

impl ChannelLists {
    /// Returns nothing if the server lists channels only by team (fact 12). While that is not known, one account asks, and the
    /// others wait for its answer.
    pub(super) async fn ask_for_all(&self) -> Option<Asking<'_>> {
        let first = match self.known() {
            Known::Nothing => Some(self.asking.lock().await),
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
    /// Records the answer. `has_route` is false if the server has no such list.
    pub(super) fn answered(self, has_route: bool) {
        *self.lists.known.lock() = if has_route { Known::All } else { Known::ByTeam(Instant::now()) };
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

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
        second.answered(false);
        assert!(poll(lists.ask_for_all()).unwrap().is_none());
        tokio::time::advance(ASK_AGAIN_AFTER).await;
        let again = poll(lists.ask_for_all()).unwrap().unwrap();
        assert!(poll(lists.ask_for_all()).is_none(), "the server may have been updated");
        again.answered(true);
        let [third, fourth] = [(); 2].map(|()| poll(lists.ask_for_all()).unwrap());
        assert!(third.is_some() && fourth.is_some(), "at the same time");
    }
}
