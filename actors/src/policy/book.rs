//! What one account has heard of each channel, what it has missed, and what would be a double.

use std::collections::{HashMap, HashSet, VecDeque};

use super::cursor::{Anchor, Cursor};
use crate::model::{ChannelId, PostId, PostKey};

/// Ids of posts that were taken lately, whatever their channel: a resume brings up to 128 sent events again
/// (fact 10), some of them older than any overlap.
const LATELY: usize = 256;

/// A channel as a listing shows it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The channel.
    pub channel: ChannelId,
    /// When it was made.
    pub create_at: i64,
    /// Its newest post's time, or past it (fact 24).
    pub last_post_at: i64,
    /// Whether it is a direct or group channel, which is all the account's from its beginning.
    pub is_direct: bool,
}

/// A channel with posts to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// The channel.
    pub channel: ChannelId,
    /// Where to begin.
    pub from: Anchor,
}

/// The memory of one account. It outlives sockets, and what hands events over as well.
#[derive(Debug, Default)]
pub struct Book {
    channels: HashMap<ChannelId, Page>,
    /// The newest server time that was seen at the last complete listing; none before the first.
    listed_at: Option<i64>,
    /// The newest server time seen at all.
    server_time: i64,
    lately: Lately,
}

/// One channel.
#[derive(Debug)]
struct Page {
    cursor: Cursor,
    /// Posts that were taken and are not acknowledged yet.
    open: HashSet<PostId>,
    /// News is what lies past this.
    seen_until: i64,
    /// What the round under way will raise it to.
    listed_until: i64,
    /// The time of the newest post that was taken; 0 before the first.
    heard: i64,
}

#[derive(Debug, Default)]
struct Lately {
    ids: HashSet<PostId>,
    order: VecDeque<PostId>,
}

impl Book {
    /// A listing came, at this server time or later. Channels seen for the first time begin; those with news are to be
    /// fetched.
    pub fn listed(&mut self, listing: &[Listed], server_time: i64, overlap_ms: i64) -> Vec<News> {
        let earlier = self.listed_at;
        let newest = listing.iter().map(|listed| listed.last_post_at).max().unwrap_or_default();
        self.server_time = self.server_time.max(newest).max(server_time);
        let active = self.server_time.saturating_sub(overlap_ms);
        let mut news = Vec::new();
        for listed in listing {
            let page = self
                .channels
                .entry(listed.channel.clone())
                .or_insert_with(|| Page::new(beginning(listed, earlier), overlap_ms));
            page.listed_until = listed.last_post_at;
            // A channel that was active when the socket was lost is looked at even if the list shows nothing new: a
            // post that became visible after a younger one does not move last_post_at (fact 23).
            let was_active = page.heard > 0 && page.heard >= active;
            if listed.last_post_at > page.seen_until || was_active {
                news.push(News { channel: listed.channel.clone(), from: page.cursor.anchor().clone() });
            }
        }
        news
    }

    /// All that the last listing promised has been fetched.
    pub fn fetched(&mut self) {
        self.listed_at = Some(self.server_time);
        for page in self.channels.values_mut() {
            page.seen_until = page.seen_until.max(page.listed_until);
        }
    }

    /// Takes a post to hand it over. False for one that was taken before: by its id only, never by its time.
    pub fn take(&mut self, channel: &ChannelId, post: &PostKey, overlap_ms: i64) -> bool {
        // A channel that the last listing did not show begins at that listing, not at the first post heard of it: an
        // older one may become visible later (fact 23).
        let first = post.create_at.saturating_sub(1);
        let begin = self.listed_at.map_or(first, |listed_at| listed_at.min(first));
        let page = self.channels.entry(channel.clone()).or_insert_with(|| Page::new(begin, overlap_ms));
        let known = page.open.contains(&post.id)
            || page.cursor.knows(post.create_at, &post.id)
            || self.lately.has(&post.id);
        if !known {
            page.open.insert(post.id.clone());
            page.heard = page.heard.max(post.create_at);
            self.lately.add(post.id.clone());
            self.server_time = self.server_time.max(post.create_at);
        }
        !known
    }

    /// A post was acknowledged. Within a channel they are in the order in which they were taken.
    pub fn acknowledged(&mut self, channel: &ChannelId, post: PostKey) {
        let Some(page) = self.channels.get_mut(channel) else { return };
        page.open.remove(&post.id);
        page.seen_until = page.seen_until.max(post.create_at);
        page.cursor.acknowledged(post.create_at, post.id);
    }

    /// What was taken and not acknowledged is gone: it is to come again.
    pub fn forget_open(&mut self) {
        for page in self.channels.values_mut() {
            for id in page.open.drain() {
                self.lately.ids.remove(&id);
            }
            // The listing's promise was not kept: look at each channel again.
            page.seen_until = page.seen_until.min(page.cursor.newest());
        }
    }
}

impl Page {
    fn new(begin: i64, overlap_ms: i64) -> Self {
        let cursor = Cursor::at(begin, overlap_ms);
        Self { cursor, open: HashSet::new(), seen_until: begin, listed_until: begin, heard: 0 }
    }
}

/// Where a channel begins that no listing had before.
fn beginning(listed: &Listed, earlier: Option<i64>) -> i64 {
    match earlier {
        // The first start is now: what the server knows already is past.
        None => listed.last_post_at,
        Some(_) if listed.is_direct => listed.create_at.saturating_sub(1),
        Some(earlier) => earlier,
    }
}

impl Lately {
    fn has(&self, id: &PostId) -> bool {
        self.ids.contains(id)
    }

    fn add(&mut self, id: PostId) {
        self.ids.insert(id.clone());
        self.order.push_back(id);
        if self.order.len() > LATELY
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVERLAP: i64 = 100;

    fn key(create_at: i64, id: &str) -> PostKey {
        PostKey { create_at, id: id.into() }
    }

    fn listed(channel: &str, last_post_at: i64) -> Listed {
        Listed { channel: channel.into(), create_at: 0, last_post_at, is_direct: false }
    }

    /// A book after its first listing.
    fn begun(channels: &[(&str, i64)]) -> Book {
        let mut book = Book::default();
        let listing: Vec<Listed> = channels.iter().map(|(channel, at)| listed(channel, *at)).collect();
        assert_eq!(book.listed(&listing, 0, OVERLAP), [], "the first start is now");
        book.fetched();
        book
    }

    #[test]
    fn news_is_what_lies_past_the_last_finished_round() {
        let mut book = begun(&[("quiet", 1_000), ("busy", 9_000)]);
        let listing = [listed("quiet", 1_000), listed("busy", 9_500)];
        let news = book.listed(&listing, 0, OVERLAP);
        assert_eq!(news, [News { channel: "busy".into(), from: Anchor::Time(9_000) }]);
        assert_eq!(book.listed(&listing, 0, OVERLAP), news, "an unfinished round begins again");
        book.fetched();
        assert_eq!(
            book.listed(
                &[listed("quiet", 1_000), listed("busy", 9_500), listed("other", 20_000)],
                0,
                OVERLAP
            )
            .len(),
            1
        );
    }

    #[test]
    fn a_channel_that_was_active_just_now_is_looked_at_though_the_list_shows_nothing_new() {
        let mut book = begun(&[("c", 1_000)]);
        let post = key(2_000, "p");
        assert!(book.take(&"c".into(), &post, OVERLAP));
        book.acknowledged(&"c".into(), post);
        assert_eq!(book.listed(&[listed("c", 2_000)], 0, OVERLAP).len(), 1, "fact 23");
    }

    #[test]
    fn a_post_is_taken_once_while_it_is_open_and_after() {
        let mut book = begun(&[("c", 1_000)]);
        let (channel, post) = (ChannelId::from("c"), key(2_000, "p"));
        assert!(book.take(&channel, &post, OVERLAP) && !book.take(&channel, &post, OVERLAP));
        book.acknowledged(&channel, post.clone());
        assert!(!book.take(&channel, &post, OVERLAP));
        assert!(book.take(&channel, &key(2_000, "q"), OVERLAP), "the same time, another id");
        assert!(book.take(&channel, &key(5, "old"), OVERLAP), "never for its time");
    }

    #[test]
    fn what_was_never_acknowledged_comes_again() {
        let mut book = begun(&[("c", 1_000)]);
        let (channel, post) = (ChannelId::from("c"), key(2_000, "p"));
        book.take(&channel, &post, OVERLAP);
        book.listed(&[listed("c", 2_000)], 0, OVERLAP);
        book.fetched();
        book.forget_open();
        let news = book.listed(&[listed("c", 2_000)], 0, OVERLAP);
        assert_eq!(news, [News { channel: channel.clone(), from: Anchor::Time(1_000) }]);
        assert!(book.take(&channel, &post, OVERLAP));
    }

    #[test]
    fn a_channel_that_comes_later_begins_at_the_last_listing_and_a_direct_one_at_its_own_beginning() {
        let mut book = begun(&[("c", 1_000)]);
        let direct = Listed { channel: "d".into(), create_at: 3_000, last_post_at: 3_000, is_direct: true };
        let news = book.listed(&[listed("new", 5_000), direct], 0, OVERLAP);
        let from: HashMap<_, _> = news.into_iter().map(|news| (news.channel, news.from)).collect();
        assert_eq!(from[&ChannelId::from("new")], Anchor::Time(1_000));
        assert_eq!(from[&ChannelId::from("d")], Anchor::Time(2_999));
    }

    #[test]
    fn a_channel_first_heard_of_live_begins_at_the_last_listing() {
        let mut book = begun(&[("c", 1_000)]);
        let young = key(2_000, "young");
        book.take(&"new".into(), &young, OVERLAP);
        book.acknowledged(&"new".into(), young);
        let news = book.listed(&[listed("new", 2_000)], 0, OVERLAP);
        assert_eq!(news[0].from, Anchor::Time(1_000), "an older post may become visible yet");
    }
}
