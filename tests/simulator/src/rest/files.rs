//! Files, and what a client is told about their size.

use hyper::StatusCode;
use serde_json::json;

use crate::rest::answer::{Answer, forbidden, invalid_param};
use crate::rest::call::{Call, Outcome};
use crate::state::State;
use crate::wire::reply::AppError;

/// Of the many settings that a client is told, the one that matters here. All are texts.
#[expect(clippy::unnecessary_wraps, reason = "every route has this form")]
pub(crate) fn config(state: &mut State, _: &Call) -> Outcome {
    Ok(Answer::json(&json!({ "MaxFileSize": state.options.max_file_size.to_string() })))
}

/// The simple form: the file is the body, and the query says the rest. Of the file only its size is kept.
pub(crate) fn upload(state: &mut State, call: &Call) -> Outcome {
    let text = |name: &'static str| {
        call.query.get(name).filter(|text| !text.is_empty()).ok_or_else(|| invalid_param(name))
    };
    let (channel, name) = (text("channel_id")?, text("filename")?);
    if !state.is_member(channel, &call.user) {
        return Err(forbidden());
    }
    if call.raw.len() > state.options.max_file_size {
        let id = "api.file.upload_file.too_large_detailed.app_error";
        return Err(AppError::new(id, "Unable to upload file. File is too large.", 413));
    }
    let info = state.keep_file(&call.user, name, call.raw.len());
    let answer = Answer::json(&json!({ "file_infos": [info], "client_ids": [] }));
    Ok(Answer { status: StatusCode::CREATED, ..answer })
}
