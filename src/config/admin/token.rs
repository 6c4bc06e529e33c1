use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD, prelude::BASE64_STANDARD};
use ring::{
    error::Unspecified,
    rand::{SecureRandom as _, SystemRandom},
};
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};
use subtle::ConstantTimeEq as _;

use crate::config::{key_reader::TableReader, secret_source::SecretSource, servers::ReadContext};

/// Shorter tokens can be guessed.
const SHORTEST: usize = 16;
/// Longer than any header needs.
const LONGEST: usize = 512;
/// The random bytes of a generated token: far too many to guess.
const RANDOM_BYTES: usize = 32;

/// The token with full access.
pub(super) const FULL: SecretSource =
    SecretSource { noun: "token", owner: "admin's", keys: ["token_file", "token_env", "token"] };
/// The token with read-only access.
pub(super) const READ: SecretSource = SecretSource {
    noun: "token",
    owner: "admin's",
    keys: ["read_token_file", "read_token_env", "read_token"],
};

/// A token of the admin API. It cannot be printed and is erased from memory on drop.
#[derive(Clone)]
pub struct AdminToken(SecretString);

/// The reason why a text is not a valid token. The text itself is not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AdminTokenError {
    /// It is too short or too long.
    #[error("the token has {0} characters")]
    Length(usize),
    /// It contains characters that a header cannot carry.
    #[error("the token contains white space or characters that a header cannot carry")]
    Characters,
}

/// The operating system gives no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct RandomError;

impl AdminToken {
    /// Creates a token; surrounding white space is removed.
    ///
    /// # Errors
    /// Returns an error if the token is too short, too long, or contains characters that a header cannot carry.
    pub fn new(text: &str) -> Result<Self, AdminTokenError> {
        let text = text.trim();
        if !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err(AdminTokenError::Characters);
        }
        if !(SHORTEST..=LONGEST).contains(&text.len()) {
            return Err(AdminTokenError::Length(text.len()));
        }
        Ok(Self(text.into()))
    }

    /// Creates a token of letters, digits, `-` and `_` from the random source of the operating system.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn generate() -> Result<Self, RandomError> {
        let mut bytes = Zeroizing::new([0; RANDOM_BYTES]);
        SystemRandom::new().fill(&mut *bytes).map_err(|Unspecified| RandomError)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(*bytes).into()))
    }

    /// Creates a key as webhooks and hooks use it: `whsec_` and Base64, from the random source of the operating system.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn generate_secret() -> Result<Self, RandomError> {
        let mut bytes = Zeroizing::new([0; RANDOM_BYTES]);
        SystemRandom::new().fill(&mut *bytes).map_err(|Unspecified| RandomError)?;
        Ok(Self(format!("whsec_{}", BASE64_STANDARD.encode(*bytes)).into()))
    }

    /// Returns true if `shown` is this token. The time taken reveals nothing but the length.
    pub fn matches(&self, shown: &str) -> bool {
        self.0.expose_secret().as_bytes().ct_eq(shown.as_bytes()).into()
    }

    /// Returns the token itself, for the code that sends or compares it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(redacted)")
    }
}

/// Reads one of the two tokens, if it is set.
pub(super) fn read(
    section: &mut TableReader<'_>,
    source: &SecretSource,
    context: &ReadContext<'_>,
) -> Option<AdminToken> {
    let (key, text) = source.read_optional(section, context)?;
    check(section, key, &text)
}

/// Parses the token that a key gives, and reports a text that is none.
pub(super) fn check(section: &mut TableReader<'_>, key: &str, text: &str) -> Option<AdminToken> {
    match AdminToken::new(text) {
        Ok(token) => Some(token),
        Err(error) => {
            let remedy =
                format!("use {SHORTEST} to {LONGEST} characters; `openssl rand -hex 32` generates a token");
            section.refuse(key, error.to_string(), remedy);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_and_never_shown() {
        let token = AdminToken::new(" 0123456789abcdef\n").unwrap();
        assert!(token.matches("0123456789abcdef"));
        for other in ["", "0123456789abcdeX", "0123456789abcde", "0123456789abcdef0"] {
            assert!(!token.matches(other), "{other}");
        }
        assert_eq!(format!("{token:?}"), "AdminToken(redacted)");
    }

    #[test]
    fn generated_tokens_are_valid_and_differ() {
        let [one, other] = [(); 2].map(|()| AdminToken::generate().unwrap());
        assert!(!one.matches(other.expose()));
        let read = AdminToken::new(one.expose()).unwrap();
        assert!(
            read.matches(one.expose()) && one.expose().len() > RANDOM_BYTES,
            "a whole number of bytes is encoded"
        );
        assert!(
            one.expose().chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)),
            "fits into a URL"
        );
    }

    #[test]
    fn tokens_that_are_weak_or_cannot_be_sent_are_refused() {
        let error = |text: &str| AdminToken::new(text).unwrap_err();
        assert_eq!(error("short"), AdminTokenError::Length(5));
        assert_eq!(error(&"x".repeat(513)), AdminTokenError::Length(513));
        assert_eq!(error("0123456789 abcdef"), AdminTokenError::Characters);
        assert_eq!(error("0123456789äbcdefgh"), AdminTokenError::Characters);
    }
}
