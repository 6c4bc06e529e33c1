//! The files of the web page.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH},
};

use crate::admin::ui::{ASSETS, Asset};

/// Whether a path is one of theirs.
pub(super) fn is_asset(path: &str) -> bool {
    ASSETS.iter().any(|asset| asset.path == path)
}

/// A file, unless the browser has it.
pub(super) fn serve(asset: &'static Asset, request: &HttpRequest) -> HttpResponse {
    let known =
        request.headers().get(IF_NONE_MATCH).is_some_and(|etag| etag.as_bytes() == asset.etag.as_bytes());
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    // A new version of the program has a new page: browsers ask each time.
    response.insert_header((ETAG, asset.etag)).insert_header((CACHE_CONTROL, "no-cache"));
    if known { response.finish() } else { response.content_type(asset.content_type).body(asset.bytes) }
}
