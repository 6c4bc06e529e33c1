use prometheus_client::{
    encoding::{prometheus_text, text},
    registry::Registry,
};

use super::{host_process::Process, scrape::Scrape};

/// The prefix of all names except those of the process.
const PREFIX: &str = "matterhost";

/// The exposition format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// The Prometheus text format 0.0.4, which every scraper and `promtool` can read.
    #[default]
    Prometheus,
    /// `OpenMetrics` 1.0, with units.
    OpenMetrics,
}

impl Format {
    /// Returns the format that an `Accept` header asks for; Prometheus by default.
    pub fn accepted(accept: &str) -> Self {
        let wanted = accept.split(',').map(|part| part.trim().replace(' ', "").to_ascii_lowercase());
        let mut wanted = wanted.filter(|part| !part.ends_with(";q=0"));
        if wanted.any(|part| part.starts_with("application/openmetrics-text")) {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// Returns the `Content-Type` of the format.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    pub(super) fn write(self, scrape: Scrape) -> String {
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register_collector(Box::new(scrape));
        // Dashboards for any program expect the process metrics under the names of Prometheus' own libraries.
        let mut process = Registry::default();
        process.register_collector(Box::new(Process));
        let mut text = String::new();
        // Writing to a `String` cannot fail.
        let _ = match self {
            Self::Prometheus => prometheus_text::encode(&mut text, &registry)
                .and_then(|()| prometheus_text::encode(&mut text, &process)),
            Self::OpenMetrics => {
                text::encode_registry(&mut text, &registry).and_then(|()| text::encode(&mut text, &process))
            }
        };
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scraper_gets_what_it_asks_for() {
        let prometheus =
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        assert_eq!(Format::accepted(prometheus), Format::OpenMetrics);
        for plain in ["", "*/*", "text/plain;version=0.0.4", "application/openmetrics-text; q=0, */*"] {
            assert_eq!(Format::accepted(plain), Format::Prometheus, "{plain}");
        }
    }
}
