//! Names as parts of subjects.

use std::fmt::Write as _;

/// The part of a subject for a name that is empty.
const EMPTY: &str = "-";
/// The longest part of a subject, in bytes. A name of 128 letters outside ASCII takes thrice as many, and the line of a
/// message 4,096.
pub const MAX_TOKEN_BYTES: usize = 512;

/// Returns the part of a subject for a name.
pub fn subject_token(name: &str) -> String {
    let mut token = percent_encoded(name, |byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    // It is ASCII by now.
    token.truncate(MAX_TOKEN_BYTES);
    if token.is_empty() { EMPTY.into() } else { token }
}

/// Percent-encodes all bytes but some.
pub fn percent_encoded(text: &str, is_kept: impl Fn(u8) -> bool) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if is_kept(byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}
