//! A fake server's channels and posts.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use matterhost_actors::{
    mattermost::{
        Channel, ChannelKind, Cut, FileId, NewPost, PER_PAGE, Page, Post, RestErrorKind, SINCE_LIMIT, Since,
        Span,
    },
    model::{ChannelId, PostId},
    policy::LONGEST_POST,
};
use serde_json::{Map, Value, value::RawValue};
use tokio::time::Instant;

/// How long a `pending_post_id` makes no second post (fact 19).
const PENDING: Duration = Duration::from_secs(30);

const FORBIDDEN: RestErrorKind = RestErrorKind::Refused(403);

/// Who is where, and what was said.
#[derive(Default)]
pub(super) struct Talk {
    channels: BTreeMap<String, FakeChannel>,
    posts: BTreeMap<String, FakePost>,
    /// Posts by user and `pending_post_id`, and when they were made.
    pending: HashMap<(String, String), (String, Instant)>,
}

struct FakeChannel {
    members: Vec<String>,
    create_at: i64,
    delete_at: i64,
    last_post_at: i64,
}

#[derive(Clone)]
struct FakePost {
    channel: String,
    create_at: i64,
    update_at: i64,
    edit_at: i64,
    delete_at: i64,
    original_id: String,
    author: String,
    said: Said,
}

/// What is in a post that somebody wrote by REST.
#[derive(Clone, Default)]
struct Said {
    message: Option<String>,
    root_id: String,
    props: Map<String, Value>,
    file_ids: Vec<FileId>,
}

/// What happens in the world.
impl Talk {
    pub(super) fn add_channel(&mut self, id: &str, members: &[&str]) {
        let members = members.iter().map(|&name| name.to_owned()).collect();
        let channel = FakeChannel { members, create_at: 1, delete_at: 0, last_post_at: 0 };
        self.channels.insert(id.to_owned(), channel);
    }

    pub(super) fn archive(&mut self, channel: &str, at: i64) {
        self.channels.get_mut(channel).unwrap().delete_at = at;
    }

    pub(super) fn post(&mut self, channel: &str, create_at: i64) -> PostId {
        let id = format!("post-{:04}", self.posts.len());
        let post = FakePost {
            channel: channel.to_owned(),
            create_at,
            update_at: create_at,
            edit_at: 0,
            delete_at: 0,
            original_id: String::new(),
            author: "somebody".to_owned(),
            said: Said::default(),
        };
        self.moved(channel, create_at);
        self.posts.insert(id.clone(), post);
        id.as_str().into()
    }

    /// A user posts by REST. One `pending_post_id` of one user makes one post within 30 s (fact 19).
    pub(super) fn write(&mut self, user: &str, post: &NewPost) -> Result<Post, RestErrorKind> {
        let channel = post.channel_id.as_str();
        if !self.channels.get(channel).is_some_and(|channel| channel.has(user)) {
            return Err(FORBIDDEN);
        }
        if post.message.chars().count() > LONGEST_POST {
            return Err(RestErrorKind::Refused(400));
        }
        let now = Instant::now();
        self.pending.retain(|_, (_, made)| now - *made < PENDING);
        let pending = (user.to_owned(), post.pending_post_id.clone());
        if let Some((id, _)) = self.pending.get(&pending).filter(|_| !pending.1.is_empty()) {
            return Ok(self.posts[id].show(id));
        }
        let newest = self.posts.values().map(|post| post.create_at).max().unwrap_or(10_000);
        let id = self.post(channel, newest + 1).as_str().to_owned();
        let made = self.posts.get_mut(&id).unwrap();
        user.clone_into(&mut made.author);
        made.said = Said {
            message: Some(post.message.clone()),
            root_id: post.root_id.as_ref().map_or("", PostId::as_str).to_owned(),
            props: post.props.clone(),
            file_ids: post.file_ids.clone(),
        };
        self.pending.insert(pending, (id.clone(), now));
        Ok(self.posts[&id].show(&id))
    }

    /// A user edits a post of its own by REST.
    pub(super) fn rewrite(&mut self, user: &str, id: &PostId, text: &str) -> Result<Post, RestErrorKind> {
        let id = id.as_str();
        let post = self.posts.get(id).filter(|post| post.delete_at == 0).ok_or(RestErrorKind::NotFound)?;
        if post.author != user {
            return Err(FORBIDDEN);
        }
        self.edit(id, post.update_at + 1);
        let post = self.posts.get_mut(id).unwrap();
        post.said.message = Some(text.to_owned());
        Ok(post.show(id))
    }

    pub(super) fn one(&self, user: &str, id: &PostId) -> Result<Post, RestErrorKind> {
        let post = self.posts.get(id.as_str()).filter(|post| post.delete_at == 0);
        let post = post.ok_or(RestErrorKind::NotFound)?;
        if self.may_see(user, &post.channel) { Ok(post.show(id.as_str())) } else { Err(FORBIDDEN) }
    }

    pub(super) fn may_see(&self, user: &str, channel: &str) -> bool {
        self.channels.get(channel).is_some_and(|channel| channel.has(user))
    }

    /// The texts of a channel that were written by REST, in order.
    pub(super) fn written(&self, channel: &str) -> Vec<String> {
        let mut posts: Vec<_> = self.posts.values().filter(|post| post.channel == channel).collect();
        posts.sort_by_key(|post| post.create_at);
        posts
            .into_iter()
            .filter(|post| post.original_id.is_empty())
            .filter_map(|post| post.said.message.clone())
            .collect()
    }

    /// The old version stays as a row of history that looks deleted (fact 25).
    pub(super) fn edit(&mut self, id: &str, at: i64) {
        let post = self.posts.get_mut(id).unwrap();
        let history = FakePost { update_at: at, delete_at: at, original_id: id.to_owned(), ..post.clone() };
        (post.update_at, post.edit_at) = (at, at);
        self.moved(&history.channel, at);
        self.posts.insert(format!("{id}-before-{at}"), history);
    }

    /// `last_post_at` stays (fact 24).
    pub(super) fn delete(&mut self, id: &str, at: i64) {
        let post = self.posts.get_mut(id).unwrap();
        (post.update_at, post.delete_at) = (at, at);
    }

    fn moved(&mut self, channel: &str, at: i64) {
        let channel = self.channels.get_mut(channel).expect(channel);
        channel.last_post_at = channel.last_post_at.max(at);
    }
}

/// What REST answers.
impl Talk {
    pub(super) fn list(&self, user: &str) -> Vec<Channel> {
        let mine = self.channels.iter().filter(|(_, channel)| channel.has(user));
        mine.map(|(id, channel)| channel.show(id, Some(channel.last_post_at))).collect()
    }

    pub(super) fn channel(&self, user: &str, id: &ChannelId) -> Result<Channel, RestErrorKind> {
        let channel = self.channels.get(id.as_str()).ok_or(RestErrorKind::NotFound)?;
        if channel.has(user) { Ok(channel.show(id.as_str(), None)) } else { Err(FORBIDDEN) }
    }

    /// Ordered by `create_at` alone, without deleted posts; nothing where the named post does not exist.
    pub(super) fn page(
        &self,
        user: &str,
        channel: &ChannelId,
        span: Span<'_>,
        cut: Cut,
    ) -> Result<Page, RestErrorKind> {
        if matches!(span, Span::After(id) | Span::Before(id) if id.as_str().is_empty()) {
            return Err(RestErrorKind::Refused(400));
        }
        let mut posts = self.rows(user, channel)?;
        posts.retain(|(_, post)| post.delete_at == 0);
        let (skip, mut shown) = match span {
            Span::After(id) => (false, self.around(&posts, id, |post, named| post > named)),
            Span::Before(id) => (true, self.around(&posts, id, |post, named| post < named)),
            Span::Newest => (true, posts.clone()),
        };
        let per_page = cut.per_page.clamp(1, PER_PAGE);
        if skip {
            shown.truncate(shown.len().saturating_sub(cut.page * per_page));
            shown.drain(..shown.len().saturating_sub(per_page));
        } else {
            shown.drain(..shown.len().min(cut.page * per_page));
            shown.truncate(per_page);
        }
        let at = |row: Option<&(&String, &FakePost)>| row.map(|(_, post)| post.create_at);
        let (oldest, newest) = (at(shown.first()), at(shown.last()));
        let next = posts.iter().find(|(_, post)| newest.is_some_and(|at| post.create_at > at));
        let prev = posts.iter().rfind(|(_, post)| oldest.is_some_and(|at| post.create_at < at));
        let name = |row: Option<&(&String, &FakePost)>| row.map(|(id, _)| PostId::from(id.as_str()));
        let (mut next_post_id, mut prev_post_id) = (name(next), name(prev));
        match span {
            Span::After(id) => prev_post_id = Some(id.clone()),
            Span::Before(id) => next_post_id = Some(id.clone()),
            Span::Newest => {}
        }
        Ok(Page { posts: read(&shown), next_post_id, prev_post_id })
    }

    /// By `update_at`; past the limit it leaves out those made first, one choice among any (fact 25).
    pub(super) fn since(
        &self,
        user: &str,
        channel: &ChannelId,
        since_ms: i64,
    ) -> Result<Since, RestErrorKind> {
        let mut rows = self.rows(user, channel)?;
        rows.retain(|(_, post)| post.update_at > since_ms);
        rows.sort_by_key(|(id, _)| Reverse(*id));
        rows.truncate(SINCE_LIMIT);
        rows.sort_by_key(|(id, post)| (post.create_at, *id));
        Ok(Since { posts: read(&rows), truncated: rows.len() >= SINCE_LIMIT })
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

    /// A channel's rows, the oldest first. What does not exist is forbidden as well.
    fn rows(&self, user: &str, channel: &ChannelId) -> Result<Vec<(&String, &FakePost)>, RestErrorKind> {
        let id = channel.as_str();
        if !self.channels.get(id).is_some_and(|channel| channel.has(user)) {
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
        let said = || self.said.message.clone().unwrap_or_else(|| format!("this is {id}"));
        let message = if self.delete_at == 0 { said() } else { String::new() };
        let json = serde_json::json!({
            "id": id, "create_at": self.create_at, "update_at": self.update_at, "edit_at": self.edit_at,
            "delete_at": self.delete_at, "user_id": format!("id-{}", self.author), "channel_id": self.channel,
            "root_id": self.said.root_id, "original_id": self.original_id, "message": message, "type": "",
            "props": self.said.props, "file_ids": self.said.file_ids,
        });
        Post::read(RawValue::from_string(json.to_string()).unwrap()).unwrap()
    }
}
