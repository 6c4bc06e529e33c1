//! The `data` of an event as it stands in its line.
//!
//! Accounts that receive the same post at the same time share its texts, and so they share what is made of them.

use std::{borrow::Cow, cell::RefCell, collections::VecDeque, rc::Rc, sync::Arc};

use matterhost_actors::model::{EventBody, PostOutline};
use serde_json::value::RawValue;

use crate::sinks::{
    event_data::{EventData, PostHead, object, text},
    hook_events::is_hook,
};

/// The most events whose data a thread remembers: as many as one socket brings in a turn before the next socket brings the
/// same.
const MOST_EVENTS: usize = 8;

/// The longest data that is remembered, in bytes. Almost all posts are shorter, and a thread's memory stays small.
const MOST_BYTES: usize = 16 * 1024;

thread_local! {
    static RECENT: RefCell<VecDeque<Remembered>> = const { RefCell::new(VecDeque::new()) };
}

/// The encoded `data` of an event.
#[derive(Default)]
pub(super) struct EncodedData {
    pub(super) json: String,
    /// The head of the post that a reply answers; the default if there is none.
    pub(super) post: PostHead,
}

/// Encoded data, with the texts that it was made of. Holding them keeps their addresses, which identify them.
struct Remembered {
    data: Arc<str>,
    broadcast: Arc<str>,
    encoded: Rc<EncodedData>,
}

/// A member that holds JSON inside a string, and that JSON.
struct NestedJson<'a> {
    member: &'a RawValue,
    json: String,
}

impl EncodedData {
    /// Encodes the data of an event, unless the thread has just done so for another account.
    pub(super) fn of(body: &EventBody) -> Rc<Self> {
        let is_it = |known: &&Remembered| {
            Arc::ptr_eq(&known.data, &body.data) && Arc::ptr_eq(&known.broadcast, &body.broadcast)
        };
        let find = |recent: &RefCell<VecDeque<Remembered>>| {
            recent.borrow().iter().find(is_it).map(|known| Rc::clone(&known.encoded))
        };
        // The access fails only while the thread is ending.
        if let Some(known) = RECENT.try_with(find).ok().flatten() {
            return known;
        }
        let encoded = Rc::new(Self::encode(body));
        if body.data.len() + body.broadcast.len() <= MOST_BYTES {
            let (data, broadcast) = (Arc::clone(&body.data), Arc::clone(&body.broadcast));
            let new = Remembered { data, broadcast, encoded: Rc::clone(&encoded) };
            // As above.
            let _ = RECENT.try_with(|recent| {
                let mut recent = recent.borrow_mut();
                recent.truncate(MOST_EVENTS - 1);
                recent.push_front(new);
            });
        }
        encoded
    }

    fn encode(body: &EventBody) -> Self {
        let (text, broadcast) = (&*body.data, &*body.broadcast);
        let data = EventData::parse(text);
        let outline = body.post.as_deref();
        let (post_json, post) = data.as_ref().and_then(|data| nested_post(data.post?, outline)).unzip();
        let post = post.or_else(|| object(data.as_ref()?.post?));
        let post = if is_hook(&body.event) {
            serde_json::from_str(text).map(PostHead::of_hook).unwrap_or_default()
        } else {
            PostHead::answered(post, || object(data.as_ref()?.reaction?))
        };
        let mut json = String::with_capacity(text.len() + broadcast.len());
        match &data {
            Some(data) => {
                let others = [data.mentions, data.reaction, data.channel];
                let others = others.into_iter().flatten().filter_map(nested_json);
                let nested = post_json.into_iter().chain(others).collect();
                let broadcast = Some(broadcast.trim()).filter(|text| text.starts_with('{'));
                splice(&mut json, text, nested, broadcast.filter(|_| data.broadcast.is_none()));
            }
            None => push_other(&mut json, text),
        }
        Self { json, post }
    }
}

/// Returns the JSON object or list inside a string; `None` for anything else, which stays as it is.
fn nested_json(member: &RawValue) -> Option<NestedJson<'_>> {
    let text = text(member)?;
    let json = text.trim();
    if !json.starts_with(['{', '[']) || serde_json::from_str::<&RawValue>(json).is_err() {
        return None;
    }
    Some(NestedJson { member, json: one_line_of(text) })
}

/// Like [`nested_json`], with the head of the post, which is read in the same pass unless it was read before.
fn nested_post<'a>(
    member: &'a RawValue,
    outline: Option<&PostOutline>,
) -> Option<(NestedJson<'a>, PostHead)> {
    let text = text(member)?;
    let post = Some(text.trim()).filter(|json| json.starts_with('{'));
    let read = |json| outline.map(PostHead::of_outline).or_else(|| serde_json::from_str(json).ok());
    match post.and_then(read) {
        Some(head) => Some((NestedJson { member, json: one_line_of(text) }, head)),
        None => nested_json(member).map(|nested| (nested, PostHead::default())),
    }
}

/// Returns JSON without surrounding white space and line ends; it is copied only if there are any.
fn one_line_of(text: Cow<'_, str>) -> String {
    match text {
        Cow::Owned(text) if text.trim().len() == text.len() && !text.contains(['\n', '\r']) => text,
        text => one_line(text.trim()).into_owned(),
    }
}

/// Writes `data`, an object, with the nested JSON in place of its strings and the broadcast as the last member.
fn splice(line: &mut String, data: &str, mut nested: Vec<NestedJson<'_>>, broadcast: Option<&str>) {
    nested.sort_by_key(|nested| offset(data, nested.member));
    let mut done = 0;
    for nested in &nested {
        let start = offset(data, nested.member);
        line.push_str(&one_line(&data[done..start]));
        line.push_str(&nested.json);
        done = start + nested.member.get().len();
    }
    let rest = one_line(&data[done..]);
    let (Some(broadcast), Some(end)) = (broadcast, rest.rfind('}')) else {
        line.push_str(&rest);
        return;
    };
    line.push_str(&rest[..end]);
    if !line.trim_end().ends_with('{') {
        line.push(',');
    }
    line.push_str("\"broadcast\":");
    line.push_str(&one_line(broadcast));
    line.push_str(&rest[end..]);
}

/// Returns the byte offset in `data` of a value that was borrowed from it.
fn offset(data: &str, value: &RawValue) -> usize {
    (value.get().as_ptr() as usize).saturating_sub(data.as_ptr() as usize)
}

/// Writes `data` that is not an object: JSON as it is, anything else as a JSON string.
fn push_other(line: &mut String, data: &str) {
    if serde_json::from_str::<&RawValue>(data).is_ok() {
        line.push_str(&one_line(data));
    } else {
        line.push_str(&serde_json::to_string(data).unwrap_or_else(|_| "null".into()));
    }
}

/// Replaces line ends by spaces. JSON has them only between tokens, where both mean the same.
fn one_line(json: &str) -> Cow<'_, str> {
    if json.contains(['\n', '\r']) { json.replace(['\n', '\r'], " ").into() } else { json.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(data: &Arc<str>, broadcast: &Arc<str>) -> EventBody {
        EventBody {
            event: "posted".into(),
            channel_id: "c".into(),
            change: None,
            post: None,
            seq: 1,
            data: Arc::clone(data),
            broadcast: Arc::clone(broadcast),
        }
    }

    #[test]
    fn texts_that_accounts_share_are_encoded_once() {
        let texts: Vec<Arc<str>> = (0..=MOST_EVENTS)
            .map(|n| format!("{{\"post\":\"{{\\\"id\\\":\\\"p{n}\\\"}}\"}}").into())
            .collect();
        let broadcast = Arc::<str>::from("{}");
        let of = |data| EncodedData::of(&body(data, &broadcast));
        let first: Vec<_> = texts.iter().map(of).collect();
        assert_eq!(first[1].json, r#"{"post":{"id":"p1"},"broadcast":{}}"#);
        assert!(Rc::ptr_eq(&first[1], &of(&texts[1])));
        assert!(!Rc::ptr_eq(&first[0], &of(&texts[0])), "the oldest is forgotten");
        let other = EncodedData::of(&body(&texts[8], &"{\"a\":1}".into()));
        assert_eq!(other.json, r#"{"post":{"id":"p8"},"broadcast":{"a":1}}"#);
    }

    #[test]
    fn long_data_is_not_remembered() {
        let (long, broadcast) = (format!("{{\"x\":\"{}\"}}", "x".repeat(MOST_BYTES)).into(), "{}".into());
        let of = || EncodedData::of(&body(&long, &broadcast));
        assert!(!Rc::ptr_eq(&of(), &of()));
    }
}
