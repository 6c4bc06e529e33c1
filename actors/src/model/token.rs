//! An account's access token: a secret that cannot be printed.

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::LazyLock,
};

use secrecy::{ExposeSecret as _, SecretString};

/// Keys the fingerprints of this process, so that a printed one says nothing about the token.
static FINGERPRINTS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// An access token, checked to be fit for a header.
///
/// It has no `Display`, and its `Debug` shows nothing of it. The memory is wiped on drop.
#[derive(Clone)]
pub struct Token(SecretString);

/// Why a text is no token. The text itself is never part of the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is nothing but white space.
    #[error("the token is empty")]
    Empty,
    /// There is a character that no token has and no header may hold.
    #[error("the token holds white space, a control character or a letter outside ASCII")]
    Malformed,
}

impl Token {
    /// Takes a token as a file or a variable holds it: white space around it is left out.
    ///
    /// # Errors
    ///
    /// When it is empty, or holds anything but visible ASCII.
    pub fn new(text: impl Into<String>) -> Result<Self, TokenError> {
        let text = SecretString::from(text.into());
        let token = text.expose_secret().trim();
        if token.is_empty() {
            return Err(TokenError::Empty);
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Malformed);
        }
        Ok(Self(SecretString::from(token)))
    }

    /// Whether both are the same token: two accounts must not share one.
    pub fn same_as(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }

    /// A number that is equal for equal tokens within this process, and says nothing about them.
    ///
    /// For finding duplicates among many; [`Token::same_as`] has the last word.
    pub fn fingerprint(&self) -> u64 {
        FINGERPRINTS.hash_one(self.expose())
    }

    /// The token itself, for the one header that carries it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_around_a_token_is_left_out() {
        for text in ["abc123", "abc123\n", "abc123\r\n", "  abc123 \n"] {
            assert_eq!(Token::new(text).unwrap().expose(), "abc123", "{text:?}");
        }
    }

    #[test]
    fn what_no_header_can_hold_is_refused() {
        let cases = [
            ("", TokenError::Empty),
            (" \n", TokenError::Empty),
            ("abc 123", TokenError::Malformed),
            ("abc\n123", TokenError::Malformed),
            ("abc\0", TokenError::Malformed),
            ("äbc", TokenError::Malformed),
        ];
        for (text, error) in cases {
            assert_eq!(Token::new(text).unwrap_err(), error, "{text:?}");
        }
    }

    #[test]
    fn duplicates_are_found_and_nothing_is_shown() {
        let [a, same, other] = ["secret-1", "secret-1\n", "secret-2"].map(|t| Token::new(t).unwrap());
        assert!(a.same_as(&same) && !a.same_as(&other));
        assert_eq!(a.fingerprint(), same.fingerprint());
        assert_ne!(a.fingerprint(), other.fingerprint());
        assert_eq!(format!("{a:?} {a:#?}"), "Token(redacted) Token(redacted)");
    }
}
