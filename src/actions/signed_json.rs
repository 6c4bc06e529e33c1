//! Signed JSON: a text that the host gives away and recognizes when it comes back.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::hmac;
use serde::{Serialize, de::DeserializeOwned};

/// Returns the value and its signature, in letters, digits, `-`, `_` and one dot. A text of one purpose never verifies for
/// another.
pub(crate) fn sign(key: &hmac::Key, purpose: &str, value: &impl Serialize) -> String {
    // The values have text keys and finite numbers, so they always serialize.
    let body = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).unwrap_or_default());
    let tag = hmac::sign(key, format!("{purpose}{body}").as_bytes());
    format!("{body}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag))
}

/// Returns the value of a text that one of the keys has signed for this purpose. The comparison takes the same time for
/// every signature.
pub(crate) fn verify<T: DeserializeOwned>(keys: &[hmac::Key], purpose: &str, text: &str) -> Option<T> {
    let (body, tag) = text.rsplit_once('.')?;
    let tag = BASE64_URL_SAFE_NO_PAD.decode(tag).ok()?;
    let signed = format!("{purpose}{body}");
    // Every key is tried, so that the time does not say which one signed.
    let verified = keys.iter().filter(|key| hmac::verify(key, signed.as_bytes(), &tag).is_ok()).count();
    let json = (verified > 0).then(|| BASE64_URL_SAFE_NO_PAD.decode(body).ok()).flatten()?;
    serde_json::from_slice(&json).ok()
}
