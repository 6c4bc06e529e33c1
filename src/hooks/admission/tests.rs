use std::time::UNIX_EPOCH;

use serde_json::json;

use super::*;
use crate::{config::Secrets, hooks::hook_request::Origin};

fn signer() -> Signer {
    Signer::new(&Secrets::parse("whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw").unwrap())
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1000)
}

fn origin() -> Origin {
    Origin {
        user_id: "ann".into(),
        user_name: "ann".into(),
        channel_id: "c1".into(),
        channel_name: "town".into(),
        team_id: String::new(),
        team_domain: String::new(),
    }
}

fn action(change: impl FnOnce(&mut ActionClaims), chosen: Option<&str>) -> Result<ActionClaims, Refusal> {
    let mut claims = ActionClaims {
        account: "helpdesk".into(),
        channel: "c1".into(),
        post: Some("p1".into()),
        expires: 2000,
        id: "ok".into(),
        options: None,
        context: serde_json::Map::new(),
    };
    change(&mut claims);
    let request = ActionRequest {
        origin: origin(),
        post_id: "p1".into(),
        trigger_id: "t".into(),
        signed: signer().sign(&claims),
        selected_option: chosen.map(Into::into),
    };
    check_action(&request, "helpdesk", &signer(), now())
}

#[test]
fn a_button_is_taken_where_and_while_it_was_signed_for() {
    assert_eq!(action(|_| {}, None).unwrap().id, "ok");
    assert!(action(|claims| claims.post = None, None).is_ok(), "a new post has no id yet");
    assert!(action(|claims| claims.channel.clear(), None).is_ok(), "the post says as much");
    let nowhere = |claims: &mut ActionClaims| (claims.post, claims.channel) = (None, String::new());
    assert_eq!(action(nowhere, None), Err(Refusal::Elsewhere("channel")));
    for (refusal, change) in [
        (Refusal::Elsewhere("account"), (|c| c.account = "other".into()) as fn(&mut ActionClaims)),
        (Refusal::Elsewhere("channel"), |c| c.channel = "c2".into()),
        (Refusal::Elsewhere("post"), |c| c.post = Some("p2".into())),
        (Refusal::Expired, |c| c.expires = 1000),
    ] {
        assert_eq!(action(change, None), Err(refusal));
    }
}

#[test]
fn a_menu_takes_only_what_it_offered() {
    let offers = |claims: &mut ActionClaims| claims.options = Some(vec!["1".into(), "2".into()]);
    assert!(action(offers, Some("2")).is_ok());
    for chosen in [Some("3"), Some(""), None] {
        assert!(matches!(action(offers, chosen), Err(Refusal::NotOffered(_))), "{chosen:?}");
    }
    assert!(action(|_| {}, Some("a user")).is_ok(), "a menu that the server fills");
}

fn dialog(submission: &Value, change: impl FnOnce(&mut DialogClaims)) -> Result<DialogClaims, Refusal> {
    let mut claims = DialogClaims {
        account: "helpdesk".into(),
        origin: origin(),
        expires: 2000,
        nonce: "n".into(),
        fields: vec![("name".into(), None), ("kind".into(), Some(vec!["a".into(), "b".into()]))],
        state: String::new(),
    };
    change(&mut claims);
    let request = DialogRequest {
        user_id: "ann".into(),
        channel_id: "c1".into(),
        callback_id: "cb".into(),
        signed: signer().sign(&claims),
        submission: submission.as_object().unwrap().clone(),
        cancelled: false,
    };
    check_dialog(&request, "helpdesk", &signer(), now())
}

#[test]
fn a_dialog_is_taken_from_its_person_with_its_fields() {
    for good in [
        json!({}),
        json!({ "name": "x", "kind": "a" }),
        json!({ "name": 1, "kind": null }),
        json!({ "kind": ["a", "b"] }),
        json!({ "kind": "" }),
    ] {
        assert!(dialog(&good, |_| {}).is_ok(), "{good}");
    }
    for bad in
        [json!({ "kind": "c" }), json!({ "kind": ["a", "c"] }), json!({ "kind": 1 }), json!({ "x": "" })]
    {
        assert!(matches!(dialog(&bad, |_| {}), Err(Refusal::NotOffered(_))), "{bad}");
    }
    for (refusal, change) in [
        (Refusal::Elsewhere("account"), (|c| c.account = "other".into()) as fn(&mut DialogClaims)),
        (Refusal::Elsewhere("channel"), |c| c.origin.channel_id = "c2".into()),
        (Refusal::Elsewhere("person"), |c| c.origin.user_id = "bob".into()),
        (Refusal::Expired, |c| c.expires = 1),
    ] {
        assert_eq!(dialog(&json!({}), change), Err(refusal));
    }
}

#[test]
fn a_request_is_taken_once_and_a_dialog_until_it_is_done() {
    let (mut admission, now) = (Admission::default(), Instant::now());
    assert_eq!(admission.take_trigger("t", now), Ok(()));
    assert_eq!(admission.take_trigger("t", now), Err(Refusal::Replayed));
    assert_eq!(admission.take_trigger("", now), Err(Refusal::Replayed), "not the server's");
    let claims = dialog(&json!({}), |_| {}).unwrap();
    assert_eq!(admission.take_dialog(&claims, now), Ok(()));
    assert_eq!(admission.take_dialog(&claims, now), Err(Refusal::Replayed), "while it is answered");
    admission.reopen_dialog(&claims);
    assert_eq!(admission.take_dialog(&claims, now), Ok(()), "sent back and sent again");
}
