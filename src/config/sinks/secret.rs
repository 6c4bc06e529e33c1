//! The signing secrets of webhooks, in the format of Standard Webhooks.

use std::{fmt, path::PathBuf};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret as _, SecretSlice, zeroize::Zeroizing};

use crate::config::{key_reader::TableReader, secret_source::SecretSource, servers::ReadContext};

const SOURCE: SecretSource =
    SecretSource { noun: "secret", owner: "webhook's", keys: ["secret_file", "secret_env", "secret"] };

/// The prefix of every secret.
const PREFIX: &str = "whsec_";
/// The key length that Standard Webhooks requires: shorter keys can be guessed, longer ones add nothing.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// During a rotation two secrets sign; a third would be a forgotten old one.
const MAX_SECRETS: usize = 2;

/// The secrets of a webhook, the new one first.
#[derive(Clone)]
pub struct Secrets(Vec<Secret>);

/// A signing key. It cannot be printed and is erased from memory on drop.
#[derive(Clone)]
pub struct Secret(SecretSlice<u8>);

/// The reason why a text is not a valid secret. The text itself is not included.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The text contains only white space.
    #[error("the secret is empty")]
    Empty,
    /// The text contains more than two secrets.
    #[error("there are more than two secrets")]
    TooMany,
    /// The prefix is missing.
    #[error("the secret does not begin with {PREFIX}")]
    Prefix,
    /// The key is not Base64.
    #[error("the text after {PREFIX} is not Base64")]
    Base64,
    /// The key is too short or too long.
    #[error("the key has {0} bytes, not 24 to 64")]
    Length(usize),
}

/// Returns the file that holds the secrets, if they are in a file.
pub(super) fn file(section: &TableReader<'_>, context: &ReadContext<'_>) -> Option<PathBuf> {
    SOURCE.file(section, context)
}

pub(super) fn read(section: &mut TableReader<'_>, context: &ReadContext<'_>) -> Option<Secrets> {
    let (key, text) = SOURCE.read(section, context)?;
    Secrets::check(section, key, text)
}

impl Secrets {
    /// Parses the value of a key, and reports one that is not valid.
    pub(in crate::config) fn check(
        section: &mut TableReader<'_>,
        key: &'static str,
        text: String,
    ) -> Option<Self> {
        match Self::parse(&Zeroizing::new(text)) {
            Ok(secrets) => Some(secrets),
            Err(error) => {
                let remedy = "set it to whsec_ and a Base64 key (`echo whsec_$(openssl rand -base64 32)`); during a \
                              rotation, to two secrets, the new one first";
                section.refuse(key, error.to_string(), remedy);
                None
            }
        }
    }

    /// Parses one or two secrets, separated by white space.
    ///
    /// # Errors
    /// Returns an error if the number of secrets is not one or two, or a secret does not follow Standard Webhooks.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let secrets: Vec<_> = text.split_whitespace().map(Secret::parse).collect::<Result<_, _>>()?;
        match secrets.len() {
            0 => Err(SecretError::Empty),
            1..=MAX_SECRETS => Ok(Self(secrets)),
            _ => Err(SecretError::TooMany),
        }
    }

    /// Returns true if both hold the same secrets in the same order.
    pub fn same_as(&self, other: &Self) -> bool {
        self.0.iter().map(Secret::expose).eq(other.0.iter().map(Secret::expose))
    }

    /// Iterates over the secrets, the new one first.
    pub fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter()
    }
}

impl Secret {
    fn parse(text: &str) -> Result<Self, SecretError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(SecretError::Prefix)?;
        let key = BASE64_STANDARD.decode(encoded).map_err(|_| SecretError::Base64)?;
        let length = key.len();
        let key = Self(key.into());
        if KEY_BYTES.contains(&length) { Ok(key) } else { Err(SecretError::Length(length)) }
    }

    /// Returns the key itself, for the code that signs.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({}, redacted)", self.0.len())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn one_secret_is_taken_and_two_while_it_is_changed() {
        assert_eq!(Secrets::parse(ONE).unwrap().iter().count(), 1);
        let two = Secrets::parse(&format!("{ONE}\n{ONE}\n")).unwrap();
        assert_eq!(two.iter().map(|secret| secret.expose().len()).collect::<Vec<_>>(), [24, 24]);
        assert_eq!(
            format!("{two:?} {:?}", two.iter().next().unwrap()),
            "Secrets(2, redacted) Secret(redacted)"
        );
    }

    #[test]
    fn an_unusable_secret_is_refused() {
        for (text, error) in [
            (" \n".to_owned(), SecretError::Empty),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(), SecretError::Prefix),
            ("whsec_no base64".to_owned(), SecretError::Base64),
            ("whsec_c2hvcnQ=".to_owned(), SecretError::Length(5)),
            (format!("{ONE} {ONE} {ONE}"), SecretError::TooMany),
        ] {
            assert_eq!(Secrets::parse(&text).unwrap_err(), error, "{text}");
        }
    }
}
