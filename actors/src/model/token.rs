use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, LazyLock},
};

use secrecy::{ExposeSecret as _, SecretString};

use super::secrets;

/// The key of this process's fingerprints, so that a printed fingerprint reveals nothing about the token.
static FINGERPRINTS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// An account's access token, validated for use in a header.
///
/// It has no `Display`, its `Debug` shows nothing of it, and its memory is wiped on drop.
#[derive(Clone)]
pub struct Token(Arc<Secret>);

/// The secret, shared by all copies of the token. While it lives, no excerpt shows it.
struct Secret(SecretString);

/// A text that is not a valid token. The error never contains the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The text is empty or consists of white space.
    #[error("the token is empty")]
    Empty,
    /// The text contains a character that is not allowed in a token or a header.
    #[error("the token holds white space, a control character or a letter outside ASCII")]
    Malformed,
}

impl Token {
    /// Parses a token from a file or a variable; surrounding white space is trimmed.
    ///
    /// # Errors
    /// If it is empty or contains anything but visible ASCII.
    pub fn new(text: impl Into<String>) -> Result<Self, TokenError> {
        let text = SecretString::from(text.into());
        let token = text.expose_secret().trim();
        if token.is_empty() {
            return Err(TokenError::Empty);
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Malformed);
        }
        Ok(Self(Arc::new(Secret::new(SecretString::from(token)))))
    }

    /// True if both are the same token: two accounts must not share one.
    pub fn same_as(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }

    /// Returns a number that is equal for equal tokens within this process and reveals nothing about them.
    ///
    /// It finds candidates for duplicates among many tokens; [`Token::same_as`] decides.
    pub fn fingerprint(&self) -> u64 {
        FINGERPRINTS.hash_one(self.expose())
    }

    /// Returns the secret itself, for the one header that carries it.
    pub fn expose(&self) -> &str {
        self.0.0.expose_secret()
    }
}

impl Secret {
    fn new(secret: SecretString) -> Self {
        secrets::remember(secret.expose_secret());
        Self(secret)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        secrets::forget(self.0.expose_secret());
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
