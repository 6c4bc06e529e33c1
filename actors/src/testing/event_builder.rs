mod hook_builders;

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};

pub use hook_builders::{button, dialog, menu, slash_command};

use super::bot_harness::{ACCOUNT, SERVER, USER};
use crate::model::{
    AccountName, AccountUser, Change, ChannelInfo, Event, EventBody, Generation, NameError, PostKey,
    ServerName,
};

/// A builder of events, by default by user `ana`, in channel `town`, received live.
#[derive(Debug, Clone)]
#[must_use]
pub struct EventBuilder {
    content: Content,
    user: String,
    channel: String,
    root: String,
    post: Option<String>,
    kind: String,
    props: Map<String, Value>,
    files: Vec<String>,
    recovered: bool,
    at: Option<i64>,
    info: Option<Arc<ChannelInfo>>,
    hides_sender: bool,
}

#[derive(Debug, Clone)]
enum Content {
    Posted(String),
    Edited(String),
    Deleted,
    Reaction { emoji: String, added: bool },
    Hook { event: &'static str, data: Map<String, Value> },
    Other { event: String, data: Value },
}

/// Returns a builder of a new post.
pub fn post(text: &str) -> EventBuilder {
    EventBuilder::new(Content::Posted(text.to_owned()))
}

/// Returns a builder of a reaction; [`post_id`](EventBuilder::post_id) sets the post that it belongs to.
pub fn reaction(emoji: &str) -> EventBuilder {
    EventBuilder::new(Content::Reaction { emoji: emoji.to_owned(), added: true })
}

/// Returns a builder of any other event.
pub fn event(name: &str, data: Value) -> EventBuilder {
    EventBuilder::new(Content::Other { event: name.to_owned(), data })
}

impl EventBuilder {
    fn new(content: Content) -> Self {
        Self {
            content,
            user: "ana".into(),
            channel: "town".into(),
            root: String::new(),
            post: None,
            kind: String::new(),
            props: Map::new(),
            files: Vec::new(),
            recovered: false,
            at: None,
            info: None,
            hides_sender: false,
        }
    }

    /// Sets the id of the acting user. The bot's own is [`BotHarness::USER`](super::BotHarness::USER).
    pub fn by(self, user: &str) -> Self {
        Self { user: user.to_owned(), ..self }
    }

    /// Sets the id of the channel.
    pub fn in_channel(self, channel: &str) -> Self {
        Self { channel: channel.to_owned(), ..self }
    }

    /// Puts the event into the direct channel between the bot and the user.
    pub fn in_direct_channel(self) -> Self {
        let name = format!("{}__{USER}", self.user).into();
        let info = ChannelInfo { kind: "D".into(), name, ..ChannelInfo::default() };
        Self { channel: format!("direct-{}", self.user), info: Some(Arc::new(info)), ..self }
    }

    /// Puts the event into a public channel of a team, by their names. The channel's id is `team-channel`, and the team's
    /// its name.
    pub fn in_team_channel(self, team: &str, channel: &str) -> Self {
        let info = ChannelInfo {
            kind: "O".into(),
            name: channel.into(),
            display_name: channel.into(),
            team_id: team.into(),
            team_name: team.into(),
        };
        Self { channel: format!("{team}-{channel}"), info: Some(Arc::new(info)), ..self }
    }

    /// Leaves out the name of the user, as events do that were fetched from the server before the name was known.
    pub fn without_sender_name(self) -> Self {
        Self { hides_sender: true, ..self }
    }

    /// Puts the post into the thread of another post.
    pub fn in_thread(self, root: &str) -> Self {
        Self { root: root.to_owned(), ..self }
    }

    /// Sets the id of the post, or of the post reacted to. By default each event has a new one.
    pub fn post_id(self, post: &str) -> Self {
        Self { post: Some(post.to_owned()), ..self }
    }

    /// Sets the type of the post, such as `system_join_channel`.
    pub fn of_type(self, kind: &str) -> Self {
        Self { kind: kind.to_owned(), ..self }
    }

    /// Adds a property to the post.
    pub fn with_prop(mut self, name: &str, value: Value) -> Self {
        self.props.insert(name.to_owned(), value);
        self
    }

    /// Adds a file to the post, by its id. [`BotHarness::set_file`](super::BotHarness::set_file) sets its content.
    pub fn with_file(mut self, id: &str) -> Self {
        self.files.push(id.to_owned());
        self
    }

    /// Turns the event into an edit of the post, with its new text.
    pub fn edited(self, text: &str) -> Self {
        Self { content: Content::Edited(text.to_owned()), ..self }
    }

    /// Turns the event into the deletion of the post.
    pub fn deleted(self) -> Self {
        Self { content: Content::Deleted, ..self }
    }

    /// Turns an added reaction into a removed one.
    pub fn removed(self) -> Self {
        let content = match self.content {
            Content::Reaction { emoji, .. } => Content::Reaction { emoji, added: false },
            content => content,
        };
        Self { content, ..self }
    }

    /// Sets the time of the event, in milliseconds of server time. By default it is the time of the harness.
    pub fn at(self, server_ms: i64) -> Self {
        Self { at: Some(server_ms), ..self }
    }

    /// Marks the event as fetched after an outage.
    pub fn recovered(self) -> Self {
        Self { recovered: true, ..self }
    }

    /// Builds the `n`th event of a harness, at its time.
    pub(super) fn build(&self, n: i64, now: i64) -> Result<Event, NameError> {
        Ok(Event {
            account: AccountName::new(ACCOUNT)?,
            server: ServerName::new(SERVER)?,
            user: AccountUser { id: USER.into(), name: ACCOUNT.into(), ..AccountUser::default() },
            channel: self.info.clone(),
            sender: (!self.hides_sender).then(|| (&*self.user).into()),
            generation: Generation(1),
            connection_id: "harness".into(),
            received_at: UNIX_EPOCH + Duration::from_millis(now.try_into().unwrap_or_default()),
            recovered: self.recovered,
            last_recovered: self.recovered,
            own: self.user == USER,
            body: self.body(n, now),
        })
    }

    fn body(&self, n: i64, now: i64) -> EventBody {
        let at = self.at.unwrap_or(now);
        let id = self.post.clone().unwrap_or_else(|| format!("post-{n}"));
        let (event, data) = self.name_and_data(&id, at);
        EventBody {
            event: event.into(),
            channel_id: (&*self.channel).into(),
            change: self.change(&id, at),
            post: None,
            seq: n.unsigned_abs(),
            data: data.to_string().into(),
            broadcast: json!({ "channel_id": self.channel }).to_string().into(),
        }
    }

    fn change(&self, id: &str, at: i64) -> Option<Change> {
        let id = id.into();
        match &self.content {
            Content::Posted(_) => Some(Change::Posted(PostKey { create_at: at, id })),
            Content::Edited(_) => Some(Change::Edited { id, edit_at: at }),
            Content::Deleted => Some(Change::Deleted { id }),
            Content::Reaction { .. } | Content::Hook { .. } | Content::Other { .. } => None,
        }
    }

    fn name_and_data(&self, id: &str, at: i64) -> (&str, Value) {
        // The server sends the post or reaction as JSON inside a string (fact 13).
        let nested = |member: &str, value: &Value| json!({ member: value.to_string() });
        let post = |text: &str, edit_at: i64, delete_at: i64| {
            let post = json!({
                "id": id, "create_at": at, "edit_at": edit_at, "delete_at": delete_at, "user_id": self.user,
                "channel_id": self.channel, "root_id": self.root, "message": text, "type": self.kind,
                "props": self.props, "file_ids": self.files,
            });
            nested("post", &post)
        };
        match &self.content {
            Content::Posted(text) => ("posted", post(text, 0, 0)),
            Content::Edited(text) => ("post_edited", post(text, at, 0)),
            Content::Deleted => ("post_deleted", post("", 0, at)),
            Content::Reaction { emoji, added } => {
                let reaction = json!({ "user_id": self.user, "post_id": id, "emoji_name": emoji });
                (if *added { "reaction_added" } else { "reaction_removed" }, nested("reaction", &reaction))
            }
            Content::Hook { event, data } => (event, self.hook_data(data, id)),
            Content::Other { event, data } => (event, data.clone()),
        }
    }
}
