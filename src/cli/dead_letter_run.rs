//! What handlers refused for good: shows it, and tries it again.

use std::{fmt::Write as _, io};

use actix::System;
use comfy_table::{Table, presets::UTF8_HORIZONTAL_ONLY};

use super::dispatch::{load, print, refuse};
use super::{DeadLetterArgs, DeadLetterCommand, DeadLetterListArgs};
use crate::host::Exit;
use crate::{
    config::{Config, ConfigError, Problem, SinkConfig},
    sinks::dead_letter::{
        DeadLetter, DeadLetters,
        retry::{RetrySummary, retry_dead_letters},
    },
    telemetry::logging,
};

/// Does what the command line says.
pub(super) fn run(command: &DeadLetterCommand) -> Exit {
    let (DeadLetterCommand::List(DeadLetterListArgs { which, .. }) | DeadLetterCommand::Retry(which)) =
        command;
    let config = match load(&which.file, Vec::new()) {
        Ok(config) => config,
        Err(error) => return refuse(&error),
    };
    logging::init(&config.log);
    let sinks = match named(&config, which) {
        Ok(sinks) => sinks,
        Err(error) => return refuse(&error),
    };
    let done = match command {
        DeadLetterCommand::List(args) => list(&sinks, &config, args.json),
        DeadLetterCommand::Retry(_) => retry(&sinks, &config),
    };
    done.unwrap_or_else(|(sink, error)| {
        tracing::error!(sink, %error, "the dead letters cannot be read or written");
        Exit::Failed
    })
}

/// A sink's name, and what failed with it.
type Failed = (String, io::Error);

fn failed(sink: &SinkConfig) -> impl FnOnce(io::Error) -> Failed {
    |error| (sink.name.to_string(), error)
}

fn named<'a>(config: &'a Config, which: &DeadLetterArgs) -> Result<Vec<&'a SinkConfig>, ConfigError> {
    let wanted = |sink: &&SinkConfig| which.sink.as_ref().is_none_or(|name| *sink.name == **name);
    let sinks: Vec<_> = config.sinks.iter().filter(wanted).collect();
    if !sinks.is_empty() {
        return Ok(sinks);
    }
    let names = config.sinks.iter().map(|sink| &*sink.name).collect::<Vec<_>>().join(", ");
    let problem = Problem::new("--sink", "there is no such sink", format!("name one of {names}"));
    Err(ConfigError { file: which.file.config.clone(), problems: vec![problem] })
}

fn list(sinks: &[&SinkConfig], config: &Config, json: bool) -> Result<Exit, Failed> {
    let mut letters = Vec::new();
    for sink in sinks {
        let of_sink = DeadLetters::for_sink(&sink.name, &config.dead_letter);
        letters.extend(of_sink.list().map_err(failed(sink))?);
    }
    let text = if json { lines(&letters) } else { table(&letters) };
    Ok(print(text.as_bytes()))
}

fn lines(letters: &[DeadLetter]) -> String {
    letters.iter().fold(String::new(), |mut text, letter| {
        // Texts and JSON cannot fail to be written.
        let _ = writeln!(text, "{}", serde_json::to_string(letter).unwrap_or_default());
        text
    })
}

fn table(letters: &[DeadLetter]) -> String {
    if letters.is_empty() {
        return "There are no dead letters.\n".into();
    }
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_header(["time", "sink", "account", "event", "cause"]);
    for letter in letters {
        let event = letter.id().unwrap_or_default();
        table.add_row([&*letter.time, &*letter.sink, &*letter.account, &*event, &*letter.cause]);
    }
    format!("{}\n", table.trim_fmt())
}

fn retry(sinks: &[&SinkConfig], config: &Config) -> Result<Exit, Failed> {
    let runner = System::new();
    let mut exit = Exit::Success;
    for sink in sinks {
        let summary = runner.block_on(retry_dead_letters(sink, config)).map_err(failed(sink))?;
        if summary.refused + summary.remaining > 0 {
            exit = Exit::Failed;
        }
        if summary != RetrySummary::default() {
            print(told(sink, &summary).as_bytes());
        }
    }
    Ok(exit)
}

fn told(sink: &SinkConfig, summary: &RetrySummary) -> String {
    let RetrySummary { accepted, refused, remaining, cause } = summary;
    let cause = cause.as_ref().map(|cause| format!(" ({cause})")).unwrap_or_default();
    format!("{}: {accepted} taken, {refused} refused again, {remaining} left{cause}\n", sink.name)
}
