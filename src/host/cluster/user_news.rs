//! The news about users that members tell each other, so that the accounts of one are witnesses for those of the others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix::Addr;
use matterhost_actors::{
    hosting::{HeardElsewhere, Supervisor},
    model::{ServerName, UserChange, UserId},
    ports::WitnessRelay,
};
use serde::{Deserialize, Serialize};
use tokio::{sync::mpsc, time::sleep};

use crate::cluster::MemberMessages;

/// Changes that wait to be announced: as many as a directory changes in a second or so. More are left out, and the other members'
/// own polls and pings find them.
const MAX_WAITING: usize = 4_096;

/// The changes of one announcement. Each has at most some 250 bytes: an id of a user, a name of a server, and a time.
const MOST_TOLD: usize = 256;

/// The time during which changes are gathered: at most twenty announcements a second.
const GATHERED_FOR: Duration = Duration::from_millis(50);

/// The longest announcement that is read: what members of this version write, four times over.
const MAX_BYTES: usize = 256 * 1024;

/// The news about users, from and to the other members. Clones share them.
#[derive(Debug, Clone)]
pub(in crate::host) struct UserNews {
    messages: Arc<dyn MemberMessages>,
    waiting: mpsc::Sender<UserChange>,
    counts: Arc<Counts>,
}

/// The numbers of changes by outcome.
#[derive(Debug, Default)]
struct Counts {
    announced: AtomicU64,
    left_out: AtomicU64,
    heard: AtomicU64,
}

/// A change of a user, as members write it.
#[derive(Serialize, Deserialize)]
struct AnnouncedChange {
    server: String,
    user: UserId,
    update_at: i64,
}

impl UserNews {
    /// Begins to announce what comes.
    pub(super) fn start(messages: Arc<dyn MemberMessages>) -> Self {
        let (waiting, changes) = mpsc::channel(MAX_WAITING);
        let counts = Arc::<Counts>::default();
        tokio::spawn(announce(changes, Arc::clone(&messages), Arc::clone(&counts)));
        Self { messages, waiting, counts }
    }

    /// Returns the way to the other members.
    pub(in crate::host) fn relay(&self) -> Arc<dyn WitnessRelay> {
        Arc::new(self.clone())
    }

    /// Tells the Supervisor what members announce. It ends with the connection to them.
    pub(in crate::host) async fn hear(self, supervisor: Addr<Supervisor>) {
        let mut announcements = self.messages.announcements();
        while let Some(text) = announcements.recv().await {
            let changes = read(&text);
            count(&self.counts.heard, changes.len());
            supervisor.do_send(HeardElsewhere(changes));
        }
    }

    /// Returns the numbers of changes by outcome.
    pub(super) fn counts(&self) -> [(&'static str, u64); 3] {
        let Counts { announced, left_out, heard } = &*self.counts;
        [("announced", announced), ("left_out", left_out), ("heard", heard)]
            .map(|(outcome, count)| (outcome, count.load(Ordering::Relaxed)))
    }
}

impl WitnessRelay for UserNews {
    fn pass_on(&self, change: UserChange) {
        if self.waiting.try_send(change).is_err() {
            count(&self.counts.left_out, 1);
        }
    }
}

/// Announces what waits until the last sender is gone.
async fn announce(
    mut waiting: mpsc::Receiver<UserChange>,
    messages: Arc<dyn MemberMessages>,
    counts: Arc<Counts>,
) {
    let mut told = Vec::with_capacity(MOST_TOLD);
    while let Some(first) = waiting.recv().await {
        sleep(GATHERED_FOR).await;
        told.push(first);
        while told.len() < MOST_TOLD
            && let Ok(change) = waiting.try_recv()
        {
            told.push(change);
        }
        messages.announce(write(&told)).await;
        count(&counts.announced, told.len());
        told.clear();
    }
}

fn count(counter: &AtomicU64, changes: usize) {
    counter.fetch_add(u64::try_from(changes).unwrap_or(u64::MAX), Ordering::Relaxed);
}

fn write(changes: &[UserChange]) -> Vec<u8> {
    let announced = |change: &UserChange| AnnouncedChange {
        server: change.server.to_string(),
        user: change.user.clone(),
        update_at: change.update_at,
    };
    // Texts and numbers can always be written.
    serde_json::to_vec(&changes.iter().map(announced).collect::<Vec<_>>()).unwrap_or_default()
}

/// Reads an announcement. One of another version that cannot be read is no news.
fn read(text: &[u8]) -> Vec<UserChange> {
    if text.len() > MAX_BYTES {
        tracing::debug!(bytes = text.len(), "an announcement of another member is too long");
        return Vec::new();
    }
    let announced: Vec<AnnouncedChange> = serde_json::from_slice(text)
        .inspect_err(|error| tracing::debug!(%error, "cannot read the announcement of another member"))
        .unwrap_or_default();
    let change = |AnnouncedChange { server, user, update_at }| {
        Some(UserChange { server: ServerName::new(&server).ok()?, user, update_at })
    };
    announced.into_iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use matterhost_actors::model::ServerName;

    use super::*;
    use crate::cluster::MemoryMessages;

    fn change(n: usize) -> UserChange {
        let (server, user) = (ServerName::new("s").unwrap(), format!("user{n}").as_str().into());
        UserChange { server, user, update_at: 1_700_000_000_000 }
    }

    #[tokio::test]
    async fn changes_are_announced_in_order_in_announcements_of_limited_size() {
        let messages = Arc::new(MemoryMessages::default());
        let mut announcements = messages.announcements();
        let news = UserNews::start(messages);
        let relay = news.relay();
        let all: Vec<_> = (0..=MOST_TOLD).map(change).collect();
        for change in &all {
            relay.pass_on(change.clone());
        }
        let mut heard = Vec::new();
        while heard.len() < all.len() {
            let changes = read(&announcements.recv().await.unwrap());
            assert!((1..=MOST_TOLD).contains(&changes.len()), "{}", changes.len());
            heard.extend(changes);
        }
        assert_eq!(heard, all);
        assert_eq!(news.counts()[1..], [("left_out", 0), ("heard", 0)]);
    }

    #[tokio::test]
    async fn what_has_no_place_is_left_out_and_counted() {
        let news = UserNews::start(Arc::new(MemoryMessages::default()));
        let relay = news.relay();
        (0..MAX_WAITING + 3).for_each(|n| relay.pass_on(change(n)));
        assert_eq!(news.counts(), [("announced", 0), ("left_out", 3), ("heard", 0)]);
    }

    #[test]
    fn the_longest_changes_fit_an_announcement() {
        let longest = UserChange {
            server: ServerName::new(&"s".repeat(128)).unwrap(),
            user: "u".repeat(64).as_str().into(),
            update_at: i64::MIN,
        };
        let text = write(&vec![longest.clone(); MOST_TOLD]);
        assert!(text.len() <= MAX_BYTES, "{}", text.len());
        assert_eq!(read(&text), vec![longest; MOST_TOLD]);
    }

    #[test]
    fn what_cannot_be_read_is_no_news() {
        let long = format!("[{}]", " ".repeat(MAX_BYTES));
        let wrong_user = r#"[{"server":"s","user":"a b","update_at":1}]"#;
        for text in ["", "{}", "[{}]", "\u{0}", wrong_user, &long] {
            assert_eq!(read(text.as_bytes()), []);
        }
        let odd =
            r#"[{"server":"a/b","user":"u","update_at":1},{"server":"s","user":"u","update_at":2,"more":0}]"#;
        let known = UserChange { user: "u".into(), update_at: 2, ..change(0) };
        assert_eq!(read(odd.as_bytes()), [known], "the others are read");
    }
}
