//! Parsers of JSON whose errors contain nothing of the text. To describe a text in the place of a number or an object, `serde_json`
//! writes it out; for one of 4 MB, that takes longer than to read the frame.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

/// The longest number that an error shows.
const MOST_SHOWN: usize = 24;

/// Returns true if a JSON text can only be an object.
pub(super) fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// Parses an object.
pub(super) fn object<'a, T: Deserialize<'a>>(text: &'a str) -> serde_json::Result<T> {
    if is_object(text) {
        serde_json::from_str(text)
    } else {
        Err(serde_json::Error::custom("it is no object"))
    }
}

/// Reads an object in another.
pub(super) fn inner_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    object(<&RawValue>::deserialize(deserializer)?.get()).map_err(D::Error::custom)
}

/// Reads an object that may be missing, or anything else.
pub(super) fn any_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(object(<&RawValue>::deserialize(deserializer)?.get()).ok())
}

/// Returns the text that a value is. Anything else that is JSON is none, and so is a text with half of a pair of surrogates.
pub(super) fn text_in(value: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    let text = Some(value.get()).filter(|text| text.starts_with('"'))?;
    serde_json::from_str(text).map(|Text(text)| text).ok()
}

/// Reads a time, or another whole number.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let value = <&RawValue>::deserialize(deserializer)?.get();
    value.parse().map_err(|_| D::Error::custom(format_args!("{} in the place of a time", describe(value))))
}

/// Describes a JSON value without the texts in it.
fn describe(value: &str) -> &str {
    match value.as_bytes() {
        [b'"', ..] => "a text",
        [b'{', ..] => "an object",
        [b'[', ..] => "a list",
        // `null`, `true`, `false`, or a number.
        _ if value.len() <= MOST_SHOWN => value,
        _ => "a long number",
    }
}
