use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpError, Request, Response};
use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig},
};

/// The time limit for a batch; the following batches wait for it.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A response contains only the number of refused records and the reason.
const MAX_RESPONSE_BYTES: u64 = 64 << 10;

/// An HTTP client that blocks the exporter's own thread. It logs the first failure and the recovery.
#[derive(Debug)]
pub(super) struct HttpClient {
    agent: Agent,
    failing: AtomicBool,
}

impl HttpClient {
    pub(super) fn new() -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            // The exporter evaluates the status.
            .http_status_as_error(false)
            .max_redirects(0)
            .tls_config(tls())
            .build();
        Self { agent: config.new_agent(), failing: AtomicBool::default() }
    }

    fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ureq::Error> {
        let (head, body) = request.into_parts();
        let response = self.agent.run(Request::from_parts(head, &body[..]))?;
        let (head, mut body) = response.into_parts();
        let body = body.with_config().limit(MAX_RESPONSE_BYTES).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }

    /// Logs the first failure and the recovery.
    fn log_transition(&self, failed: Option<String>) {
        let failed_before = self.failing.swap(failed.is_some(), Ordering::Relaxed);
        match failed {
            Some(error) if !failed_before => {
                tracing::warn!(error, "the log does not reach the collector; lines are lost until it does");
            }
            None if failed_before => tracing::info!("the log reaches the collector again"),
            _ => {}
        }
    }
}

/// Uses the system's certificates, as for Mattermost servers.
fn tls() -> TlsConfig {
    let certificates = rustls_native_certs::load_native_certs().certs;
    let certificates: Vec<_> =
        certificates.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
    TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::Specific(Arc::new(certificates)))
        .build()
}

#[async_trait]
impl opentelemetry_http::HttpClient for HttpClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let response = self.post(request);
        self.log_transition(match &response {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("the collector responded {}", response.status())),
            Err(error) => Some(error.to_string()),
        });
        Ok(response?)
    }
}
