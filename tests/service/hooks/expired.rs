//! Buttons and dialogs whose time is over.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use matterhost_simulator::HookRequest;
use ring::hmac;
use serde_json::{Value, json};

use super::{CHILD_SINK, Rig, SECRET, changed, example};
use crate::{metrics::scrape_with, program::RunningProgram};

/// Returns a signed text whose time is over since a second, signed with the host's own secret as the host would have signed it.
fn expired(kind: &str, signed: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let body = signed.strip_prefix("v1.").unwrap().split('.').next().unwrap();
    let mut claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap();
    assert!(claims["expires"].as_u64().unwrap() > now, "{claims}");
    claims["expires"] = json!(now - 1);
    let body = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
    let secret = BASE64_STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let tag = hmac::sign(&key, format!("matterhost/v1/{kind}/{body}").as_bytes());
    format!("v1.{body}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag))
}

/// Returns a request with the signed text at this place of its body replaced by one whose time is over.
fn with_expired(kind: &str, place: &str, request: &HookRequest) -> HookRequest {
    let mut body: Value = serde_json::from_str(&request.body).unwrap();
    let signed = body.pointer_mut(place).unwrap();
    *signed = expired(kind, signed.as_str().unwrap()).into();
    changed(request, |request| request.body = body.to_string())
}

#[test]
fn a_button_a_menu_and_a_dialog_whose_time_is_over_are_answered_in_words() {
    let settings = format!("secret = \"{SECRET}\"\n");
    let rig = Rig::limited(&settings, |_, _| CHILD_SINK.into(), &example(), RunningProgram::ready);
    let post = rig.deploy();
    rig.press(&post, "reason", None);
    let button = rig.last_request();
    let dialog = rig.fixture.simulator.opened_dialogs().pop().unwrap();
    rig.submit(&dialog, &json!({ "reason": "no" }));
    let dialog = rig.last_request();
    rig.press(&post, "version", Some("1.0"));
    let menu = rig.last_request();
    let posts = rig.fixture.simulator.posts_in(&rig.fixture.channel);
    for (hook, counted, place, told, request) in [
        ("action", 1, "/context/matterhost", "ephemeral_text", button),
        ("action", 2, "/context/matterhost", "ephemeral_text", menu),
        ("dialog", 1, "/state", "error", dialog),
    ] {
        let late = with_expired(hook, place, &request);
        let answer = rig.fixture.simulator.send_hook(&late).answer.unwrap();
        let shown: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(
            (answer.status, &shown[told]),
            (200, &json!("This is too old. Ask the bot for a new one."))
        );
        scrape_with(
            &rig.admin,
            &[&format!("matterhost_hooks_total{{hook=\"{hook}\",outcome=\"expired\"}} {counted}")],
        );
    }
    assert_eq!(rig.fixture.simulator.posts_in(&rig.fixture.channel), posts, "nothing is posted");
}
