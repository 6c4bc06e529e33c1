//! The requests that wait for the store's thread, and their division into transactions.

use std::collections::{HashSet, VecDeque};

use crate::{
    model::{AccountName, Changes, Records},
    ports::StoreError,
};
use tokio::sync::oneshot;

/// The most channels of one commit that a transaction takes. The rest follows in the next ones, together with the commits
/// of other accounts, which therefore never wait for an account with ten thousand channels.
const CHANNELS_AT_ONCE: usize = 500;

/// The sender of the answer to a request.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// A request to the thread.
pub(super) enum Request {
    Load(AccountName, Reply<Records>),
    Change(AccountName, Change, Reply<()>),
    /// Closes the file and ends the thread.
    Close(Reply<()>),
}

/// A change of the stored records of an account.
pub(super) enum Change {
    Put(Box<Changes>),
    /// The rest of a commit of which a part is stored.
    PutRest(Box<Changes>),
    Forget,
}

impl Change {
    /// Returns the number of records that it changes, about.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Put(changes) | Self::PutRest(changes) => changes.channels.len() + changes.values.len() + 1,
            Self::Forget => 1,
        }
    }
}

/// The requests of one transaction.
#[derive(Default)]
pub(super) struct Batch {
    /// At most one change of each account, without an answer if the rest of it follows.
    pub(super) changes: Vec<(AccountName, Change, Option<Reply<()>>)>,
    pub(super) loads: Vec<(AccountName, Reply<Records>)>,
    pub(super) close: Option<Reply<()>>,
}

/// Requests that wait, in the order of their arrival.
#[derive(Default)]
pub(super) struct Requests {
    waiting: VecDeque<Request>,
}

impl Requests {
    pub(super) fn push(&mut self, request: Request) {
        self.waiting.push_back(request);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Returns the requests of the next transaction. Those of an account take effect in their order.
    pub(super) fn next_batch(&mut self) -> Batch {
        let (mut batch, mut busy) = (Batch::default(), HashSet::new());
        for request in std::mem::take(&mut self.waiting) {
            match request {
                Request::Change(account, change, reply) if busy.insert(account.clone()) => {
                    self.add_change(&mut batch, account, change, reply);
                }
                Request::Load(account, reply) if !busy.contains(&account) => {
                    batch.loads.push((account, reply));
                }
                Request::Close(reply) if self.waiting.is_empty() => {
                    batch.close = Some(reply);
                    // Requests after it are dropped, which their senders notice.
                    break;
                }
                later => self.waiting.push_back(later),
            }
        }
        batch
    }

    fn add_change(&mut self, batch: &mut Batch, account: AccountName, change: Change, reply: Reply<()>) {
        match split(change) {
            (part, Some(rest)) => {
                batch.changes.push((account.clone(), part, None));
                self.waiting.push_back(Request::Change(account, rest, reply));
            }
            (whole, None) => batch.changes.push((account, whole, Some(reply))),
        }
    }

    /// Removes the rests of commits whose last part failed, and returns their replies.
    pub(super) fn remove_rests(&mut self) -> Vec<Reply<()>> {
        let mut replies = Vec::new();
        for request in std::mem::take(&mut self.waiting) {
            match request {
                Request::Change(_, Change::PutRest(_), reply) => replies.push(reply),
                other => self.waiting.push_back(other),
            }
        }
        replies
    }
}

/// Splits off what is too large for one transaction. The values of a channel stay with its record. The account's own record
/// is in the last part, because it tells what all channels have.
fn split(change: Change) -> (Change, Option<Change>) {
    let (Change::Put(mut changes) | Change::PutRest(mut changes)) = change else { return (change, None) };
    let Some(first_left) = changes.channels.keys().nth(CHANNELS_AT_ONCE).cloned() else {
        return (Change::Put(changes), None);
    };
    let rest = changes.channels.split_off(&first_left);
    let values = changes.values.split_off(&first_left);
    let rest = Changes { account: changes.account.take(), channels: rest, values };
    (Change::Put(changes), Some(Change::PutRest(Box::new(rest))))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::model::{AccountChange, AccountRecord, ChannelChange, ChannelId};

    use super::*;

    fn name(name: &str) -> AccountName {
        AccountName::new(name).unwrap()
    }

    fn changes(channels: usize) -> Changes {
        let channel = |n: usize| {
            let id = ChannelId::from(format!("c{n:05}").as_str());
            (id, ChannelChange::Record(Box::default()))
        };
        let account = Some(AccountChange::Record(AccountRecord::default()));
        Changes { account, channels: (0..channels).map(channel).collect(), values: BTreeMap::new() }
    }

    fn put(account: &str, channels: usize) -> (Request, oneshot::Receiver<Result<(), StoreError>>) {
        let (reply, answer) = oneshot::channel();
        (Request::Change(name(account), Change::Put(Box::new(changes(channels))), reply), answer)
    }

    /// Describes the changes of a batch: the account, its channels, and its own record and the answer, if they are in it.
    fn described(batch: &Batch) -> Vec<(String, usize, bool, bool)> {
        let describe = |(account, change, reply): &(AccountName, Change, Option<Reply<()>>)| {
            let (channels, record) = match change {
                Change::Put(changes) | Change::PutRest(changes) => {
                    (changes.channels.len(), changes.account.is_some())
                }
                Change::Forget => (0, false),
            };
            (account.to_string(), channels, record, reply.is_some())
        };
        batch.changes.iter().map(describe).collect()
    }

    #[test]
    fn a_large_commit_is_cut_and_others_go_between_its_parts() {
        let mut requests = Requests::default();
        let (large, _large) = put("large", 2 * CHANNELS_AT_ONCE + 1);
        let (small, _small) = put("small", 3);
        requests.push(large);
        requests.push(small);
        let first = described(&requests.next_batch());
        let (own, _own) = put("large", 1);
        let (second, _second) = put("small", 2);
        requests.push(own);
        requests.push(second);
        let second = described(&requests.next_batch());
        let [third, fourth] = [0; 2].map(|_| described(&requests.next_batch()));
        let large = |channels, is_last| ("large".to_owned(), channels, is_last, is_last);
        assert_eq!(first, [large(CHANNELS_AT_ONCE, false), ("small".into(), 3, true, true)]);
        assert_eq!(second, [large(CHANNELS_AT_ONCE, false), ("small".into(), 2, true, true)]);
        assert_eq!(third, [large(1, true)]);
        assert_eq!(fourth, [large(1, true)], "the account's next commit comes after all parts");
        assert!(requests.is_empty());
    }

    #[test]
    fn a_rest_fails_with_its_part() {
        let mut requests = Requests::default();
        let (large, _large) = put("large", CHANNELS_AT_ONCE + 1);
        let (small, _small) = put("small", 1);
        requests.push(large);
        drop(requests.next_batch());
        requests.push(small);
        assert_eq!(requests.remove_rests().len(), 1);
        assert_eq!(described(&requests.next_batch()).len(), 1);
    }

    #[test]
    fn a_load_and_a_close_wait_for_what_came_before_them() {
        let mut requests = Requests::default();
        let (large, _large) = put("large", CHANNELS_AT_ONCE + 1);
        let (load, _loaded) = oneshot::channel();
        let (close, _closed) = oneshot::channel();
        requests.push(large);
        requests.push(Request::Load(name("large"), load));
        requests.push(Request::Close(close));
        let first = requests.next_batch();
        assert!(first.loads.is_empty() && first.close.is_none());
        let second = requests.next_batch();
        assert_eq!((second.changes.len(), second.loads.len(), second.close.is_some()), (1, 0, false));
        let third = requests.next_batch();
        assert_eq!((third.loads.len(), third.close.is_some()), (1, true));
    }
}
