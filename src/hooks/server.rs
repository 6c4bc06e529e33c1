//! The listener of the hooks. It has the limits of the admin API and none of its routes.

use std::{io, time::Duration};

use actix_web::{
    App, Error, HttpMessage as _, HttpRequest, HttpResponse, ResponseError as _,
    body::{BoxBody, MessageBody},
    dev::{Server, ServiceRequest, ServiceResponse},
    http::{Method, StatusCode},
    middleware::{Next, from_fn},
    web::{self, Bytes, Data, Path, ServiceConfig},
};

use super::{HookPath, HookResponse, HookService};
use crate::admin::server::{
    ApiError, Listener, OpenConnections, RateLimit, RequestHandling, RunningServer, answer_anybody,
    hold_request, read_body, refuse_further_request, serve,
};

/// Requests per second of all callers together: many times what the people of a large server press.
const REQUESTS_PER_SECOND: f64 = 2_000.0;

/// A running listener.
#[derive(Debug)]
pub struct HookServer(RunningServer);

impl HookServer {
    /// Starts the listener; it accepts requests once this returns.
    ///
    /// # Errors
    /// When its thread cannot be started, or the listener cannot be used.
    pub fn start(listener: Listener, max_connections: usize, service: HookService) -> io::Result<Self> {
        let make = move |listener| server(listener, max_connections, service);
        RunningServer::start("hooks", listener, make).map(Self)
    }

    /// Stops the listener and closes its open connections, within this time.
    pub async fn stop(self, within: Duration) {
        self.0.stop(within).await;
    }
}

fn server(listener: Listener, max_connections: usize, service: HookService) -> io::Result<Server> {
    let (service, rate) = (Data::new(service), Data::new(RateLimit::new(REQUESTS_PER_SECOND)));
    let connections = OpenConnections::new(max_connections);
    serve(listener, connections.clone(), move || {
        app(service.clone(), rate.clone()).app_data(connections.clone())
    })
}

fn app(service: Data<HookService>, rate: Data<RateLimit>) -> App<impl RequestHandling> {
    App::new().app_data(service).app_data(rate).wrap(from_fn(guard)).configure(routes)
}

fn routes(app: &mut ServiceConfig) {
    app.service(
        web::resource("/hooks/{account}/command/{name}")
            .route(web::post().to(post_command))
            .route(web::get().to(get_command)),
    )
    .service(web::resource("/hooks/{account}/action").route(web::post().to(action)))
    .service(web::resource("/hooks/{account}/dialog").route(web::post().to(dialog)))
    .default_service(web::to(|| async { ApiError::not_found("no such path").into_result() }));
}

/// Admits a request within the rate and reads its body within the limits of size and time.
async fn guard<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Some(refused) = refuse_further_request(&request).await {
        return Ok(request.into_response(refused));
    }
    let mut payload = request.take_payload();
    let rate = request.app_data::<Data<RateLimit>>().map_or(Ok(()), |rate| rate.take());
    let admitted = match rate {
        Ok(()) if *request.method() == Method::POST => read_body(&mut request, &mut payload).await,
        other => other,
    };
    let response = match admitted {
        Ok(()) => answer_anybody(request, next).await?.map_into_boxed_body(),
        Err(error) => request.into_response(error.error_response()),
    };
    Ok(response.map_body(|_, answer| hold_request(answer, payload)))
}

async fn post_command(service: Data<HookService>, path: Path<(String, String)>, body: Bytes) -> HttpResponse {
    let (account, name) = path.into_inner();
    respond(service.answer(&account, &HookPath::Command(name), &body).await)
}

async fn get_command(
    service: Data<HookService>,
    path: Path<(String, String)>,
    request: HttpRequest,
) -> HttpResponse {
    let (account, name) = path.into_inner();
    respond(service.answer(&account, &HookPath::Command(name), request.query_string().as_bytes()).await)
}

async fn action(service: Data<HookService>, account: Path<String>, body: Bytes) -> HttpResponse {
    respond(service.answer(&account, &HookPath::Action, &body).await)
}

async fn dialog(service: Data<HookService>, account: Path<String>, body: Bytes) -> HttpResponse {
    respond(service.answer(&account, &HookPath::Dialog, &body).await)
}

fn respond(response: HookResponse) -> HttpResponse {
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status).json(response.body)
}

#[cfg(test)]
mod tests;
