//! The Mattermost servers.

use actix_web::web::{Data, Json};
use matterhost_actors::hosting::ListServers;

use super::{api_error::ApiError, backend::Backend};
use crate::admin::dto::{Problem, Server, Servers};

/// Servers, by name
#[utoipa::path(get, path = "/v1/servers", tag = "servers",
    responses((status = 200, body = Servers), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(backend: Data<Backend>) -> Result<Json<Servers>, ApiError> {
    let all = backend.ask(ListServers).await?;
    let url = |name: &str| backend.operations.server_url(name);
    let servers = all.iter().map(|server| Server::new(server, url(server.server.as_str()))).collect();
    Ok(Json(Servers { servers }))
}
