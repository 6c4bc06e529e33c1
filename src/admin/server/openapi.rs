//! The API as an OpenAPI document, made from the code that answers.

use std::sync::OnceLock;

use actix_web::web::Bytes;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{accounts, health, host, servers, sse};
use crate::admin::dto;

/// All of it.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "matterhost",
        description = "See and steer a host of Mattermost bot accounts while it runs.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/")),
    security(("token" = [])),
    modifiers(&Token),
    components(schemas(dto::Gap, dto::AccountChanges)),
    paths(
        accounts::list, accounts::one, accounts::act, accounts::post, servers::list, sse::events, sse::watch,
        health::live, health::ready, host::metrics, host::instance, host::log_level, host::set_log_level,
        host::preview, host::apply, host::document
    )
)]
struct Document;

/// How a caller shows who it is.
struct Token;

impl Modify for Token {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The token that `[admin]` names; none is needed while it names none."))
            .build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The document as JSON, written once: everybody may ask for it, again and again.
pub(super) fn json() -> Bytes {
    static JSON: OnceLock<Bytes> = OnceLock::new();
    // Texts cannot fail to be written.
    JSON.get_or_init(|| document().to_json().unwrap_or_default().into()).clone()
}

/// The document.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
