//! Sends the log to an OpenTelemetry collector by OTLP over HTTP. Each line is a record with its fields as
//! attributes. There are no spans: each fact about an account is complete by itself.

mod client;

use std::{env, sync::OnceLock, time::Duration};

use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{
    LogExporter, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_LOGS_ENDPOINT, WithExportConfig as _,
    WithHttpConfig as _,
};
use opentelemetry_sdk::{
    Resource,
    logs::{BatchConfigBuilder, BatchLogProcessor, SdkLogger, SdkLoggerProvider},
};

use self::client::HttpClient;

/// The longest queue for a slow collector, about a megabyte; further records are dropped.
const QUEUE_RECORDS: usize = 2_048;
/// The most records in a request.
const BATCH_RECORDS: usize = 512;
/// The longest wait for further records; short, because an operator may be watching.
const BATCH_DELAY: Duration = Duration::from_secs(1);
/// The time limit for the last records when the program ends.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// The path that is appended to the collector's address.
const PATH: &str = "/v1/logs";

/// The provider, kept for the shutdown.
static PROVIDER: OnceLock<SdkLoggerProvider> = OnceLock::new();

/// The layer that receives log lines.
pub(super) type Bridge = OpenTelemetryTracingBridge<SdkLoggerProvider, SdkLogger>;

/// Starts sending to the given address or the one in the standard variables. Returns `None` if neither is set.
///
/// # Errors
/// Returns an error if the address or a variable is invalid.
pub(super) fn start(endpoint: Option<&str>) -> Option<Result<Bridge, String>> {
    let is_configured =
        [OTEL_EXPORTER_OTLP_LOGS_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT].into_iter().any(is_set);
    (endpoint.is_some() || is_configured).then(|| build(endpoint).map_err(|error| error.to_string()))
}

fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| !value.is_empty())
}

fn build(endpoint: Option<&str>) -> Result<Bridge, Box<dyn std::error::Error>> {
    let mut exporter = LogExporter::builder().with_http().with_http_client(HttpClient::new());
    if let Some(endpoint) = endpoint {
        exporter = exporter.with_endpoint(format!("{}{PATH}", endpoint.trim_end_matches('/')));
    }
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE_RECORDS)
        .with_max_export_batch_size(BATCH_RECORDS)
        .with_scheduled_delay(BATCH_DELAY)
        .build();
    let processor = BatchLogProcessor::builder(exporter.build()?).with_batch_config(batches).build();
    let resource = Resource::builder().with_service_name(env!("CARGO_PKG_NAME"));
    let provider =
        SdkLoggerProvider::builder().with_resource(resource.build()).with_log_processor(processor).build();
    let bridge = OpenTelemetryTracingBridge::new(&provider);
    // `logging::init` calls this once.
    let _ = PROVIDER.set(provider);
    Ok(bridge)
}

/// Sends the remaining records. `within` shortens the time limit.
pub(super) fn flush(within: impl Fn(Duration) -> Duration) {
    if let Some(provider) = PROVIDER.get()
        && let Err(error) = provider.shutdown_with_timeout(within(SHUTDOWN_TIMEOUT))
    {
        tracing::warn!(%error, "the last log records may not have reached the collector");
    }
}
