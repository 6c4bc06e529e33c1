//! Files, and what a client is told about their size.

use hyper::StatusCode;
use serde_json::json;

use crate::rest::request::{ApiRequest, RouteResult};
use crate::rest::response::{ApiResponse, forbidden, invalid_param};
use crate::state::State;
use crate::wire::reply::AppError;
use crate::world::file::File;

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

/// A file's own route: its content.
pub(crate) fn content(state: &mut State, request: &ApiRequest) -> RouteResult {
    let file = visible(state, request)?;
    let disposition = format!("attachment;filename=\"{0}\"; filename*=UTF-8''{0}", file.name);
    let answer = ApiResponse::file("text/plain; charset=utf-8", file.content.clone());
    Ok(answer.header("Content-Disposition", &disposition).header("X-Content-Type-Options", &"nosniff"))
}

/// The description of a file.
pub(crate) fn info(state: &mut State, request: &ApiRequest) -> RouteResult {
    visible(state, request).map(ApiResponse::json)
}

/// The file of a request, if the account may see it: its own, or one in a channel of which it is a member.
fn visible<'a>(state: &'a State, request: &ApiRequest) -> Result<&'a File, AppError> {
    let file = state.world.files.get(request.param("file_id"));
    let file = file
        .ok_or_else(|| AppError::new("app.file_info.get.app_error", "Unable to get the file info.", 404))?;
    let may_see = file.user_id == request.user || state.is_member(&file.channel_id, &request.user);
    if may_see { Ok(file) } else { Err(forbidden()) }
}

/// The simple form: the file is the body, and the query says the rest.
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
    if request.raw.is_empty() {
        let id = "api.file.upload_file.read_request.app_error";
        return Err(AppError::new(id, "Unable to read the request.", 400));
    }
    let info = state.store_file(&request.user, channel, name, &request.raw);
    let answer = ApiResponse::json(&json!({ "file_infos": [info], "client_ids": null }));
    Ok(ApiResponse { status: StatusCode::CREATED, ..answer })
}
