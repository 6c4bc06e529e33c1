//! Signatures as specified by Standard Webhooks (standardwebhooks.com).

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use ring::{digest, hmac};

use crate::{config::Secrets, sinks::message::Message};

/// Returns the id of a request, which is the same whenever the same events are sent. It is a hash because it must not
/// contain a dot, the separator in the signed text.
pub(super) fn request_id(messages: &[&Message]) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    for message in messages {
        for part in [&message.source, &message.id] {
            hash.update(part.as_bytes());
            hash.update(b"\n");
        }
    }
    format!("msg_{}", BASE64_URL_SAFE_NO_PAD.encode(hash.finish()))
}

/// Returns the header `webhook-signature`, with one signature per secret.
pub(super) fn signature(secrets: &Secrets, id: &str, timestamp: &str, body: &[u8]) -> String {
    let sign = |key: &[u8]| {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            context.update(part);
        }
        format!("v1,{}", BASE64_STANDARD.encode(context.sign()))
    };
    secrets.iter().map(|secret| sign(secret.expose())).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{super::super::tests::fixtures::post_of, *};

    /// The example of the specification.
    #[test]
    fn the_signature_is_that_of_the_convention() {
        let secrets = Secrets::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signed = signature(&secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_give_two_signatures() {
        let secret = "whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw";
        let other = "whsec_mustnotshowAAAAAAAAAAAAAAAAAAAAA";
        let both = Secrets::parse(&format!("{other} {secret}")).unwrap();
        let signed = signature(&both, "msg_1", "1", b"x");
        let alone = |text| signature(&Secrets::parse(text).unwrap(), "msg_1", "1", b"x");
        assert_eq!(signed, format!("{} {}", alone(other), alone(secret)));
    }

    #[test]
    fn what_two_accounts_hear_has_two_ids_and_the_same_again_has_one() {
        let [a, b] = ["a.b", "c"].map(|account| Message::from_event(&post_of(account, "c1", "p1")));
        assert_eq!(request_id(&[&a]), request_id(&[&Message::parse(&a.json).unwrap()]));
        assert_ne!(request_id(&[&a]), request_id(&[&b]));
        assert_ne!(request_id(&[&a, &b]), request_id(&[&a]));
        assert!(!request_id(&[&a]).contains('.'));
    }
}
