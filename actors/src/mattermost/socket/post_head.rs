//! The parts of a post that decide what becomes of it.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeSeed, Error as _, IntoDeserializer as _, MapAccess, Visitor, value::MapAccessDeserializer,
    },
};
use serde_json::value::RawValue;

use super::raw::{object, text_in, time};
use crate::model::{ChannelId, PostOutline, check_id};

/// The parts of a post that decide its order and its channel, and its text. Times are milliseconds of server time.
///
/// Nothing depends on the text: a post whose text is missing, is no text, or is there several times is a post as well, and the
/// last one counts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self")]
pub struct PostHead<'a> {
    /// The post's id.
    #[serde(borrow, deserialize_with = "id")]
    pub id: Cow<'a, str>,
    /// Its creation time. Events do not arrive in this order (fact 23).
    #[serde(deserialize_with = "time")]
    pub create_at: i64,
    /// The time of the last change, which may also be a reply or a reaction (fact 25).
    #[serde(default, deserialize_with = "time")]
    pub update_at: i64,
    /// The time of the last edit of its text, or 0.
    #[serde(default, deserialize_with = "time")]
    pub edit_at: i64,
    /// The time of its deletion, or 0.
    #[serde(default, deserialize_with = "time")]
    pub delete_at: i64,
    /// The author.
    #[serde(borrow, deserialize_with = "id")]
    pub user_id: Cow<'a, str>,
    /// The channel it is in.
    #[serde(borrow, deserialize_with = "id")]
    pub channel_id: Cow<'a, str>,
    /// The first post of its thread; empty if it is not a reply.
    #[serde(borrow, default, deserialize_with = "id")]
    pub root_id: Cow<'a, str>,
    /// The post whose history this row belongs to; empty for a post (fact 25).
    #[serde(borrow, default, deserialize_with = "id")]
    pub original_id: Cow<'a, str>,
    /// The type: empty for a post by a person or a bot, `system_…` for one by the server (fact 18).
    #[serde(borrow, default, rename = "type")]
    pub kind: Cow<'a, str>,
    /// The text; empty if it is none.
    #[serde(borrow, default)]
    pub message: Cow<'a, str>,
}

/// The name of the member that has the text of a post.
const TEXT: &str = "message";

fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Id<'a>(#[serde(borrow)] Cow<'a, str>);
    let Id(id) = Id::deserialize(deserializer)?;
    check_id(&id).map_err(D::Error::custom)?;
    Ok(id)
}

impl<'de: 'a, 'a> Deserialize<'de> for PostHead<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyPost;
        impl<'de> Visitor<'de> for AnyPost {
            type Value = PostHead<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a post")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
                let mut message = Cow::default();
                let others = OtherMembers { members, text: &mut message };
                let head = PostHead::deserialize(MapAccessDeserializer::new(others))?;
                Ok(PostHead { message, ..head })
            }
        }
        deserializer.deserialize_map(AnyPost)
    }
}

/// The members of a post but for its text, which is kept.
struct OtherMembers<'t, 'de, A> {
    members: A,
    text: &'t mut Cow<'de, str>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for OtherMembers<'_, 'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        #[derive(Deserialize)]
        #[serde(transparent)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
        while let Some(Name(name)) = self.members.next_key()? {
            if name != TEXT {
                return seed.deserialize(name.into_deserializer()).map(Some);
            }
            *self.text = text_in(self.members.next_value::<&RawValue>()?).unwrap_or_default();
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.members.next_value_seed(seed)
    }
}

/// The outline of a post, and its channel.
#[derive(Debug)]
pub(crate) struct OutlinedPost {
    pub(crate) channel: ChannelId,
    pub(crate) outline: PostOutline,
}

impl PostHead<'_> {
    fn outlined(self) -> OutlinedPost {
        let outline = PostOutline {
            id: (&*self.id).into(),
            author: (&*self.user_id).into(),
            root_id: (&*self.root_id).into(),
            kind: self.kind.as_ref().into(),
            message: self.message.into(),
            create_at: self.create_at,
            update_at: self.update_at,
            edit_at: self.edit_at,
            delete_at: self.delete_at,
        };
        OutlinedPost { channel: (&*self.channel_id).into(), outline }
    }
}

/// The member of `data` that holds a post.
#[derive(Deserialize)]
pub(super) struct PostInData {
    #[serde(deserialize_with = "nested_post")]
    pub(super) post: OutlinedPost,
}

/// The same member, whose post has one text at most, and no other value in its place: reading any would cost each post more.
#[derive(Deserialize)]
pub(super) struct PlainPostInData {
    #[serde(deserialize_with = "nested_plain_post")]
    pub(super) post: OutlinedPost,
}

fn nested_post<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OutlinedPost, D::Error> {
    deserializer.deserialize_str(PostInText(|text| object::<PostHead<'_>>(text).map(PostHead::outlined)))
}

fn nested_plain_post<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OutlinedPost, D::Error> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Plain<'a>(#[serde(borrow, with = "PostHead")] PostHead<'a>);
    deserializer.deserialize_str(PostInText(|text| object(text).map(|Plain(head)| head.outlined())))
}

/// Reads a post out of a JSON string, where the parser has it: a copy of the text would cost an allocation.
struct PostInText(fn(&str) -> serde_json::Result<OutlinedPost>);

impl Visitor<'_> for PostInText {
    type Value = OutlinedPost;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a post as text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<OutlinedPost, E> {
        let Self(read) = self;
        read(text).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests;
