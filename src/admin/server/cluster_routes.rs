//! The routes of the cluster.

use actix_web::{
    HttpResponse,
    web::{Data, Json},
};

use super::{api_error::ApiError, backend::Backend};
use crate::admin::dto::{Cluster, Drain, PlannedMoves, Problem};

/// Describe the cluster as this member sees it
#[utoipa::path(get, path = "/v1/cluster", tag = "cluster",
    responses((status = 200, body = Cluster), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn get_cluster(backend: Data<Backend>) -> Result<Json<Cluster>, ApiError> {
    let _permit = backend.large_answer_permit()?;
    backend.operations.cluster().map(Json).ok_or_else(not_clustered)
}

/// Give the accounts of this member to the others, or take accounts again
#[utoipa::path(put, path = "/v1/cluster/drain", tag = "cluster", request_body = Drain,
    responses((status = 200, description = "The member tells the others", body = Drain),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn drain(backend: Data<Backend>, drain: Json<Drain>) -> Result<Json<Drain>, ApiError> {
    let accepted = backend.operations.set_draining(drain.draining).ok_or_else(not_clustered)?;
    accepted.map_err(ApiError::unavailable)?;
    tracing::info!(draining = drain.draining, "an operator drains this member, or ends that");
    Ok(drain)
}

/// Share the accounts of the cluster evenly among the members that are not draining
///
/// The members move them one after the other, at most 64 at a time.
#[utoipa::path(post, path = "/v1/cluster/rebalance", tag = "cluster",
    responses((status = 202, description = "The moves have begun", body = PlannedMoves),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn rebalance(backend: Data<Backend>) -> Result<HttpResponse, ApiError> {
    let planned = backend.operations.rebalance().ok_or_else(not_clustered)?;
    let planned = planned.await.map_err(ApiError::unavailable)?;
    tracing::info!(accounts = planned.accounts, "an operator shares the accounts of the cluster evenly");
    Ok(HttpResponse::Accepted().json(planned))
}

fn not_clustered() -> ApiError {
    ApiError::not_found("this host is in no cluster; see [cluster] in its configuration")
}
