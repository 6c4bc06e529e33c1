//! `[log]`: what is logged, and how it looks.

use config::ValueKind;
use tracing_subscriber::filter::{LevelFilter, Targets};

use super::{problem::Problem, section::Section, setting::Setting};

/// What is logged, unless told otherwise: each change of each account, and nothing of single events.
const LEVEL: &str = "info";

/// What is logged, and how it looks.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// Which levels of which modules.
    pub level: Targets,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// For people: one line each, with colours on a terminal.
    #[default]
    Pretty,
    /// For programs: one JSON object a line.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: Targets::new().with_default(tracing::Level::INFO), format: LogFormat::default() }
    }
}

impl Setting for LogFormat {
    const KIND: &'static str = "pretty or json";
    const LIKE: &'static str = "write pretty or json";

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

pub(super) fn read(mut section: Section<'_>) -> LogConfig {
    let level = section.read("level", LEVEL.to_owned());
    let format = section.read("format", LogFormat::default());
    let level = parse_level(&level).unwrap_or_else(|problem| {
        section.refuse("level", problem.what, problem.remedy);
        LogConfig::default().level
    });
    section.finish();
    LogConfig { level, format }
}

/// Reads which levels of which modules are logged, such as `info` or `matterhost=debug,info`.
///
/// # Errors
/// When it is neither.
pub fn parse_level(text: &str) -> Result<Targets, Problem> {
    parse(text).ok_or_else(|| {
        let what = "this is no level, and no list of modules with levels";
        Problem::new("log.level", what, "write error, warn, info, debug, trace, or matterhost=debug,info")
    })
}

/// Every line that is logged is held against each part.
const MOST_PARTS: usize = 64;

/// A bare word that is no level would be taken for a module's name, and all else be silent.
fn parse(text: &str) -> Option<Targets> {
    let of_names = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':');
    let module = |name: &str| !name.is_empty() && name.trim().chars().all(of_names);
    // Levels have numbers, too, which nobody would know.
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
