//! Names as parts of subjects.

use std::fmt::Write as _;

/// The part of a subject for a name that is empty.
const EMPTY: &str = "-";
/// The longest part of a subject, in bytes. A name of an account has at most 384 of them; the line of a message 4,096.
pub const MAX_TOKEN_BYTES: usize = 512;

/// Returns the part of a subject for a name.
pub fn subject_token(name: &str) -> String {
    let mut token = percent_encoded(name, |byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    // It is ASCII by now.
    token.truncate(MAX_TOKEN_BYTES);
    if token.is_empty() { EMPTY.into() } else { token }
}

/// Returns the name of which a text is the part of a subject, if it is one.
pub fn name_of_token(token: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let (decoded, after) = match (byte, after) {
            (b'%', [high, low, after @ ..]) => (hex(*high)? * 16 + hex(*low)?, after),
            (byte, after) => (*byte, after),
        };
        bytes.push(decoded);
        rest = after;
    }
    let name = String::from_utf8(bytes).ok()?;
    // One name has one part: another spelling would be a second queue for it.
    (subject_token(&name) == token).then_some(name)
}

fn hex(digit: u8) -> Option<u8> {
    u8::try_from(char::from(digit).to_digit(16)?).ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_from_its_only_token() {
        let longest = "ß".repeat(64);
        for name in ["helpdesk", "help.desk", "Grüße_1-2", "...", longest.as_str()] {
            assert_eq!(name_of_token(&subject_token(name)).as_deref(), Some(name));
        }
        for other in ["help%2edesk", "%61", "%", "%2", "%zz", "%FF", "a.b", "a*", ""] {
            assert_eq!(name_of_token(other), None, "{other}");
        }
    }
}
