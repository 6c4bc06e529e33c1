//! Parsers of JSON whose errors contain nothing of the text. To describe a text in the place of a number or an object, `serde_json`
//! writes it out; for one of 4 MB, that takes longer than to read the frame.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
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

/// Reads a text that may be anything else.
pub(super) fn any_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
    struct AnyText;
    impl<'de> Visitor<'de> for AnyText {
        type Value = Cow<'de, str>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text")
        }

        fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
            Ok(text.into())
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(text.to_owned().into())
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Cow::default())
        }

        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok(Cow::default())
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok(Cow::default())
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok(Cow::default())
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok(Cow::default())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            IgnoredAny.visit_seq(list).map(|_| Cow::default())
        }

        fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
            IgnoredAny.visit_map(object).map(|_| Cow::default())
        }
    }
    deserializer.deserialize_any(AnyText)
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
