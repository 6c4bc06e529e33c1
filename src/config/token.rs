//! An account's token.

use std::path::PathBuf;

use matterhost_actors::model::Token;

use super::{secret_source::Sought, servers::Around, table::Section};

const SOUGHT: Sought = Sought { noun: "token", of: "bot's", keys: ["token_file", "token_env", "token"] };

/// The file that it is in, if it is in one.
pub(super) fn file(section: &Section<'_>, around: &Around<'_>) -> Option<PathBuf> {
    SOUGHT.file(section, around)
}

pub(super) fn read(section: &mut Section<'_>, around: &Around<'_>) -> Option<Token> {
    let (key, text) = SOUGHT.read(section, around)?;
    match Token::new(text) {
        Ok(token) => Some(token),
        Err(error) => {
            let remedy = "put the bot's access token there, and nothing else";
            section.refuse(key, error.to_string(), remedy);
            None
        }
    }
}
