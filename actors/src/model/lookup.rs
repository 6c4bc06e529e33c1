//! Questions about a server's channels, users and posts, and their answers.

use std::{fmt, str::FromStr, sync::Arc};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{ChannelId, Excerpt, FileId, PostId, UserId};

/// The length of an id of Mattermost.
const ID_LENGTH: usize = 26;

/// The longest name of a team, channel or user, in bytes: Mattermost's longest has 64.
const MAX_NAME_BYTES: usize = 64;

/// The channel that a post goes to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A channel by its id.
    Id(ChannelId),
    /// A channel by its team's name and its own, as a link shows them.
    Name {
        /// The team's name.
        team: Box<str>,
        /// The channel's name.
        channel: Box<str>,
    },
    /// The direct channel between the account and a user, by username without the `@`.
    User(Box<str>),
}

/// A text that is not a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a target; use a channel's id (26 letters and digits), team/channel, or @username")]
pub struct TargetError(Excerpt);

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let target = match (text.strip_prefix('@'), text.split_once('/')) {
            (Some(user), _) => name(user).map(Self::User),
            (None, Some((team, channel))) => {
                name(team).zip(name(channel)).map(|(team, channel)| Self::Name { team, channel })
            }
            (None, None) => is_full_id(text).then(|| Self::Id(text.into())),
        };
        target.ok_or_else(|| TargetError(Excerpt::of(text)))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Name { team, channel } => write!(f, "{team}/{channel}"),
            Self::User(user) => write!(f, "@{user}"),
        }
    }
}

/// A user whom a look-up names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UserRef {
    /// A user by id.
    Id(UserId),
    /// A user by username, without the `@`.
    Name(Box<str>),
}

impl FromStr for UserRef {
    type Err = UserRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let user = match text.strip_prefix('@') {
            Some(user) => name(user).map(Self::Name),
            None => is_full_id(text).then(|| Self::Id(text.into())),
        };
        user.ok_or_else(|| UserRefError(Excerpt::of(text)))
    }
}

/// A text that names no user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no user; use a user's id (26 letters and digits) or @username")]
pub struct UserRefError(Excerpt);

/// A question to a server, asked as an account: it sees what the account may see.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Lookup {
    /// A channel. The direct channel with a user is created if there is none.
    Channel(Target),
    /// A user.
    User(UserRef),
    /// The posts of a thread, by one of them.
    Thread(PostId),
    /// The description of a file: its name, size and type.
    File(FileId),
    /// The newest posts of a channel.
    Posts {
        /// The channel.
        channel: ChannelId,
        /// The number of posts.
        count: usize,
    },
}

impl fmt::Display for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(target) => write!(f, "channel {target}"),
            Self::User(UserRef::Id(id)) => write!(f, "user {id}"),
            Self::User(UserRef::Name(name)) => write!(f, "user @{name}"),
            Self::Thread(post) => write!(f, "the thread of post {post}"),
            Self::File(id) => write!(f, "file {id}"),
            Self::Posts { channel, .. } => write!(f, "the posts of channel {channel}"),
        }
    }
}

/// The answer to a [`Lookup`]: the server's own JSON.
#[derive(Debug, Clone)]
pub struct Found {
    id: Box<str>,
    json: Arc<RawValue>,
}

impl Found {
    /// Creates an answer from the server's JSON.
    pub fn new(json: Box<RawValue>) -> Self {
        #[derive(Default, Deserialize)]
        struct Object {
            #[serde(default)]
            id: Box<str>,
        }
        // A list of posts has no id.
        let Object { id } = serde_json::from_str(json.get()).unwrap_or_default();
        Self { id, json: json.into() }
    }

    /// Returns the id of the channel or user; empty for posts.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the server's JSON.
    pub fn json(&self) -> &RawValue {
        &self.json
    }
}

/// True if a text has the form of a Mattermost id: 26 letters and digits.
pub fn is_full_id(text: &str) -> bool {
    text.len() == ID_LENGTH && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Returns the text if it can be a name of a team, channel or user.
fn name(text: &str) -> Option<Box<str>> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let is_name = begins && text.len() <= MAX_NAME_BYTES && text.bytes().all(is_allowed);
    is_name.then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_written_in_three_ways() {
        let id = "a1".repeat(13);
        let named = Target::Name { team: "staff".into(), channel: "town-square".into() };
        for (text, target) in [
            (&*id, Target::Id(id.as_str().into())),
            ("staff/town-square", named),
            ("@ann.lee", Target::User("ann.lee".into())),
        ] {
            assert_eq!(text.parse(), Ok(target.clone()));
            assert_eq!(target.to_string(), text);
        }
        for text in ["", "@", "/", "a/", "/b", "a/b/c", "../x", "x/..", "@a b", "town-square", "a\u{1b}/b"] {
            let error = text.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains("team/channel") && !error.contains('\u{1b}'), "{error}");
        }
        assert!(format!("@{}", "n".repeat(65)).parse::<Target>().is_err());
    }

    #[test]
    fn a_user_is_written_in_two_ways() {
        let id = "a1".repeat(13);
        assert_eq!(id.parse(), Ok(UserRef::Id(id.as_str().into())));
        assert_eq!("@ann".parse(), Ok(UserRef::Name("ann".into())));
        assert!("ann".parse::<UserRef>().is_err());
    }

    #[test]
    fn an_answer_has_the_id_of_its_object() {
        let found = |text: &str| Found::new(RawValue::from_string(text.into()).unwrap());
        assert_eq!(found(r#"{"id":"c","name":"x"}"#).id(), "c");
        assert_eq!(found(r#"{"order":[],"posts":{}}"#).id(), "");
        assert_eq!(found(r"[1]").id(), "");
    }
}
