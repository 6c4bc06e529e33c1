//! JSON text as Go's encoder writes it.

use serde::Serialize;

/// Serialises a value; `<`, `>`, `&` and the two line separators are escaped as in Go.
pub(crate) fn to_text<T: Serialize>(value: &T) -> String {
    // Every serialised type here has string keys and finite numbers, so this cannot fail.
    escape(serde_json::to_string(value).unwrap_or_default())
}

fn escape(text: String) -> String {
    // The two line separators begin with the byte E2.
    if !text.bytes().any(|byte| matches!(byte, b'<' | b'>' | b'&' | 0xE2)) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            other => out.push(other),
        }
    }
    out
}
