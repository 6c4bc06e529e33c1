//! The OpenAPI document of the admin API, generated from the handlers.

use std::sync::OnceLock;

use actix_web::web::Bytes;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{accounts, bot_actions, health, host, sinks, sse};
use crate::admin::dto;

/// The OpenAPI document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "matterhost",
        description = "Watch and control a running host of Mattermost bot accounts.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/")),
    security(("token" = [])),
    modifiers(&BearerToken),
    components(schemas(dto::Gap, dto::AccountChanges)),
    paths(
        accounts::list_accounts, accounts::get_account, accounts::act, accounts::list_servers,
        bot_actions::act, bot_actions::get_lookup,
        sinks::list_sinks, sinks::get_sink, sinks::act, sinks::skip, sinks::list_letters, sinks::retry_letters,
        sinks::drop_letters,
        sse::events, sse::watch,
        health::live, health::ready, host::metrics, host::instance, host::log_level, host::set_log_level,
        host::preview, host::apply, host::document
    )
)]
struct Document;

/// The security scheme: a bearer token.
struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token of `[admin]`; not needed if none is configured."))
            .build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// Returns the document as JSON, which is serialized once because the path is public.
pub(super) fn json() -> Bytes {
    static JSON: OnceLock<Bytes> = OnceLock::new();
    // The document always serializes.
    JSON.get_or_init(|| document().to_json().unwrap_or_default().into()).clone()
}

/// Returns the OpenAPI document.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
