//! The channels and posts of the fake server.

mod rest_posts;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use matterhost_actors::{
    mattermost::{
        Channel, ChannelKind, PER_PAGE, Page, PageRequest, Post, PostRange, PostsSince, RestErrorKind,
        SINCE_LIMIT,
    },
    model::{ChannelId, PostId},
};
use serde_json::value::RawValue;
use tokio::time::Instant;

use self::rest_posts::PostContent;

const FORBIDDEN: RestErrorKind = RestErrorKind::Refused(403);

/// The channels with their members, and the posts.
#[derive(Default)]
pub(super) struct FakeChannels {
    channels: BTreeMap<String, FakeChannel>,
    posts: BTreeMap<String, FakePost>,
    /// The number of posts that were removed.
    purged: usize,
    /// The posts by user and `pending_post_id`, with their creation times.
    pending: HashMap<(String, String), (String, Instant)>,
}

struct FakeChannel {
    members: Vec<String>,
    create_at: i64,
    delete_at: i64,
    last_post_at: i64,
    /// The value that lagging lists show instead.
    lagging_at: Option<i64>,
    /// True if the lists do not contain it, although it can be read.
    unlisted: bool,
    /// True if its posts cannot be read, although the lists contain it.
    forbidden: bool,
}

#[derive(Clone)]
struct FakePost {
    kind: String,
    user: String,
    channel: String,
    create_at: i64,
    update_at: i64,
    edit_at: i64,
    delete_at: i64,
    original_id: String,
    content: PostContent,
}

/// The changes of the server's state.
impl FakeChannels {
    pub(super) fn add_channel(&mut self, id: &str, members: &[&str]) {
        let members = members.iter().map(|&name| name.to_owned()).collect();
        let channel = FakeChannel {
            members,
            create_at: 1,
            delete_at: 0,
            last_post_at: 0,
            lagging_at: None,
            unlisted: false,
            forbidden: false,
        };
        self.channels.insert(id.to_owned(), channel);
    }

    pub(super) fn unlist(&mut self, channel: &str) {
        self.channels.get_mut(channel).unwrap().unlisted = true;
    }

    /// Freezes the lists in their current state, or makes them correct again.
    pub(super) fn lag(&mut self, lags: bool) {
        for channel in self.channels.values_mut() {
            channel.lagging_at = lags.then_some(channel.last_post_at);
        }
    }

    pub(super) fn forbid(&mut self, channel: &str, forbidden: bool) {
        self.channels.get_mut(channel).unwrap().forbidden = forbidden;
    }

    pub(super) fn archive(&mut self, channel: &str, at: i64) {
        self.channels.get_mut(channel).unwrap().delete_at = at;
    }

    pub(super) fn post(&mut self, channel: &str, create_at: i64) -> PostId {
        self.post_of_kind(channel, create_at, "", "id-somebody")
    }

    /// Creates a post of a type by a given user.
    pub(super) fn post_of_kind(&mut self, channel: &str, create_at: i64, kind: &str, user: &str) -> PostId {
        let id = format!("post-{:04}", self.posts.len() + self.purged);
        let post = FakePost {
            kind: kind.to_owned(),
            user: user.to_owned(),
            channel: channel.to_owned(),
            create_at,
            update_at: create_at,
            edit_at: 0,
            delete_at: 0,
            original_id: String::new(),
            content: PostContent::default(),
        };
        self.advance_last_post_at(channel, create_at);
        self.posts.insert(id.clone(), post);
        id.as_str().into()
    }

    /// Edits a post. The old version stays as a history row that looks deleted (fact 25).
    pub(super) fn edit(&mut self, id: &str, at: i64) {
        let post = self.posts.get_mut(id).unwrap();
        let history = FakePost { update_at: at, delete_at: at, original_id: id.to_owned(), ..post.clone() };
        (post.update_at, post.edit_at) = (at, at);
        self.advance_last_post_at(&history.channel, at);
        self.posts.insert(format!("{id}-before-{at}"), history);
    }

    /// Pins a post, which moves `last_post_at` as an edit does (fact 24).
    pub(super) fn pin(&mut self, id: &str, at: i64) {
        let post = self.posts.get_mut(id).unwrap();
        post.update_at = at;
        let channel = post.channel.clone();
        self.advance_last_post_at(&channel, at);
    }

    /// Deletes a post, which does not move `last_post_at` (fact 24).
    pub(super) fn delete(&mut self, id: &str, at: i64) {
        let post = self.posts.get_mut(id).unwrap();
        (post.update_at, post.delete_at) = (at, at);
    }

    /// Removes a post as a retention policy does: the server knows its id no more.
    pub(super) fn purge(&mut self, id: &str) {
        self.posts.remove(id).unwrap();
        self.purged += 1;
    }

    pub(super) fn last_post_at(&self, channel: &str) -> i64 {
        self.channels[channel].last_post_at
    }

    fn advance_last_post_at(&mut self, channel: &str, at: i64) {
        let channel = self.channels.get_mut(channel).expect(channel);
        channel.last_post_at = channel.last_post_at.max(at);
    }
}

/// The replies to REST requests.
impl FakeChannels {
    pub(super) fn list(&self, user: &str) -> Vec<Channel> {
        let mine = self.channels.iter().filter(|(_, channel)| channel.has(user) && !channel.unlisted);
        mine.map(|(id, channel)| channel.show(id, Some(channel.lagging_at.unwrap_or(channel.last_post_at))))
            .collect()
    }

    pub(super) fn channel(&self, user: &str, id: &ChannelId) -> Result<Channel, RestErrorKind> {
        let channel = self.channels.get(id.as_str()).ok_or(RestErrorKind::NotFound)?;
        if channel.has(user) { Ok(channel.show(id.as_str(), None)) } else { Err(FORBIDDEN) }
    }

    /// Returns a page ordered by `create_at` alone, without deleted posts; empty if the named post does not exist.
    pub(super) fn page(
        &self,
        user: &str,
        channel: &ChannelId,
        range: PostRange<'_>,
        page_request: PageRequest,
    ) -> Result<Page, RestErrorKind> {
        if matches!(range, PostRange::After(id) | PostRange::Before(id) if id.as_str().is_empty()) {
            return Err(RestErrorKind::Refused(400));
        }
        let mut posts = self.rows(user, channel)?;
        posts.retain(|(_, post)| post.delete_at == 0);
        let (skip, mut shown) = match range {
            PostRange::After(id) => (false, self.around(&posts, id, |post, named| post > named)),
            PostRange::Before(id) => (true, self.around(&posts, id, |post, named| post < named)),
            PostRange::Newest => (true, posts.clone()),
        };
        let per_page = page_request.per_page.clamp(1, PER_PAGE);
        if skip {
            shown.truncate(shown.len().saturating_sub(page_request.page * per_page));
            shown.drain(..shown.len().saturating_sub(per_page));
        } else {
            shown.drain(..shown.len().min(page_request.page * per_page));
            shown.truncate(per_page);
        }
        let at = |row: Option<&(&String, &FakePost)>| row.map(|(_, post)| post.create_at);
        let (oldest, newest) = (at(shown.first()), at(shown.last()));
        let next = posts.iter().find(|(_, post)| newest.is_some_and(|at| post.create_at > at));
        let prev = posts.iter().rfind(|(_, post)| oldest.is_some_and(|at| post.create_at < at));
        let name = |row: Option<&(&String, &FakePost)>| row.map(|(id, _)| PostId::from(id.as_str()));
        let (mut next_post_id, mut prev_post_id) = (name(next), name(prev));
        match range {
            PostRange::After(id) => prev_post_id = Some(id.clone()),
            PostRange::Before(id) => next_post_id = Some(id.clone()),
            PostRange::Newest => {}
        }
        Ok(Page { posts: read(&shown), next_post_id, prev_post_id, ..Page::default() })
    }

    /// Returns rows by `update_at`. Beyond the limit it leaves out the oldest posts, an arbitrary choice (fact 25).
    pub(super) fn since(
        &self,
        user: &str,
        channel: &ChannelId,
        since_ms: i64,
    ) -> Result<PostsSince, RestErrorKind> {
        let mut rows = self.rows(user, channel)?;
        rows.retain(|(_, post)| post.update_at > since_ms);
        rows.sort_by_key(|(id, _)| Reverse(*id));
        rows.truncate(SINCE_LIMIT);
        rows.sort_by_key(|(id, post)| (post.create_at, *id));
        Ok(PostsSince { posts: read(&rows), truncated: rows.len() >= SINCE_LIMIT, ..PostsSince::default() })
    }

    fn around<'a>(
        &self,
        posts: &[(&'a String, &'a FakePost)],
        named: &PostId,
        wanted: impl Fn(i64, i64) -> bool,
    ) -> Vec<(&'a String, &'a FakePost)> {
        let named = self.posts.get(named.as_str()).map(|post| post.create_at);
        let wanted = |post: &FakePost| named.is_some_and(|named| wanted(post.create_at, named));
        posts.iter().copied().filter(|(_, post)| wanted(post)).collect()
    }

    /// Returns a channel's rows, the oldest first. A channel that does not exist is forbidden as well.
    fn rows(&self, user: &str, channel: &ChannelId) -> Result<Vec<(&String, &FakePost)>, RestErrorKind> {
        let id = channel.as_str();
        if !self.channels.get(id).is_some_and(|channel| channel.has(user) && !channel.forbidden) {
            return Err(FORBIDDEN);
        }
        let mut rows: Vec<_> = self.posts.iter().filter(|(_, post)| post.channel == id).collect();
        rows.sort_by_key(|(id, post)| (post.create_at, *id));
        Ok(rows)
    }
}

impl FakeChannel {
    fn has(&self, user: &str) -> bool {
        self.members.iter().any(|member| member == user)
    }

    fn show(&self, id: &str, last_post_at: Option<i64>) -> Channel {
        Channel {
            id: id.into(),
            team_id: "team".into(),
            kind: ChannelKind::Open,
            name: id.into(),
            display_name: id.into(),
            create_at: self.create_at,
            delete_at: self.delete_at,
            last_post_at,
        }
    }
}

fn read(rows: &[(&String, &FakePost)]) -> Vec<Post> {
    rows.iter().map(|(id, post)| post.show(id)).collect()
}

impl FakePost {
    fn show(&self, id: &str) -> Post {
        let content = || self.content.message.clone().unwrap_or_else(|| format!("this is {id}"));
        let message = if self.delete_at == 0 { content() } else { String::new() };
        let mut json = serde_json::json!({
            "id": id, "create_at": self.create_at, "update_at": self.update_at, "edit_at": self.edit_at,
            "delete_at": self.delete_at, "user_id": self.user, "channel_id": self.channel,
            "root_id": self.content.root_id, "original_id": self.original_id, "message": message,
            "type": self.kind, "props": self.content.props, "file_ids": self.content.file_ids,
        });
        let json = match &self.content.text_member {
            Some(member) => {
                json.as_object_mut().unwrap().remove("message");
                json.to_string().replacen('{', &format!("{{{member},"), 1)
            }
            None => json.to_string(),
        };
        Post::read(RawValue::from_string(json).unwrap()).unwrap()
    }
}
