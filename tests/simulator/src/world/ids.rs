//! Ids in the server's form: 26 characters of its own base 32.

const ALPHABET: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";
const LENGTH: usize = 26;

/// A fresh random id.
pub(crate) fn new_id(random: &mut fastrand::Rng) -> String {
    (0..LENGTH).map(|_| char::from(ALPHABET[random.usize(0..ALPHABET.len())])).collect()
}

/// Each token begins so, and nothing else that is written down holds it: a program that shows a token is found out.
pub const TOKEN_PREFIX: &str = "mustnotshow";

/// A fresh token: an id by its form, with the mark.
pub(crate) fn new_token(random: &mut fastrand::Rng) -> String {
    let id = new_id(random);
    format!("{TOKEN_PREFIX}{}", id.get(TOKEN_PREFIX.len()..).unwrap_or_default())
}

/// Returns true when a text has the form of an id.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == LENGTH && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// An id made of a number, for posts that are made by the million.
pub(crate) fn numbered_id(mut number: u64) -> [u8; LENGTH] {
    let mut id = [ALPHABET[0]; LENGTH];
    for place in id.iter_mut().rev() {
        *place = ALPHABET[(number % 32) as usize];
        number /= 32;
    }
    id
}
