//! The target of the fuzzer that sends requests as the server does, or whatever knows the address.

use std::time::{Duration, UNIX_EPOCH};

use super::{
    ActionRequest, CommandRequest, DialogRequest, HookData, Signer,
    admission::{check_action, check_dialog},
};
use crate::config::Secrets;

/// The account whose hooks are asked.
const ACCOUNT: &str = "helpdesk";

/// Reads a request: a first byte that chooses its kind, and the body. Nothing that is not signed may pass.
pub fn hook_requests(input: &[u8]) {
    let Some((kind, body)) = input.split_first() else { return };
    let Ok(secrets) = Secrets::parse("whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw") else { return };
    let (signer, now) = (Signer::new(&secrets), UNIX_EPOCH + Duration::from_secs(1));
    match kind % 3 {
        0 => {
            if let Ok(request) = CommandRequest::parse(body) {
                let data = HookData::of_command(&request);
                assert!(data.id.len() == 22 && !data.data.contains_key("token"));
            }
        }
        1 => {
            let claims = ActionRequest::parse(body).map(|r| check_action(&r, ACCOUNT, &signer, now));
            assert!(!matches!(claims, Ok(Ok(_))), "an unsigned button passed");
        }
        _ => {
            let claims = DialogRequest::parse(body).map(|r| check_dialog(&r, ACCOUNT, &signer, now));
            assert!(!matches!(claims, Ok(Ok(_))), "an unsigned dialog passed");
        }
    }
}

/// Returns requests as the server sends them.
pub fn hook_request_seeds() -> Vec<Vec<u8>> {
    let people = r#""user_id":"qaecr7krifn7dk36x1eesefkha","channel_id":"6brqgaeuupn65ncg1ywigb6swa""#;
    [
        "\0user_id=qaecr7krifn7dk36x1eesefkha&channel_id=6brqgaeuupn65ncg1ywigb6swa&command=%2Fx&text=one+%C3%A9&token=t".to_owned(),
        format!("\u{1}{{{people},\"post_id\":\"n41semze6ifdtdafdkxpwf69uo\",\"context\":{{\"matterhost\":\"v1.e30.e30\",\"selected_option\":\"2\"}}}}"),
        format!("\u{2}{{{people},\"state\":\"v1.e30.e30\",\"submission\":{{\"kind\":\"a\"}},\"cancelled\":false}}"),
    ]
    .map(String::into_bytes)
    .into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::mutated::mutated;

    proptest! {
        #[test]
        fn changed_requests_are_read(input in mutated(super::hook_request_seeds())) {
            super::hook_requests(&input);
        }
    }
}
