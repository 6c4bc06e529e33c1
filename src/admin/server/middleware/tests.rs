use std::{net::SocketAddr, sync::Arc, time::Duration};

use actix::Actor as _;
use actix_web::{
    App,
    test::{TestRequest, call_service, init_service},
    web,
};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, ready},
};
use matterhost_actors::hosting::{HostSettings, Supervisor};
use tokio::time::{pause, sleep};

use super::*;
use crate::{
    admin::server::{Access, Operations, ReloadRefused},
    config::{AdminConfig, ConfigDiff},
    telemetry::metrics::Format,
};

/// The time that an answer takes, and a client for taking it: longer than either has in a crowd.
const LONG: Duration = Duration::from_secs(20);

/// A host that can nothing.
struct NoOperations;

impl Operations for NoOperations {
    fn server_url(&self, _: &str) -> Option<String> {
        None
    }

    fn metrics(&self, _: Format) -> BoxFuture<'static, Result<String, String>> {
        ready(Err(String::new())).boxed()
    }

    fn log_level(&self) -> String {
        String::new()
    }

    fn set_log_level(&self, _: &str) -> Result<(), String> {
        Ok(())
    }

    fn reload(&self, _: bool) -> BoxFuture<'static, Result<ConfigDiff, ReloadRefused>> {
        let refused = ReloadRefused { detail: String::new(), problems: Vec::new() };
        ready(Err(refused)).boxed()
    }
}

fn backend() -> Backend {
    let config = AdminConfig::default();
    let supervisor = Supervisor::new(HostSettings::default());
    let observer = supervisor.observer();
    let access = Access::prepare(&config).unwrap();
    Backend::new(&config, access, supervisor.start(), &observer, Arc::new(NoOperations))
}

#[actix::test]
async fn in_a_crowd_a_public_request_is_answered_and_keeps_no_connection_then() {
    pause();
    let client = SocketAddr::from(([127, 0, 0, 1], 1));
    // One connection is more than the half of one.
    let connections = OpenConnections::new(1);
    let slow = || async {
        sleep(LONG).await;
        HttpResponse::Ok().finish()
    };
    let app = App::new()
        .app_data(Data::new(backend()))
        .app_data(connections.clone())
        .wrap(actix_web::middleware::from_fn(guard))
        .default_service(web::to(slow));
    let app = init_service(app).await;
    for path in ["/livez", "/readyz", "/openapi.json", "/", "/v1/sign-in"] {
        let request = || {
            let request = TestRequest::with_uri(path).insert_header(("host", "127.0.0.1"));
            request.peer_addr(client).to_request()
        };
        let answered = connections.clone().serve(Some(client), call_service(&app, request())).await;
        assert_eq!(answered.map(|answer| answer.status().as_u16()), Some(200), "{path}");
        let unread = async {
            call_service(&app, request()).await;
            sleep(LONG).await;
        };
        assert_eq!(connections.clone().serve(Some(client), unread).await, None, "{path}");
    }
}
