//! An account's token: from a file, a variable, or the configuration itself. It is never part of a message.

use std::path::{Path, PathBuf};

use matterhost_actors::model::Token;

use super::{layers::read_text, section::Section, servers::Around};

/// A token has 26 characters; a file as large as this holds something else.
const LARGEST_FILE: u64 = 4096;

/// The keys of which an account has exactly one.
const KEYS: [&str; 3] = ["token_file", "token_env", "token"];

pub(super) fn read(section: &mut Section<'_>, around: &Around<'_>) -> Option<Token> {
    let [file, variable, token] = [
        section.optional::<PathBuf>(KEYS[0]).map(|file| Given::File(around.directory.join(&file), file)),
        section.optional::<String>(KEYS[1]).map(Given::Variable),
        section.optional::<String>(KEYS[2]).map(Given::Here),
    ];
    let given: Vec<_> = KEYS.into_iter().filter(|key| section.has(key)).collect();
    match given[..] {
        [_] => take(section, file.or(variable).or(token)?, around),
        [] => {
            section.refuse_all("there is no token", "give token_file, token_env or token");
            None
        }
        [..] => {
            section.refuse_all(format!("{} are given together", given.join(" and ")), "keep one of them");
            None
        }
    }
}

enum Given {
    /// The path, whole and as it was given.
    File(PathBuf, PathBuf),
    Variable(String),
    Here(String),
}

fn take(section: &mut Section<'_>, given: Given, around: &Around<'_>) -> Option<Token> {
    let (key, text) = match given {
        Given::File(path, as_given) => (KEYS[0], from_file(section, &path, &as_given)?),
        Given::Variable(name) => (KEYS[1], from_variable(section, &name, around)?),
        Given::Here(token) => (KEYS[2], token),
    };
    match Token::new(text) {
        Ok(token) => Some(token),
        Err(error) => {
            let remedy = "put the bot's access token there, and nothing else";
            section.refuse(key, error.to_string(), remedy);
            None
        }
    }
}

fn from_file(section: &mut Section<'_>, path: &Path, as_given: &Path) -> Option<String> {
    match read_text(path, LARGEST_FILE) {
        Ok(text) => {
            if is_open_to_all(path) {
                let what = format!("{} can be read by every user of this machine", path.display());
                section.warn(KEYS[0], what, format!("chmod 600 {}", path.display()));
            }
            Some(text)
        }
        // Somebody may have put the token itself here.
        Err(_) if looks_like_a_token(as_given) => {
            let what = "there is no such file, and this looks like a token rather than a path";
            section.refuse(KEYS[0], what, "put a token under the key token, or into a file named here");
            None
        }
        Err(what) => {
            let remedy = "name a file that holds the token and nothing else";
            section.refuse(KEYS[0], format!("{}: {what}", path.display()), remedy);
            None
        }
    }
}

fn looks_like_a_token(path: &Path) -> bool {
    const SHORTEST: usize = 16;
    let text = path.to_string_lossy();
    text.len() >= SHORTEST && text.chars().all(|c| c.is_ascii_alphanumeric())
}

#[cfg(unix)]
fn is_open_to_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    const READ_BY_OTHERS: u32 = 0o004;
    path.metadata().is_ok_and(|about| about.permissions().mode() & READ_BY_OTHERS != 0)
}

#[cfg(not(unix))]
fn is_open_to_all(_path: &Path) -> bool {
    false
}

fn from_variable(section: &mut Section<'_>, name: &str, around: &Around<'_>) -> Option<String> {
    if let Some(value) = around.environment.get(name) {
        return Some(value.clone());
    }
    // A token in the wrong place has small letters, a variable's name as a rule has none.
    let telling = !name.is_empty() && !name.chars().any(|c| c.is_ascii_lowercase());
    let what =
        if telling { format!("the variable {name} is not set") } else { "this variable is not set".into() };
    section.refuse(KEYS[1], what, "set it to the bot's token, or use token_file");
    None
}
