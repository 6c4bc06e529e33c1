//! Reads an event back from its line, for a handler in this process.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::SystemTime};

use matterhost_actors::model::{
    AccountName, AccountUser, Change, ChannelInfo, Event, EventBody, Generation, PostId, PostKey, ServerName,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{TYPE_PREFIX, channel_type};
use crate::sinks::event_data::{PostHead, object};

/// The members of `data` that hold JSON inside a string on the wire (fact 13).
const NESTED: [&str; 4] = ["post", "mentions", "reaction", "channel"];

/// The attributes of an event, as they stand in its line.
#[derive(Deserialize)]
struct Attributes<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    time: Cow<'a, str>,
    #[serde(borrow, default)]
    subject: Cow<'a, str>,
    #[serde(borrow)]
    account: Cow<'a, str>,
    #[serde(default)]
    recovered: bool,
    #[serde(default)]
    own: bool,
    #[serde(borrow, default)]
    botid: Cow<'a, str>,
    #[serde(borrow, default)]
    botname: Cow<'a, str>,
    #[serde(borrow, default)]
    sendername: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    channeltype: Cow<'a, str>,
    #[serde(borrow, default)]
    channelname: Cow<'a, str>,
    #[serde(borrow, default)]
    teamid: Cow<'a, str>,
    #[serde(borrow, default)]
    teamname: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Reads an event from its line; `None` if the line is none. Its id is the same, so that the replies to it are, too.
pub(in crate::sinks) fn decode(line: &str) -> Option<Event> {
    let attributes: Attributes<'_> = serde_json::from_str(line).ok()?;
    let name = attributes.r#type.strip_prefix(TYPE_PREFIX)?;
    let mut data: BTreeMap<Cow<'_, str>, Box<RawValue>> = serde_json::from_str(attributes.data.get()).ok()?;
    let broadcast = data.remove("broadcast").map_or_else(|| "{}".into(), |broadcast| broadcast.get().into());
    let post = data.get("post").and_then(|post| object::<PostHead>(post));
    for member in NESTED {
        if let Some(value) = data.get_mut(member).filter(|value| value.get().starts_with(['{', '['])) {
            *value = serde_json::value::to_raw_value(value.get()).ok()?;
        }
    }
    let change = change(name, &attributes.id, post);
    let (connection_id, seq) = numbered(&attributes.id);
    let data = serde_json::to_string(&data).ok()?.into();
    let channel_id = attributes.subject.as_ref().into();
    Some(Event {
        account: AccountName::new(&attributes.account).ok()?,
        server: server(&attributes.source)?,
        user: AccountUser {
            id: attributes.botid.as_ref().into(),
            name: attributes.botname.as_ref().into(),
            ..AccountUser::default()
        },
        channel: channel(&attributes).map(Arc::new),
        sender: attributes.sendername.as_deref().map(Arc::from),
        generation: Generation::default(),
        connection_id: connection_id.into(),
        received_at: humantime::parse_rfc3339(&attributes.time).unwrap_or_else(|_| SystemTime::now()),
        recovered: attributes.recovered,
        last_recovered: false,
        own: attributes.own,
        body: EventBody { event: name.into(), channel_id, change, post: None, seq, data, broadcast },
    })
}

/// Returns the change that gives an event its id.
fn change(name: &str, id: &str, post: Option<PostHead>) -> Option<Change> {
    let post_id = |id: &str| PostId::from(id);
    match name {
        "posted" => {
            Some(Change::Posted(PostKey { create_at: post?.create_at.unwrap_or_default(), id: post_id(id) }))
        }
        "post_edited" => {
            let (post, edit_at) = id.split_once("/edited/")?;
            Some(Change::Edited { id: post_id(post), edit_at: edit_at.parse().ok()? })
        }
        "post_deleted" => Some(Change::Deleted { id: post_id(id.strip_suffix("/deleted")?) }),
        _ => None,
    }
}

/// Splits the id of an event that is named after its connection and its number there.
fn numbered(id: &str) -> (&str, u64) {
    let parts = id.rsplit_once('/').and_then(|(connection, seq)| Some((connection, seq.parse().ok()?)));
    parts.unwrap_or_default()
}

fn channel(attributes: &Attributes<'_>) -> Option<ChannelInfo> {
    let Attributes { channeltype, channelname, teamid, teamname, .. } = attributes;
    let is_known = !channeltype.is_empty() || !channelname.is_empty();
    is_known.then(|| ChannelInfo {
        kind: letter(channeltype).into(),
        name: channelname.as_ref().into(),
        display_name: Box::default(),
        team_id: teamid.as_ref().into(),
        team_name: teamname.as_ref().into(),
    })
}

/// Returns the server's letter for a channel's type; the word itself for one that is not known.
fn letter(word: &str) -> &str {
    ["O", "P", "D", "G"].into_iter().find(|letter| channel_type(letter) == word).unwrap_or(word)
}

fn server(source: &str) -> Option<ServerName> {
    let (server, _account) = source.strip_prefix("/matterhost/")?.split_once('/')?;
    ServerName::new(&decoded(server)?).ok()
}

/// Decodes a name in the path of a URI.
fn decoded(path: &str) -> Option<String> {
    let mut parts = path.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::{
        cloud_event::encode,
        tests::fixtures::{event, post},
    };

    fn of(name: &str, data: &str, change: Option<Change>) -> Event {
        let event = event("helpdesk", name, "c1", "p1", data);
        Event { body: EventBody { change, broadcast: r#"{"team_id":"t"}"#.into(), ..event.body }, ..event }
    }

    #[test]
    fn an_event_is_read_back_as_it_was() {
        let post_data = post("c1", "p1").body.data.to_string();
        let updated = r#"{"post":"{\"id\":\"p1\",\"update_at\":7,\"is_pinned\":true}"}"#;
        let reaction = r#"{"reaction":"{\"user_id\":\"ann\",\"post_id\":\"p1\",\"emoji_name\":\"eyes\"}"}"#;
        let key = PostKey { create_at: 1_795_354_128_887, id: "p1".into() };
        let deleted = Change::Deleted { id: "p1".into() };
        let kinds = [
            of("posted", &post_data, Some(Change::Posted(key))),
            of("post_edited", &post_data, Some(Change::Edited { id: "p1".into(), edit_at: 5 })),
            of("post_edited", updated, None),
            of("post_deleted", &post_data, Some(deleted)),
            of("reaction_added", reaction, None),
            of("channel_viewed", r#"{"channel_id":"c1","n":12345678901234567890}"#, None),
            Event { connection_id: "".into(), ..of("typing", "{}", None) },
        ];
        let channel = ChannelInfo { kind: "D".into(), name: "a__b".into(), ..ChannelInfo::default() };
        for mut event in kinds {
            event.server = ServerName::new("haupt-ö").unwrap();
            event.user = AccountUser { id: "u".into(), name: "helper".into(), ..AccountUser::default() };
            event.sender = Some("ann".into());
            event.channel = Some(Arc::new(channel.clone()));
            event.recovered = true;
            let line = encode(&event).line;
            let again = decode(&line).unwrap();
            assert_eq!(again.id(), event.id(), "{line}");
            let parts = |event: Event| {
                let Event { account, server, user, channel, sender, recovered, own, body, .. } = event;
                let data: BTreeMap<String, serde_json::Value> = serde_json::from_str(&body.data).unwrap();
                let broadcast: serde_json::Value = serde_json::from_str(&body.broadcast).unwrap();
                let of_post = (body.event, body.channel_id, body.change, data, broadcast);
                (account, server, user, channel, sender, recovered, own, of_post)
            };
            assert_eq!(parts(again), parts(event), "{line}");
        }
        assert!(decode("{}").is_none() && decode("x").is_none());
        assert_eq!(
            (decoded("a%C3%B6").as_deref(), decoded("a%C"), decoded("a%zz")),
            (Some("aö"), None, None)
        );
    }
}
