//! Signatures of the texts that matterhost puts into buttons, menus and dialogs, which Mattermost sends back unsigned
//! (facts 44 and 45).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::hmac;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::hook_request::Origin;
use crate::{actions::signed_json, config::Secrets};

/// The version of the format: a later one can be told apart.
const VERSION: &str = "v1";
/// The longest signed text that is read. It holds the handler's own context and the options of a menu.
pub(super) const MAX_SIGNED_BYTES: usize = 32 * 1024;
/// A clock may be set back by this much between signing and verifying.
const MAX_FUTURE: Duration = Duration::from_secs(400 * 24 * 3600);

/// The kind of a signed text. One kind never verifies as another.
pub(super) trait Claims: Serialize + DeserializeOwned {
    /// The kind, which is part of what is signed.
    const PURPOSE: &'static str;

    /// Returns the end of its validity, in seconds since 1970.
    fn expires(&self) -> u64;
}

/// The signed context of a button or menu.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionClaims {
    /// The account whose post has the button.
    pub account: String,
    /// The channel of the post; empty if it was not known and the post was.
    pub channel: String,
    /// The post, if its id was known when the button was made: a new post has none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<String>,
    /// The end of its validity, in seconds since 1970.
    pub expires: u64,
    /// The button's own id.
    pub id: String,
    /// The values that a menu offers; `None` for a button, and for a menu that the server fills.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Vec<String>>,
    /// The handler's own context.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub context: Map<String, Value>,
}

/// The signed state of a dialog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DialogClaims {
    /// The account that opened the dialog.
    pub account: String,
    /// The person who has it open, and the channel, with their names: the server sends back their ids alone.
    pub origin: Origin,
    /// The end of its validity, in seconds since 1970.
    pub expires: u64,
    /// A random text: a dialog is taken once.
    pub nonce: String,
    /// The names of its fields, with the values that each offers if it offers some.
    pub fields: Vec<(String, Option<Vec<String>>)>,
    /// The handler's own state.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state: String,
}

impl Claims for ActionClaims {
    const PURPOSE: &'static str = "action";

    fn expires(&self) -> u64 {
        self.expires
    }
}

impl Claims for DialogClaims {
    const PURPOSE: &'static str = "dialog";

    fn expires(&self) -> u64 {
        self.expires
    }
}

/// The reason why a signed text is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No key of this host has signed it.
    #[error("it is not signed by this host")]
    Forged,
    /// It was signed, and its time is over.
    #[error("it has expired")]
    Expired,
}

/// The keys: the first signs, all verify.
#[derive(Debug, Clone)]
pub struct Signer(Vec<hmac::Key>);

impl Signer {
    /// Returns a signer with these secrets, the new one first.
    pub fn new(secrets: &Secrets) -> Self {
        Self(secrets.iter().map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret.expose())).collect())
    }

    /// Signs claims. The text has letters, digits, `-`, `_` and dots.
    pub(super) fn sign<C: Claims>(&self, claims: &C) -> String {
        // There is at least one secret.
        let signed = self.0.first().map(|key| signed_json::sign(key, &purpose::<C>(), claims));
        format!("{VERSION}.{}", signed.unwrap_or_default())
    }

    /// Returns the claims in a signed text. The comparison takes the same time for every signature.
    pub(super) fn verify<C: Claims>(&self, text: &str, now: SystemTime) -> Result<C, SignatureError> {
        let claims: C = self.open(text).ok_or(SignatureError::Forged)?;
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let expires = Duration::from_secs(claims.expires());
        if now >= expires || expires > now + MAX_FUTURE {
            return Err(SignatureError::Expired);
        }
        Ok(claims)
    }

    fn open<C: Claims>(&self, text: &str) -> Option<C> {
        if text.len() > MAX_SIGNED_BYTES {
            return None;
        }
        let signed = text.strip_prefix(VERSION)?.strip_prefix('.')?;
        signed_json::verify(&self.0, &purpose::<C>(), signed)
    }
}

fn purpose<C: Claims>() -> String {
    format!("matterhost/{VERSION}/{}/", C::PURPOSE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OLD: &str = "whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw";
    const NEW: &str = "whsec_mustnotshowAAAAAAAAAAAAAAAAAAAAA";

    fn signer(secrets: &str) -> Signer {
        Signer::new(&Secrets::parse(secrets).unwrap())
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn claims() -> ActionClaims {
        ActionClaims {
            account: "helpdesk".into(),
            channel: "c1".into(),
            post: Some("p1".into()),
            expires: 1000,
            id: "ok".into(),
            options: Some(vec!["1".into(), "2".into()]),
            context: serde_json::from_str(r#"{"do":"ok","n":1}"#).unwrap(),
        }
    }

    fn dialog() -> DialogClaims {
        DialogClaims {
            account: "helpdesk".into(),
            origin: Origin { user_id: "ann".into(), channel_id: "c1".into(), ..Origin::default() },
            expires: 1000,
            nonce: "n".into(),
            fields: vec![("name".into(), None), ("kind".into(), Some(vec!["a".into()]))],
            state: "st".into(),
        }
    }

    #[test]
    fn claims_are_read_as_they_were_signed_until_they_expire() {
        let signer = signer(NEW);
        let text = signer.sign(&claims());
        assert_eq!(signer.verify(&text, at(999)), Ok(claims()));
        assert_eq!(signer.verify::<ActionClaims>(&text, at(1000)), Err(SignatureError::Expired));
        assert_eq!(signer.verify(&signer.sign(&dialog()), at(1)), Ok(dialog()));
        assert!(!text.contains("helpdesk") && !format!("{signer:?}").contains("AAAA"), "{signer:?}");
    }

    #[test]
    fn a_rotation_verifies_both_keys_and_then_only_the_new_one() {
        let [old, both, new] =
            [OLD.to_owned(), format!("{NEW} {OLD}"), NEW.to_owned()].map(|text| signer(&text));
        let (before, during) = (old.sign(&claims()), both.sign(&claims()));
        assert_eq!(both.verify(&before, at(1)), Ok(claims()));
        assert_eq!(new.verify(&during, at(1)), Ok(claims()));
        assert_eq!(new.verify::<ActionClaims>(&before, at(1)), Err(SignatureError::Forged));
        assert_eq!(old.verify::<ActionClaims>(&during, at(1)), Err(SignatureError::Forged));
    }

    /// The claims of a button as those of a dialog, which has other members otherwise.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(transparent)]
    struct AsDialog(ActionClaims);

    impl Claims for AsDialog {
        const PURPOSE: &'static str = DialogClaims::PURPOSE;

        fn expires(&self) -> u64 {
            self.0.expires
        }
    }

    #[test]
    fn one_kind_is_not_taken_for_another() {
        let signer = signer(NEW);
        assert_eq!(signer.verify::<AsDialog>(&signer.sign(&claims()), at(1)), Err(SignatureError::Forged));
        assert_eq!(signer.verify(&signer.sign(&AsDialog(claims())), at(1)), Ok(AsDialog(claims())));
        assert_eq!(
            signer.verify::<DialogClaims>(&signer.sign(&claims()), at(1)),
            Err(SignatureError::Forged)
        );
        assert_eq!(
            signer.verify::<ActionClaims>(&signer.sign(&dialog()), at(1)),
            Err(SignatureError::Forged)
        );
    }

    #[test]
    fn what_is_no_signed_text_is_forged() {
        let signer = signer(NEW);
        let long = format!("v1.{}.x", "a".repeat(MAX_SIGNED_BYTES));
        for text in ["", "v1", "v1.", "v1..", "v2.e30.e30", "v1.e30.", "v1.é.e30", &long] {
            assert_eq!(signer.verify::<ActionClaims>(text, at(1)), Err(SignatureError::Forged), "{text:.40}");
        }
        let of_a_later_time = ActionClaims { expires: u64::MAX, ..claims() };
        let text = signer.sign(&of_a_later_time);
        assert_eq!(signer.verify::<ActionClaims>(&text, at(1)), Err(SignatureError::Expired));
    }

    proptest! {
        #[test]
        fn a_changed_text_is_forged(at_byte in 0_usize..1000, to in "[A-Za-z0-9._-]") {
            let signer = signer(NEW);
            let text = signer.sign(&claims());
            let mut changed = text.clone();
            let at_byte = at_byte % text.len();
            changed.replace_range(at_byte..=at_byte, &to);
            // The last character of Base64 has bits that are not read; the decoder refuses those that are set.
            let verified = signer.verify::<ActionClaims>(&changed, at(1));
            prop_assert_eq!(verified.is_ok(), changed == text);
        }
    }
}
