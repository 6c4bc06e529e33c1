//! The OpenAPI document of the admin API, generated from the handlers.

use std::sync::OnceLock;

use actix_web::web::Bytes;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        RefOr, Schema,
        schema::AdditionalProperties,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{
    accounts, bot_actions, cluster_routes, file_routes, health, host, late_answers, sign_in, sinks, sse,
};
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
    modifiers(&BearerTokens, &ClosedActions),
    components(schemas(bot_actions::LookupKind, dto::Gap, dto::AccountChanges)),
    paths(
        accounts::list_accounts, accounts::get_account, accounts::put_account, accounts::delete_account,
        accounts::act, accounts::list_servers,
        bot_actions::act, bot_actions::get_lookup, late_answers::answer,
        file_routes::upload, file_routes::download, file_routes::upload_answer, file_routes::download_for_answer,
        sinks::list_sinks, sinks::get_sink, sinks::act, sinks::skip, sinks::list_letters, sinks::retry_letters,
        sinks::drop_letters,
        cluster_routes::get_cluster, cluster_routes::drain, cluster_routes::rebalance,
        sse::events, sse::watch,
        health::live, health::ready, host::metrics, host::instance, host::log_level, host::set_log_level,
        host::preview, host::apply, host::document, sign_in::create_link, sign_in::sign_in
    )
)]
struct Document;

/// The security schemes, all with a bearer token.
struct BearerTokens;

impl Modify for BearerTokens {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        for (name, description) in [
            ("token", "A token of `[admin]`, or the one that the host generated."),
            (
                "reply",
                "The reply token of an event, from the header `matterhost-reply-token` of its request.",
            ),
            ("code", "The code of a link for signing in to the page; it works once."),
        ] {
            let scheme =
                HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build();
            components.add_security_scheme(name, SecurityScheme::Http(scheme));
        }
    }
}

/// Says that an action has no other members: the derived schema of a tagged enum leaves that out.
struct ClosedActions;

impl Modify for ClosedActions {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let Some(RefOr::T(Schema::OneOf(actions))) = components.schemas.get_mut("BotAction") else { return };
        for action in &mut actions.items {
            if let RefOr::T(Schema::Object(action)) = action {
                action.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
            }
        }
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
