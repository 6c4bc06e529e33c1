//! An account's token.

use std::path::PathBuf;

use matterhost_actors::model::Token;

use super::{secret_source::SecretSource, servers::ReadContext, table::TableReader};

const SOURCE: SecretSource =
    SecretSource { noun: "token", of: "bot's", keys: ["token_file", "token_env", "token"] };

/// The file that it is in, if it is in one.
pub(super) fn file(section: &TableReader<'_>, context: &ReadContext<'_>) -> Option<PathBuf> {
    SOURCE.file(section, context)
}

pub(super) fn read(section: &mut TableReader<'_>, context: &ReadContext<'_>) -> Option<Token> {
    let (key, text) = SOURCE.read(section, context)?;
    match Token::new(text) {
        Ok(token) => Some(token),
        Err(error) => {
            let remedy = "put the bot's access token there, and nothing else";
            section.refuse(key, error.to_string(), remedy);
            None
        }
    }
}
