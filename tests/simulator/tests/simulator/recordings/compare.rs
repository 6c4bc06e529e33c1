//! Comparing what was recorded with what the simulator says: ids and times aside, field by field.

use std::collections::HashMap;

use serde_json::Value;

/// From here on a number is a time in milliseconds.
const FIRST_TIME: i64 = 1_000_000_000_000;

/// The ids of the recording and those of the simulator that stand for them.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    simulated: HashMap<String, String>,
    recorded: HashMap<String, String>,
}

impl Ids {
    /// Binds two ids. False when one of them is bound to another already.
    pub(crate) fn bind(&mut self, recorded: &str, simulated: &str) -> bool {
        match (self.simulated.get(recorded), self.recorded.get(simulated)) {
            (None, None) => {
                self.simulated.insert(recorded.to_owned(), simulated.to_owned());
                self.recorded.insert(simulated.to_owned(), recorded.to_owned());
                true
            }
            (Some(known), Some(_)) => known == simulated,
            _ => false,
        }
    }

    pub(crate) fn knows(&self, recorded: &str) -> bool {
        self.simulated.contains_key(recorded)
    }

    /// A text of the recording with the simulator's ids.
    pub(crate) fn translate(&self, text: &str) -> String {
        let translated = |token: Token<'_>| match token {
            Token::Id(id) => self.simulated.get(id).map_or(id, String::as_str).to_owned(),
            Token::Time(text) | Token::Hash(text) | Token::Text(text) => text.to_owned(),
        };
        tokens(text).into_iter().map(translated).collect()
    }

    /// A value of the recording with the simulator's ids.
    pub(crate) fn translate_value(&self, value: &Value) -> Value {
        serde_json::from_str(&self.translate(&value.to_string())).expect("JSON")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// 26 characters, or the 40 of a group channel's name.
    Id(&'a str),
    /// A time in milliseconds.
    Time(&'a str),
    /// A hash of the server's configuration, in its version.
    Hash(&'a str),
    Text(&'a str),
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let end = if word(first) {
            rest.find(|c: char| !word(c)).unwrap_or(rest.len())
        } else {
            rest.find(word).unwrap_or(rest.len())
        };
        let (token, tail) = rest.split_at(end);
        tokens.push(match token.len() {
            26 | 40 if word(first) => Token::Id(token),
            32 | 64 if token.bytes().all(|b| b.is_ascii_hexdigit()) => Token::Hash(token),
            13 if token.bytes().all(|b| b.is_ascii_digit()) => Token::Time(token),
            _ => Token::Text(token),
        });
        rest = tail;
    }
    tokens
}

/// Returns true when two texts are the same but for ids, times and hashes.
pub(crate) fn same_text(recorded: &str, simulated: &str, ids: &mut Ids) -> bool {
    let (recorded, simulated) = (tokens(recorded), tokens(simulated));
    recorded.len() == simulated.len()
        && recorded.iter().zip(&simulated).all(|pair| match pair {
            (Token::Id(a), Token::Id(b)) => ids.bind(a, b),
            (Token::Time(_), Token::Time(_)) | (Token::Hash(_), Token::Hash(_)) => true,
            (a, b) => a == b,
        })
}

/// The paths at which two values differ.
pub(crate) fn compare(recorded: &Value, simulated: &Value, ids: &mut Ids) -> Vec<String> {
    let mut paths = Vec::new();
    let (mut recorded, mut simulated) = (in_order(recorded), in_order(simulated));
    if is_by_id(&recorded) && is_by_id(&simulated) {
        by_name(&mut recorded);
        by_name(&mut simulated);
    }
    walk("", &recorded, &simulated, ids, &mut paths);
    paths
}

fn walk(path: &str, a: &Value, b: &Value, ids: &mut Ids, paths: &mut Vec<String>) {
    let same = match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let mut simulated = b.clone();
            for (key, value) in a {
                let at = format!("{path}.{}", generic(key));
                match simulated.remove(&ids.translate(key)) {
                    Some(other) => walk(&at, value, &other, ids, paths),
                    None => paths.push(format!("{at} is missing")),
                }
            }
            paths.extend(simulated.keys().map(|key| format!("{path}.{} is new", generic(key))));
            true
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                walk(&format!("{path}[{at}]"), a, b, ids, paths);
            }
            true
        }
        (Value::String(a), Value::String(b)) => match (nested(a), nested(b)) {
            (Some(a), Some(b)) => {
                walk(path, &a, &b, ids, paths);
                true
            }
            _ => same_text(a, b, ids),
        },
        (Value::Number(a), Value::Number(b)) => {
            let is_time = |n: &serde_json::Number| n.as_i64().is_some_and(|n| n > FIRST_TIME);
            a == b || (is_time(a) && is_time(b))
        }
        (a, b) => a == b,
    };
    if !same {
        paths.push(path.trim_start_matches('.').to_owned());
    }
}

/// A post, a list of mentions and the like are JSON in a string (fact 13).
fn nested(text: &str) -> Option<Value> {
    if !text.starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str(text).ok()
}

fn generic(key: &str) -> &str {
    if key.len() == 26 { "*" } else { key }
}

/// True for a list of channels that are ordered by their ids: they are others each time.
fn is_by_id(value: &Value) -> bool {
    let rows = value.as_array().filter(|rows| rows.iter().all(|row| row["display_name"].is_string()));
    rows.is_some_and(|rows| rows.len() > 1 && rows.is_sorted_by_key(|row| row["id"].as_str()))
}

fn by_name(value: &mut Value) {
    if let Some(rows) = value.as_array_mut() {
        rows.sort_by_key(|row| row["display_name"].to_string());
    }
}

/// A list of posts in an order that does not hang on ids: those of one `create_at` come in any order.
fn in_order(value: &Value) -> Value {
    let mut value = value.clone();
    let Some(posts) = value["posts"].as_object().cloned() else {
        return value;
    };
    if let Some(order) = value["order"].as_array_mut() {
        let key = |id: &Value| {
            let post = &posts[id.as_str().unwrap_or_default()];
            let history = post["original_id"] != "";
            let text = post["message"].as_str().unwrap_or_default().to_owned();
            (-post["create_at"].as_i64().unwrap_or(0), history, post["update_at"].as_i64(), text)
        };
        order.sort_by_key(key);
    }
    value
}
