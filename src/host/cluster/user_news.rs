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
    model::{ServerName, UserChange, check_id},
    ports::WitnessRelay,
};
use serde::{Deserialize, Serialize};
use tokio::{sync::mpsc, time::sleep};

use crate::cluster::{MemberId, MemberMessages};

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
    /// The name of this process among the members.
    member: Arc<str>,
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

/// An announcement, as members write it.
#[derive(Serialize, Deserialize)]
struct Announcement {
    /// The name of the process that has sent it.
    member: String,
    changes: Vec<AnnouncedChange>,
}

#[derive(Serialize, Deserialize)]
struct AnnouncedChange {
    server: String,
    user: String,
    update_at: i64,
}

impl UserNews {
    /// Begins to announce what comes, in the name of a member.
    pub(super) fn start(messages: Arc<dyn MemberMessages>, member: &MemberId) -> Self {
        let (waiting, changes) = mpsc::channel(MAX_WAITING);
        let (member, counts) = (member.process_name().into(), Arc::default());
        let news = Self { messages, member, waiting, counts };
        let (messages, member, counts) =
            (Arc::clone(&news.messages), Arc::clone(&news.member), Arc::clone(&news.counts));
        tokio::spawn(announce(changes, messages, member, counts));
        news
    }

    /// Returns the way to the other members.
    pub(in crate::host) fn relay(&self) -> Arc<dyn WitnessRelay> {
        Arc::new(self.clone())
    }

    /// Tells the Supervisor what other members announce, until it ends.
    pub(in crate::host) async fn hear(self, supervisor: Addr<Supervisor>) {
        let mut announcements = self.messages.announcements();
        while let Some(text) = announcements.recv().await {
            let changes = read(&text, &self.member);
            count(&self.counts.heard, changes.len());
            // While it is busy, announcements wait in a queue that is limited.
            if !changes.is_empty() && supervisor.send(HeardElsewhere(changes)).await.is_err() {
                return;
            }
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
    member: Arc<str>,
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
        let is_sent = messages.announce(write(&member, &told)).await;
        count(if is_sent { &counts.announced } else { &counts.left_out }, told.len());
        told.clear();
    }
}

fn count(counter: &AtomicU64, changes: usize) {
    counter.fetch_add(u64::try_from(changes).unwrap_or(u64::MAX), Ordering::Relaxed);
}

fn write(member: &str, changes: &[UserChange]) -> Vec<u8> {
    let announced = |change: &UserChange| AnnouncedChange {
        server: change.server.to_string(),
        user: change.user.to_string(),
        update_at: change.update_at,
    };
    let changes = changes.iter().map(announced).collect();
    // Texts and numbers can always be written.
    serde_json::to_vec(&Announcement { member: member.to_owned(), changes }).unwrap_or_default()
}

/// Reads the changes of an announcement, unless this member has sent it. What cannot be read is no news: another version may
/// have written it.
fn read(text: &[u8], own: &str) -> Vec<UserChange> {
    if text.len() > MAX_BYTES {
        tracing::debug!(bytes = text.len(), "an announcement of another member is too long");
        return Vec::new();
    }
    match serde_json::from_slice::<Announcement>(text) {
        Ok(announcement) if announcement.member == own => Vec::new(),
        Ok(announcement) => announcement.changes.into_iter().filter_map(to_change).collect(),
        Err(error) => {
            tracing::debug!(%error, "cannot read the announcement of another member");
            Vec::new()
        }
    }
}

fn to_change(announced: AnnouncedChange) -> Option<UserChange> {
    let AnnouncedChange { server, user, update_at } = announced;
    let user = check_id(&user).ok().filter(|user| !user.is_empty())?.into();
    Some(UserChange { server: ServerName::new(&server).ok()?, user, update_at })
}

#[cfg(test)]
mod tests {
    use futures_util::future::{BoxFuture, FutureExt as _};

    use super::*;
    use crate::cluster::{AskError, MemberName, MemoryMessages, Questions, Topic};

    fn member(name: &str) -> MemberId {
        MemberId::new(MemberName::new(name).unwrap(), 1)
    }

    fn change(n: usize) -> UserChange {
        let (server, user) = (ServerName::new("s").unwrap(), format!("user{n}").as_str().into());
        UserChange { server, user, update_at: 1_700_000_000_000 }
    }

    #[tokio::test]
    async fn changes_are_announced_in_order_in_announcements_of_limited_size() {
        let messages = Arc::new(MemoryMessages::default());
        let mut announcements = messages.announcements();
        let news = UserNews::start(messages, &member("a"));
        let relay = news.relay();
        let all: Vec<_> = (0..=MOST_TOLD).map(change).collect();
        for change in &all {
            relay.pass_on(change.clone());
        }
        let mut heard = Vec::new();
        while heard.len() < all.len() {
            let text = announcements.recv().await.unwrap();
            assert_eq!(read(&text, &member("a").process_name()), [], "its own is no news");
            let changes = read(&text, &member("b").process_name());
            assert!((1..=MOST_TOLD).contains(&changes.len()), "{}", changes.len());
            heard.extend(changes);
        }
        assert_eq!(heard, all);
        assert_eq!(news.counts()[1..], [("left_out", 0), ("heard", 0)]);
    }

    #[tokio::test]
    async fn what_has_no_place_is_left_out_and_counted() {
        let news = UserNews::start(Arc::new(MemoryMessages::default()), &member("a"));
        let relay = news.relay();
        (0..MAX_WAITING + 3).for_each(|n| relay.pass_on(change(n)));
        assert_eq!(news.counts(), [("announced", 0), ("left_out", 3), ("heard", 0)]);
    }

    /// A way to the other members that is cut.
    #[derive(Debug)]
    struct NoConnection;

    impl MemberMessages for NoConnection {
        fn ask(
            &self,
            _: &MemberId,
            _: Topic,
            _: Vec<u8>,
            _: Duration,
        ) -> BoxFuture<'static, Result<Vec<u8>, AskError>> {
            std::future::ready(Err(AskError::Unreachable)).boxed()
        }

        fn questions(&self, _: &MemberId, _: Topic) -> Questions {
            Questions::channel().1
        }

        fn announce(&self, _: Vec<u8>) -> BoxFuture<'static, bool> {
            std::future::ready(false).boxed()
        }

        fn announcements(&self) -> mpsc::Receiver<Vec<u8>> {
            mpsc::channel(1).1
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_sent_is_left_out_and_counted() {
        let news = UserNews::start(Arc::new(NoConnection), &member("a"));
        (0..2).for_each(|n| news.pass_on(change(n)));
        sleep(2 * GATHERED_FOR).await;
        assert_eq!(news.counts(), [("announced", 0), ("left_out", 2), ("heard", 0)]);
    }

    #[test]
    fn the_longest_changes_fit_an_announcement() {
        let longest = UserChange {
            server: ServerName::new(&"s".repeat(128)).unwrap(),
            user: "u".repeat(64).as_str().into(),
            update_at: i64::MIN,
        };
        let text = write("a", &vec![longest.clone(); MOST_TOLD]);
        assert!(text.len() <= MAX_BYTES, "{}", text.len());
        assert_eq!(read(&text, "b"), vec![longest; MOST_TOLD]);
    }

    #[test]
    fn what_cannot_be_read_is_no_news_and_the_rest_is() {
        let long = format!("{{\"member\":\"a\",\"changes\":[{}]}}", " ".repeat(MAX_BYTES));
        for text in ["", "[]", "{}", "\u{0}", r#"{"member":"a","changes":[{}]}"#, &long] {
            assert_eq!(read(text.as_bytes(), "b"), [], "{text:.40}");
        }
        let change_of = |server: &str, user: &str| {
            format!(r#"{{"server":"{server}","user":"{user}","update_at":1700000000000,"more":0}}"#)
        };
        let changes = [("a/b", "user1"), ("s", "a b"), ("s", ""), ("s", "user0")]
            .map(|(server, user)| change_of(server, user));
        let text = format!(r#"{{"member":"a","changes":[{}],"more":0}}"#, changes.join(","));
        assert_eq!(read(text.as_bytes(), "b"), [change(0)]);
    }
}
