//! `[log]`: the log's levels, format and destination.

use config::ValueKind;
use tracing_subscriber::filter::{LevelFilter, Targets};
use url::Url;

use super::{key_reader::TableReader, problem::Problem, value::ConfigValue};

/// The default level: every change of an account, but not single events.
const LEVEL: &str = "info";

/// The log's levels, format and destination.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// The levels of all modules.
    pub level: Targets,
    /// The format of a line.
    pub format: LogFormat,
    /// The address of an OpenTelemetry collector that receives the log too.
    pub otlp_endpoint: Option<String>,
}

/// The format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// For people: plain text, in color on a terminal.
    #[default]
    Pretty,
    /// For programs: a JSON object per line.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        let level = Targets::new().with_default(tracing::Level::INFO);
        Self { level, format: LogFormat::default(), otlp_endpoint: None }
    }
}

impl ConfigValue for LogFormat {
    const KIND: &'static str = "pretty or json";
    const HINT: &'static str = "write pretty or json";

    fn read(value: &ValueKind) -> Option<Self> {
        match String::read(value)?.as_str() {
            "pretty" => Some(Self::Pretty),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Pretty => "pretty".into(),
            Self::Json => "json".into(),
        }
    }
}

pub(super) fn read(mut section: TableReader<'_>) -> LogConfig {
    let level = section.read("level", LEVEL.to_owned());
    let format = section.read("format", LogFormat::default());
    let level = parse_level(&level).unwrap_or_else(|problem| {
        section.refuse("level", problem.message, problem.remedy);
        LogConfig::default().level
    });
    let otlp_endpoint = otlp_endpoint(&mut section);
    section.finish();
    LogConfig { level, format, otlp_endpoint }
}

/// Reads the collector's address. It is not shown in errors, because it may contain a password.
fn otlp_endpoint(section: &mut TableReader<'_>) -> Option<String> {
    const KEY: &str = "otlp_endpoint";
    let text = section.optional::<String>(KEY)?;
    if cfg!(not(feature = "otlp")) {
        section.refuse(
            KEY,
            "this program was built without OpenTelemetry",
            "remove it, or build with --features otlp",
        );
    }
    let url = Url::parse(&text).ok();
    let Some(url) = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) else {
        section.refuse(KEY, "this is not an address", "write it like http://127.0.0.1:4318");
        return None;
    };
    if url.password().is_some() || !url.username().is_empty() || url.query().is_some() {
        let remedy = "remove that, and set the variable OTEL_EXPORTER_OTLP_HEADERS";
        section.refuse(KEY, "it contains a user name, a password or a query", remedy);
    }
    Some(text)
}

/// Parses the levels of modules, such as `info` or `matterhost=debug,info`.
///
/// # Errors
/// Returns an error if the text is neither a level nor a list of modules with levels.
pub fn parse_level(text: &str) -> Result<Targets, Problem> {
    parse(text).ok_or_else(|| {
        let message = "this is neither a level nor a list of modules with levels";
        Problem::new("log.level", message, "write error, warn, info, debug, trace, or matterhost=debug,info")
    })
}

/// Every log line is matched against each directive.
const MOST_PARTS: usize = 64;

/// Rejects a bare word that is not a level: it would count as a module name and silence everything else.
fn parse(text: &str) -> Option<Targets> {
    let of_names = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':');
    let module = |name: &str| !name.trim().is_empty() && name.trim().chars().all(of_names);
    // `LevelFilter` also accepts numbers, which are not documented.
    let level = |word: &str| word.contains(char::is_alphabetic) && word.trim().parse::<LevelFilter>().is_ok();
    let part = |part: &str| part.split_once('=').map_or(level(part), |(name, l)| module(name) && level(l));
    if text.split(',').count() <= MOST_PARTS && text.split(',').all(part) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_modules_with_levels_are_taken() {
        for good in ["info", "off", "WARN", "matterhost=debug,info", "warn,matterhost_actors::actors=trace"] {
            assert!(parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "loud",
            "matterhost",
            "info,",
            "matterhost=loud",
            "=info",
            " =info",
            "a\nb=info",
            "a b=info",
            " ",
            "0",
            "a=5",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
        assert!(parse(&"a=info,".repeat(64)).is_none() && parse(&vec!["a=info"; 64].join(",")).is_some());
        assert!(parse(&vec!["a=info"; 65].join(",")).is_none());
    }
}
