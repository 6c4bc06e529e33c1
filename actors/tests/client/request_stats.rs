//! Counters of requests and dials.

use std::sync::Arc;

use matterhost_actors::mattermost::{
    Client, ClientConfig, ClientLimits, RequestCount, RequestOutcome, RequestStats,
};
use tokio::net::TcpListener;

use crate::support::{AfterResponse, Server, json, response, run, token};

fn client_with_stats(url: &str, request_stats: &Arc<RequestStats>) -> Client {
    let config = ClientConfig::new(url.parse().unwrap(), None, ClientLimits::default(), "matterhost/test");
    Client::with_stats(&config, Arc::clone(request_stats))
}

#[test]
fn requests_are_counted_by_route_and_status_and_never_by_id() {
    run(async {
        let request_stats = Arc::default();
        let good =
            Server::respond_with(json(r#"{"id":"c1","type":"O","create_at":1}"#), AfterResponse::KeepAlive)
                .await;
        let bad =
            Server::respond_with(response("503 Service Unavailable", "", ""), AfterResponse::KeepAlive).await;
        let (up, down) =
            (client_with_stats(&good.url(), &request_stats), client_with_stats(&bad.url(), &request_stats));
        for id in ["one", "two"] {
            up.channel(&token(), &id.into()).await.unwrap();
        }
        down.channel(&token(), &"three".into()).await.unwrap_err();
        let (method, route) = ("GET", "/channels/{channel_id}");
        assert_eq!(
            request_stats.requests(),
            [
                RequestCount { method, route, status: RequestOutcome::Http(200), times: 2 },
                RequestCount { method, route, status: RequestOutcome::Http(503), times: 1 },
            ]
        );
    });
}

#[test]
fn unreachable_servers_are_counted_with_a_word() {
    run(async {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", free.local_addr().unwrap());
        drop(free);
        let request_stats = Arc::default();
        let client = client_with_stats(&url, &request_stats);
        client.system_ping().await.unwrap_err();
        client.dial(&token(), None).await.unwrap_err();
        let requests = request_stats.requests();
        assert_eq!((requests.len(), requests[0].status.to_string()), (1, "unreachable".into()));
        assert_eq!(request_stats.dials(), [(RequestOutcome::Failed("unreachable"), 1)]);
    });
}
