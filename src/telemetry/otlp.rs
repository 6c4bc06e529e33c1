//! Sends the log to an OpenTelemetry collector: OTLP over HTTP, each line a record with its fields as attributes.
//!
//! There are no spans: what happens to an account is told as facts, each whole by itself.

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

/// Records that wait while the collector does not keep up, about a megabyte; more are left out.
const QUEUE_RECORDS: usize = 2_048;
/// Records that go together.
const BATCH_RECORDS: usize = 512;
/// How long a record waits for others to go with: somebody may be looking.
const BATCH_AFTER: Duration = Duration::from_secs(1);
/// How long the last records may take when the program ends.
const END_WITHIN: Duration = Duration::from_secs(5);
/// What comes after the address of a collector.
const PATH: &str = "/v1/logs";

/// What sends; it has to be told when the program ends.
static PROVIDER: OnceLock<SdkLoggerProvider> = OnceLock::new();

/// What takes lines of the log.
pub(in crate::telemetry) type Bridge = OpenTelemetryTracingBridge<SdkLoggerProvider, SdkLogger>;

/// Begins to send, to the address that is given or that the standard variables name; `None` when neither does.
///
/// # Errors
/// When the address or one of the variables cannot be used.
pub(in crate::telemetry) fn start(endpoint: Option<&str>) -> Option<Result<Bridge, String>> {
    let named = [OTEL_EXPORTER_OTLP_LOGS_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT].into_iter().any(is_set);
    (endpoint.is_some() || named).then(|| build(endpoint).map_err(|error| error.to_string()))
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
        .with_scheduled_delay(BATCH_AFTER)
        .build();
    let processor = BatchLogProcessor::builder(exporter.build()?).with_batch_config(batches).build();
    let resource = Resource::builder().with_service_name(env!("CARGO_PKG_NAME"));
    let provider =
        SdkLoggerProvider::builder().with_resource(resource.build()).with_log_processor(processor).build();
    let bridge = OpenTelemetryTracingBridge::new(&provider);
    // The log begins once.
    let _ = PROVIDER.set(provider);
    Ok(bridge)
}

/// Sends what was logged and not sent.
pub(in crate::telemetry) fn flush() {
    if let Some(provider) = PROVIDER.get()
        && let Err(error) = provider.shutdown_with_timeout(END_WITHIN)
    {
        tracing::warn!(%error, "the last lines of the log may not have reached the collector");
    }
}
