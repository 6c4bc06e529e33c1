//! The tokens of the API.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use crate::config::{secret_source::SecretSource, servers::ReadContext, table::TableReader};

/// Shorter ones can be guessed.
const SHORTEST: usize = 16;
/// No header needs more.
const LONGEST: usize = 512;

/// The token that may do everything.
pub(super) const FULL: SecretSource =
    SecretSource { noun: "token", of: "admin's", keys: ["token_file", "token_env", "token"] };
/// The token that may look.
pub(super) const READ: SecretSource =
    SecretSource { noun: "token", of: "admin's", keys: ["read_token_file", "read_token_env", "read_token"] };

/// A token of the API. It cannot be printed, and is wiped from memory when it goes.
#[derive(Clone)]
pub struct AdminToken(SecretString);

/// Why a text is no token. The text itself is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AdminTokenError {
    /// It is too short or too long.
    #[error("the token has {0} characters")]
    Length(usize),
    /// It holds what no header can.
    #[error("the token holds white space, or characters that no header can hold")]
    Characters,
}

impl AdminToken {
    /// Takes a token; white space around it is left out.
    ///
    /// # Errors
    /// When it can be guessed, or cannot be sent.
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

    /// Whether somebody showed this token. How long it takes tells nothing but the length.
    pub fn matches(&self, shown: &str) -> bool {
        self.0.expose_secret().as_bytes().ct_eq(shown.as_bytes()).into()
    }

    /// The token itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(redacted)")
    }
}

/// Reads one of the two, if it is given.
pub(super) fn read(
    section: &mut TableReader<'_>,
    source: &SecretSource,
    context: &ReadContext<'_>,
) -> Option<AdminToken> {
    let (key, text) = source.read_optional(section, context)?;
    match AdminToken::new(&text) {
        Ok(token) => Some(token),
        Err(error) => {
            let remedy =
                format!("take {SHORTEST} to {LONGEST} characters; `openssl rand -hex 32` makes some");
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
    fn what_can_be_guessed_or_cannot_be_sent_is_refused() {
        let error = |text: &str| AdminToken::new(text).unwrap_err();
        assert_eq!(error("short"), AdminTokenError::Length(5));
        assert_eq!(error(&"x".repeat(513)), AdminTokenError::Length(513));
        assert_eq!(error("0123456789 abcdef"), AdminTokenError::Characters);
        assert_eq!(error("0123456789äbcdefgh"), AdminTokenError::Characters);
    }
}
