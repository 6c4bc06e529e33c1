//! `matterhost dead-letter`.

use std::{fmt::Write as _, io};

use actix::System;
use clap::{Args, Subcommand};
use comfy_table::{Table, presets::UTF8_HORIZONTAL_ONLY};
use matterhost_actors::model::{Excerpt, printable};

use super::{
    config::load,
    output::{print, print_config_error},
};
use crate::{
    config::{Config, ConfigError, FileArg, Problem, SinkConfig},
    host::Exit,
    sinks::dead_letter::{
        DeadLetter, DeadLetters,
        retry::{RetrySummary, retry_dead_letters},
    },
    telemetry::logging,
};

/// Show or resend the events that handlers rejected permanently
#[derive(Debug, Subcommand)]
pub(super) enum DeadLetterCommand {
    /// Show the events that handlers rejected permanently, with the causes, oldest first
    #[command(
        after_help = "Example:\n  matterhost dead-letter list --sink hook --json | jq .event.data.post.message"
    )]
    List(ListArgs),
    /// Send these events to their sinks again, in order; events that are rejected again are kept
    ///
    /// Works while the host is running. Exits with 1 if any remain. If a retry is killed, some events may be sent
    /// twice.
    #[command(after_help = "Example:\n  matterhost dead-letter retry --sink hook")]
    Retry(SelectArgs),
}

/// A selection of dead letters.
#[derive(Debug, Args)]
pub(super) struct SelectArgs {
    #[command(flatten)]
    file: FileArg,
    /// Only events of this sink
    #[arg(long, value_name = "NAME")]
    sink: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    select: SelectArgs,
    /// Print each as a line of JSON, with the whole event, instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &DeadLetterCommand) -> Exit {
    let (DeadLetterCommand::List(ListArgs { select, .. }) | DeadLetterCommand::Retry(select)) = command;
    let config = match load(&select.file) {
        Ok(config) => config,
        Err(error) => return print_config_error(&error),
    };
    logging::init(&config.log);
    let sinks = match select_sinks(&config, select) {
        Ok(sinks) => sinks,
        Err(error) => return print_config_error(&error),
    };
    let result = match command {
        DeadLetterCommand::List(args) => list(&sinks, &config, args.json),
        DeadLetterCommand::Retry(_) => retry(&sinks, &config),
    };
    result.unwrap_or_else(|(sink, error)| {
        tracing::error!(sink, %error, "cannot read or write dead letters");
        Exit::Failed
    })
}

/// The name of a sink, and the error of its file.
type SinkFailure = (String, io::Error);

fn sink_failure(sink: &SinkConfig) -> impl FnOnce(io::Error) -> SinkFailure {
    |error| (sink.name.to_string(), error)
}

fn select_sinks<'a>(config: &'a Config, select: &SelectArgs) -> Result<Vec<&'a SinkConfig>, ConfigError> {
    let is_selected = |sink: &&SinkConfig| select.sink.as_ref().is_none_or(|name| *sink.name == **name);
    let sinks: Vec<_> = config.sinks.iter().filter(is_selected).collect();
    if !sinks.is_empty() {
        return Ok(sinks);
    }
    let names = config.sinks.iter().map(|sink| &*sink.name).collect::<Vec<_>>().join(", ");
    let problem = Problem::new("--sink", "there is no such sink", format!("name one of {names}"));
    Err(ConfigError { file: select.file.config.first().cloned(), problems: vec![problem] })
}

fn list(sinks: &[&SinkConfig], config: &Config, json: bool) -> Result<Exit, SinkFailure> {
    let mut letters = Vec::new();
    for sink in sinks {
        let of_sink = DeadLetters::for_sink(&sink.name, &config.dead_letter);
        letters.extend(of_sink.list().map_err(sink_failure(sink))?);
    }
    let text = if json { to_json_lines(&letters) } else { to_table(&letters) };
    Ok(print(text.as_bytes()))
}

fn to_json_lines(letters: &[DeadLetter]) -> String {
    letters.iter().fold(String::new(), |mut text, letter| {
        // Serializing text and JSON cannot fail.
        let _ = writeln!(text, "{}", printable(&serde_json::to_string(letter).unwrap_or_default()));
        text
    })
}

fn to_table(letters: &[DeadLetter]) -> String {
    if letters.is_empty() {
        return "There are no dead letters.\n".into();
    }
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_header(["time", "sink", "account", "event", "cause"]);
    for letter in letters {
        let event = letter.id().unwrap_or_default();
        let cells = [&*letter.time, &*letter.sink, &*letter.account, &*event, &*letter.cause];
        table.add_row(cells.map(Excerpt::from));
    }
    format!("{}\n", table.trim_fmt())
}

fn retry(sinks: &[&SinkConfig], config: &Config) -> Result<Exit, SinkFailure> {
    let runner = System::new();
    let mut exit = Exit::Success;
    for sink in sinks {
        let summary = runner.block_on(retry_dead_letters(sink, config)).map_err(sink_failure(sink))?;
        if summary.refused + summary.remaining > 0 {
            exit = Exit::Failed;
        }
        if summary != RetrySummary::default() {
            print(summarize(sink, &summary).as_bytes());
        }
    }
    Ok(exit)
}

fn summarize(sink: &SinkConfig, summary: &RetrySummary) -> String {
    let RetrySummary { accepted, refused, remaining, cause } = summary;
    let cause = cause.as_ref().map(|cause| format!(" ({})", Excerpt::of(cause))).unwrap_or_default();
    format!("{}: {accepted} accepted, {refused} rejected again, {remaining} not sent{cause}\n", sink.name)
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn neither_the_table_nor_the_lines_hold_escapes() {
        let letter = DeadLetter {
            time: "2026-01-01T00:00:00Z".into(),
            sink: "hook".into(),
            account: "a\u{9b}2J".into(),
            cause: format!("\u{1b}]0;title\u{7}\r\nforged {}", "x".repeat(1_000)).into(),
            event: RawValue::from_string("{\"id\":\"\u{202e}1\u{9b}\"}".into()).unwrap(),
        };
        let letters = [letter];
        for text in [to_table(&letters), to_json_lines(&letters)] {
            let is_bad = |c: char| matches!(c, '\u{1b}' | '\u{9b}' | '\u{7}' | '\r' | '\u{202e}');
            assert!(!text.contains(is_bad), "{text:?}");
        }
        assert_eq!(to_json_lines(&letters).lines().count(), 1);
    }
}
