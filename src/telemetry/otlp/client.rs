//! Carries records to the collector, on the exporter's own thread, which may wait.

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

/// How long one batch may take; the next ones wait for it.
const WITHIN: Duration = Duration::from_secs(10);
/// An answer says how many records were refused, and why.
const LONGEST_ANSWER: u64 = 64 << 10;

/// Posts to the collector, and says once when that fails, and once when it works again.
#[derive(Debug)]
pub(super) struct HttpClient {
    agent: Agent,
    fails: AtomicBool,
}

impl HttpClient {
    pub(super) fn new() -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(WITHIN))
            // A status is the exporter's to judge.
            .http_status_as_error(false)
            .max_redirects(0)
            .tls_config(tls())
            .build();
        Self { agent: config.new_agent(), fails: AtomicBool::default() }
    }

    fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ureq::Error> {
        let (head, body) = request.into_parts();
        let answer = self.agent.run(Request::from_parts(head, &body[..]))?;
        let (head, mut body) = answer.into_parts();
        let body = body.with_config().limit(LONGEST_ANSWER).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }

    /// One line when it begins to fail, and one when it works again.
    fn tell(&self, failed: Option<String>) {
        let failed_before = self.fails.swap(failed.is_some(), Ordering::Relaxed);
        match failed {
            Some(error) if !failed_before => {
                tracing::warn!(
                    error,
                    "the log does not reach the collector; lines are missing there until it does"
                );
            }
            None if failed_before => tracing::info!("the log reaches the collector again"),
            _ => {}
        }
    }
}

/// The system's certificates, as for Mattermost servers.
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
        let answer = self.post(request);
        self.tell(match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answered {}", answer.status())),
            Err(error) => Some(error.to_string()),
        });
        Ok(answer?)
    }
}
