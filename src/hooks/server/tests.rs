use std::net::SocketAddr;

use actix_web::{
    http::header::CONTENT_LENGTH,
    test::{TestRequest, call_service, init_service},
};
use tokio::time::{pause, sleep};

use super::*;
use crate::{
    config::Secrets,
    hooks::{Integrations, Signer},
    telemetry::metrics::Metrics,
};

/// A body that comes later is not waited for outside of the rule for crowds.
#[actix::test]
async fn in_a_crowd_an_answered_client_keeps_no_connection() {
    pause();
    let secrets = Secrets::parse("whsec_mustnotshowrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let integrations = Integrations::new(Signer::new(&secrets), "http://hooks.test", Duration::from_secs(60));
    let service = Data::new(HookService::new(integrations, 16, Metrics::new(true).hook_meter()));
    let client = SocketAddr::from(([127, 0, 0, 1], 1));
    // One connection is more than the half of one.
    let connections = OpenConnections::new(1);
    let app = app(service, Data::new(RateLimit::new(REQUESTS_PER_SECOND))).app_data(connections.clone());
    let app = init_service(app).await;
    for (path, body) in [("/anything", "x"), ("/hooks/helpdesk/command/deploy?a=b", "x"), ("/anything", "")] {
        let request = TestRequest::get().uri(path).insert_header((CONTENT_LENGTH, body.len()));
        let request = request.set_payload(body).peer_addr(client).to_request();
        let answered = async {
            assert_eq!(call_service(&app, request).await.status(), StatusCode::NOT_FOUND, "{path}");
            sleep(Duration::from_secs(20)).await;
        };
        assert_eq!(connections.clone().serve(Some(client), answered).await, None, "{path}");
    }
}
