//! An account's token.

use matterhost_actors::model::Token;

use super::{confidential::Sought, section::Section, servers::Around};

const SOUGHT: Sought = Sought { noun: "token", of: "bot's", keys: ["token_file", "token_env", "token"] };

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
