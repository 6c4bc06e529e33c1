//! The keys of records in the bucket.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use matterhost_actors::model::{AccountName, ChannelId};

/// The part of a channel's key between the account and the channel.
const CHANNEL: &str = "c";

/// The key of a record. Names are in Base64, because a name may have characters that a key may not.
pub(super) enum Key<'a> {
    Account(&'a AccountName),
    Channel(&'a AccountName, &'a ChannelId),
}

/// The record that a key of a known account belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Account,
    Channel(ChannelId),
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => write!(f, "{}.a", encode(account.as_str())),
            Self::Channel(account, channel) => {
                write!(f, "{}.{CHANNEL}.{}", encode(account.as_str()), encode(channel.as_str()))
            }
        }
    }
}

/// Returns the pattern of all keys of an account.
pub(super) fn pattern(account: &AccountName) -> String {
    format!("{}.>", encode(account.as_str()))
}

/// Returns the account of a key.
pub(super) fn account_of(key: &str) -> Option<AccountName> {
    let (account, _) = key.split_once('.')?;
    AccountName::new(&String::from_utf8(URL_SAFE_NO_PAD.decode(account).ok()?).ok()?).ok()
}

/// Reads a key of an account.
pub(super) fn parse(key: &str) -> Option<Part> {
    let (_, part) = key.split_once('.')?;
    match part.split_once('.') {
        None => (part == "a").then_some(Part::Account),
        Some((CHANNEL, channel)) => {
            let channel = String::from_utf8(URL_SAFE_NO_PAD.decode(channel).ok()?).ok()?;
            Some(Part::Channel(channel.as_str().into()))
        }
        Some(_) => None,
    }
}

fn encode(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        let account = AccountName::new("ä.b").unwrap();
        let channel = ChannelId::from("4xp9fdt77pncbef59f4k1qe83o");
        let key = Key::Channel(&account, &channel).to_string();
        assert!(key.starts_with("w6QuYg.c."), "{key}");
        assert!(key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)), "{key}");
        assert_eq!(account_of(&key), Some(account.clone()));
        assert_eq!((account_of("w6QuYg"), account_of("!.a")), (None, None));
        assert_eq!(parse(&key), Some(Part::Channel(channel)));
        assert_eq!(parse(&Key::Account(&account).to_string()), Some(Part::Account));
        assert_eq!(pattern(&account), "w6QuYg.>");
        for other in ["", "a", "a.b", "a.c.!", "a.x.YQ"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
