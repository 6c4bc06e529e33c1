//! Files, and what a client is told about their size.

use hyper::StatusCode;
use serde_json::json;

use crate::rest::request::{ApiRequest, RouteResult};
use crate::rest::response::{ApiResponse, forbidden, invalid_param};
use crate::state::State;
use crate::wire::reply::AppError;

/// Of the many settings that a client is told, those that matter here. All are texts (fact 40).
#[expect(clippy::unnecessary_wraps, reason = "every route has this form")]
pub(crate) fn config(state: &mut State, _: &ApiRequest) -> RouteResult {
    let options = &state.options;
    let mut config = json!({
        "EnableCommands": "true", "MaxFileSize": options.max_file_size.to_string(),
        "MaxPostSize": options.max_post_size.to_string(), "Version": options.version_name(),
    });
    if options.version.is_current() {
        config["CollapsedThreads"] = json!("always_on");
    }
    Ok(ApiResponse::json(&config))
}

/// The simple form: the file is the body, and the query says the rest. Of the file only its size is kept.
pub(crate) fn upload(state: &mut State, request: &ApiRequest) -> RouteResult {
    let text = |name: &'static str| {
        request.query.get(name).filter(|text| !text.is_empty()).ok_or_else(|| invalid_param(name))
    };
    let (channel, name) = (text("channel_id")?, text("filename")?);
    if !state.is_member(channel, &request.user) {
        return Err(forbidden());
    }
    state.require_in_channel(request, channel, "upload_file")?;
    if request.raw.len() > state.options.max_file_size {
        let id = "api.file.upload_file.too_large_detailed.app_error";
        return Err(AppError::new(id, "Unable to upload file. File is too large.", 413));
    }
    let info = state.store_file(&request.user, name, request.raw.len());
    let answer = ApiResponse::json(&json!({ "file_infos": [info], "client_ids": [] }));
    Ok(ApiResponse { status: StatusCode::CREATED, ..answer })
}
