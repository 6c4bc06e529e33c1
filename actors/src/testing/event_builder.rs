//! What somebody says to a bot, as the server would tell it.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::bot_harness::{ACCOUNT, USER};
use crate::model::{
    AccountName, AccountUser, Change, Event, EventBody, Generation, NameError, PostKey, ServerName,
};

/// When the first thing is said, in server milliseconds; the next a second later.
const BEGINNING: i64 = 1_700_000_000_000;

/// Something that somebody says or does. What is not given is by `ana`, in channel `town`, live.
#[derive(Debug, Clone)]
#[must_use]
pub struct EventBuilder {
    what: What,
    user: String,
    channel: String,
    root: String,
    post: Option<String>,
    kind: String,
    props: Map<String, Value>,
    recovered: bool,
}

#[derive(Debug, Clone)]
enum What {
    Posted(String),
    Edited(String),
    Deleted,
    Reaction { emoji: String, added: bool },
    Other { event: String, data: Value },
}

/// A post with a text.
pub fn post(text: &str) -> EventBuilder {
    EventBuilder::new(What::Posted(text.to_owned()))
}

/// A reaction, to a post given by [`post_id`](EventBuilder::post_id).
pub fn reaction(emoji: &str) -> EventBuilder {
    EventBuilder::new(What::Reaction { emoji: emoji.to_owned(), added: true })
}

/// Any other event of the server, with its data.
pub fn event(name: &str, data: Value) -> EventBuilder {
    EventBuilder::new(What::Other { event: name.to_owned(), data })
}

impl EventBuilder {
    fn new(what: What) -> Self {
        Self {
            what,
            user: "ana".into(),
            channel: "town".into(),
            root: String::new(),
            post: None,
            kind: String::new(),
            props: Map::new(),
            recovered: false,
        }
    }

    /// Who does it, by the user's id. The bot's own is [`BotHarness::USER`](super::BotHarness::USER).
    pub fn by(self, user: &str) -> Self {
        Self { user: user.to_owned(), ..self }
    }

    /// Where, by the channel's id.
    pub fn in_channel(self, channel: &str) -> Self {
        Self { channel: channel.to_owned(), ..self }
    }

    /// In the thread of a post.
    pub fn in_thread(self, root: &str) -> Self {
        Self { root: root.to_owned(), ..self }
    }

    /// The post's own id, or the post that a reaction is to; else each gets another.
    pub fn post_id(self, post: &str) -> Self {
        Self { post: Some(post.to_owned()), ..self }
    }

    /// A post of another type, such as `system_join_channel`.
    pub fn of_type(self, kind: &str) -> Self {
        Self { kind: kind.to_owned(), ..self }
    }

    /// A property of the post.
    pub fn with_prop(mut self, name: &str, value: Value) -> Self {
        self.props.insert(name.to_owned(), value);
        self
    }

    /// The post is edited: it has this text now.
    pub fn edited(self, text: &str) -> Self {
        Self { what: What::Edited(text.to_owned()), ..self }
    }

    /// The post is deleted.
    pub fn deleted(self) -> Self {
        Self { what: What::Deleted, ..self }
    }

    /// The reaction is taken back.
    pub fn removed(self) -> Self {
        match self.what {
            What::Reaction { emoji, .. } => Self { what: What::Reaction { emoji, added: false }, ..self },
            what => Self { what, ..self },
        }
    }

    /// It was fetched after a time away.
    pub fn recovered(self) -> Self {
        Self { recovered: true, ..self }
    }

    /// The `n`th event of a rehearsal.
    pub(super) fn event(self, n: i64) -> Result<Event, NameError> {
        let at = BEGINNING + n * 1_000;
        let id = self.post.clone().unwrap_or_else(|| format!("post-{n}"));
        let post = |text: &str, edit_at: i64, delete_at: i64| {
            json!({
                "id": id, "create_at": at, "edit_at": edit_at, "delete_at": delete_at, "user_id": self.user,
                "channel_id": self.channel, "root_id": self.root, "message": text, "type": self.kind,
                "props": self.props,
            })
        };
        let inside = |member: &str, value: &Value| json!({ member: value.to_string() });
        let (event, data, change) = match &self.what {
            What::Posted(text) => {
                let key = PostKey { create_at: at, id: (&*id).into() };
                ("posted", inside("post", &post(text, 0, 0)), Some(Change::Posted(key)))
            }
            What::Edited(text) => {
                let change = Change::Edited { id: (&*id).into(), edit_at: at };
                ("post_edited", inside("post", &post(text, at, 0)), Some(change))
            }
            What::Deleted => (
                "post_deleted",
                inside("post", &post("", 0, at)),
                Some(Change::Deleted { id: (&*id).into() }),
            ),
            What::Reaction { emoji, added } => {
                let reaction = json!({ "user_id": self.user, "post_id": id, "emoji_name": emoji });
                (
                    if *added { "reaction_added" } else { "reaction_removed" },
                    inside("reaction", &reaction),
                    None,
                )
            }
            What::Other { event, data } => (&**event, data.clone(), None),
        };
        let body = EventBody {
            event: event.into(),
            channel_id: (&*self.channel).into(),
            change,
            seq: n.unsigned_abs(),
            data: data.to_string().into(),
            broadcast: json!({ "channel_id": self.channel }).to_string().into(),
        };
        Ok(Event {
            account: AccountName::new(ACCOUNT)?,
            server: ServerName::new("harness")?,
            user: AccountUser { id: USER.into(), name: ACCOUNT.into() },
            generation: Generation(1),
            connection_id: "harness".into(),
            received_at: SystemTime::now(),
            recovered: self.recovered,
            own: self.user == USER,
            body,
        })
    }
}
