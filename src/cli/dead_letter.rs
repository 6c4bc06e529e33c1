//! `matterhost dead-letter`.

use std::{fmt::Write as _, io, time::SystemTime};

use clap::{Args, Subcommand};
use comfy_table::{ColumnConstraint, ContentArrangement, Row, Table, presets::NOTHING};
use matterhost_actors::model::{Excerpt, printable};

use super::{
    config::load,
    output::{call_host, print, print_config_error, print_error},
};
use crate::{
    admin::{
        client::{self, AdminArgs, Client, RemoteError, ago},
        dto::{LetterSelection, RetriedLetters},
    },
    config::{Bots, Config, ConfigError, FileArg, Problem, SinkConfig},
    host::Exit,
    sinks::dead_letter::{DeadLetter, DeadLetters, Selection, StoredLetter},
    telemetry::logging,
};

/// The lines of a letter in the table, so that at 80 columns its cause is not cut to a few words.
const MAX_LINES: usize = 5;

/// Show, resend or drop the events that handlers rejected permanently
#[derive(Debug, Subcommand)]
pub(super) enum DeadLetterCommand {
    /// Show the events that handlers rejected permanently, with the causes, oldest first
    #[command(
        after_help = "Example:\n  matterhost dead-letter list --sink hook --json | jq .event.data.post.message"
    )]
    List(ListArgs),
    /// Show one of these events: the whole cause and the whole event
    #[command(after_help = "Example:\n  matterhost dead-letter show 4yk9g7h3ftdtzppyq4qb8j9fth")]
    Show(ShowArgs),
    /// Make the running host send these events to their sinks again, in order; events that are rejected again are kept
    ///
    /// They take the normal way: the answers of the handler are posted. Exits with 1 if any remain. If a retry is
    /// killed, some events may be sent twice.
    #[command(after_help = "Examples:\n  matterhost dead-letter retry --sink hook\n  \
                            matterhost dead-letter retry 4yk9g7h3ftdtzppyq4qb8j9fth")]
    Retry(RetryArgs),
    /// Delete some of these events, or all
    #[command(after_help = "Example:\n  matterhost dead-letter drop --account helpdesk")]
    Drop(DropArgs),
}

/// A selection of dead letters.
#[derive(Debug, Args)]
struct SelectArgs {
    /// Only events of this sink
    #[arg(long, value_name = "NAME")]
    sink: Option<String>,
    /// Only events of this account
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    file: FileArg,
    #[command(flatten)]
    select: SelectArgs,
    /// Print each as a line of JSON, with the whole event, instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The event
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    file: FileArg,
    #[command(flatten)]
    select: SelectArgs,
}

#[derive(Debug, Args)]
pub(super) struct RetryArgs {
    /// Only these events
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    select: SelectArgs,
}

#[derive(Debug, Args)]
pub(super) struct DropArgs {
    /// Only these events
    #[arg(value_name = "ID", required_unless_present_any = ["account", "all"])]
    ids: Vec<String>,
    #[command(flatten)]
    file: FileArg,
    #[command(flatten)]
    select: SelectArgs,
    /// Drop all events of the sink, or of all sinks
    #[arg(long, conflicts_with_all = ["ids", "account"])]
    all: bool,
}

pub(super) fn run(command: &DeadLetterCommand, bots: &Bots) -> Exit {
    match command {
        DeadLetterCommand::List(args) => with_letters((&args.file, bots), &args.select, &[], |found, _| {
            let found = letters_of(found);
            let text = if args.json { to_json_lines(&found) } else { to_table(&found) };
            Ok(print(text.as_bytes()))
        }),
        DeadLetterCommand::Show(args) => {
            with_letters((&args.file, bots), &args.select, std::slice::from_ref(&args.id), |found, _| {
                let found = letters_of(found);
                if found.is_empty() {
                    return Ok(print_unknown(std::slice::from_ref(&args.id)));
                }
                Ok(print(found.iter().map(describe).collect::<String>().as_bytes()))
            })
        }
        DeadLetterCommand::Drop(args) => {
            with_letters((&args.file, bots), &args.select, &args.ids, |found, config| {
                drop_letters(found, config, args)
            })
        }
        DeadLetterCommand::Retry(args) => call_host(&args.admin, async |client| retry(&client, args).await),
    }
}

/// The selected letters of each sink.
type Found<'a> = Vec<(&'a SinkConfig, Vec<StoredLetter>)>;

fn letters_of(found: Found<'_>) -> Vec<DeadLetter> {
    found.into_iter().flat_map(|(_, letters)| letters).map(|stored| stored.letter).collect()
}

/// The name of a sink, and the error of its file.
type SinkFailure = (String, io::Error);

fn sink_failure(sink: &SinkConfig) -> impl FnOnce(io::Error) -> SinkFailure {
    |error| (sink.name.to_string(), error)
}

/// Reads the selected letters and passes them on.
fn with_letters(
    (file, bots): (&FileArg, &Bots),
    select: &SelectArgs,
    ids: &[String],
    work: impl FnOnce(Found<'_>, &Config) -> Result<Exit, SinkFailure>,
) -> Exit {
    let config = match load(file, bots) {
        Ok(config) => config,
        Err(error) => return print_config_error(&error),
    };
    logging::init(&config.log);
    let sinks = match select_sinks(&config, file, select) {
        Ok(sinks) => sinks,
        Err(error) => return print_config_error(&error),
    };
    let selection = Selection { ids: ids.iter().cloned().collect(), account: select.account.clone() };
    let found = sinks.into_iter().map(|sink| {
        let letters = DeadLetters::for_sink(&sink.name, &config.dead_letter);
        Ok((sink, letters.select(&selection).map_err(sink_failure(sink))?))
    });
    let result = found.collect::<Result<_, _>>().and_then(|found| work(found, &config));
    result.unwrap_or_else(|(sink, error)| {
        tracing::error!(sink, %error, "cannot read or write dead letters");
        Exit::Failed
    })
}

fn select_sinks<'a>(
    config: &'a Config,
    file: &FileArg,
    select: &SelectArgs,
) -> Result<Vec<&'a SinkConfig>, ConfigError> {
    let is_selected = |sink: &&SinkConfig| select.sink.as_ref().is_none_or(|name| *sink.name == **name);
    let sinks: Vec<_> = config.sinks.iter().filter(is_selected).collect();
    if !sinks.is_empty() {
        return Ok(sinks);
    }
    let names = config.sinks.iter().map(|sink| &*sink.name).collect::<Vec<_>>().join(", ");
    let problem = Problem::new("--sink", "there is no such sink", format!("name one of {names}"));
    Err(ConfigError { file: file.config.first().cloned(), problems: vec![problem] })
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
    table.load_preset(NOTHING).set_header(["age", "sink", "account", "event", "cause"]);
    // On a terminal the causes are wrapped; the ids stay whole, to be copied.
    table.set_content_arrangement(ContentArrangement::Dynamic);
    let now = SystemTime::now();
    for letter in letters {
        let reply = if letter.reply.is_some() { "(reply) " } else { "" };
        let (age, event) = (ago(&letter.time, now), letter.id().unwrap_or_default());
        let cause = format!("{reply}{}", letter.cause);
        let cells = [&*age, &*letter.sink, &*letter.account, &*event, &*cause];
        let mut row = Row::from(cells.map(Excerpt::from));
        row.max_height(MAX_LINES);
        table.add_row(row);
    }
    for column in 0..4 {
        if let Some(column) = table.column_mut(column) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    format!("{}\n", table.trim_fmt())
}

/// Formats a letter with its whole cause and event.
fn describe(letter: &DeadLetter) -> String {
    let DeadLetter { time, sink, account, cause, reply, event } = letter;
    let reply = reply.as_ref().map(|reply| format!("reply: {}\n", reply.text)).unwrap_or_default();
    let event: serde_json::Value = serde_json::from_str(event.get()).unwrap_or_default();
    let lines = |text: &str| text.lines().map(printable).collect::<Vec<_>>().join("\n");
    let head = printable(&format!("refused at {time} by sink {sink}, account {account}"));
    format!("{head}\n{}\n{}", lines(cause), lines(&format!("{reply}{event:#}"))) + "\n"
}

/// Says that events have no dead letters.
fn print_unknown(ids: &[String]) -> Exit {
    let events = ids.join(", ");
    print_error(format_args!(
        "there is no dead letter of event {events}; `matterhost dead-letter list` shows all"
    ))
}

fn drop_letters(found: Found<'_>, config: &Config, args: &DropArgs) -> Result<Exit, SinkFailure> {
    let selection = Selection { ids: args.ids.iter().cloned().collect(), account: None };
    let unknown = selection.unknown(found.iter().flat_map(|(_, letters)| letters));
    let mut text = String::new();
    for (sink, selected) in found.into_iter().filter(|(_, letters)| !letters.is_empty()) {
        let letters = DeadLetters::for_sink(&sink.name, &config.dead_letter);
        let dropped = letters.remove(&selected).map_err(sink_failure(sink))?;
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}: {dropped} dropped", sink.name);
    }
    let printed = print(text.as_bytes());
    if !unknown.is_empty() {
        return Ok(print_unknown(&unknown));
    }
    if text.is_empty() {
        return Ok(print_error("no dead letter matches; `matterhost dead-letter list` shows all"));
    }
    Ok(printed)
}

/// Retries the letters of one sink, or of all that have some.
async fn retry(client: &Client, args: &RetryArgs) -> Result<Exit, RemoteError> {
    let selection = LetterSelection { ids: args.ids.clone(), account: args.select.account.clone() };
    let sinks = match &args.select.sink {
        Some(sink) => vec![sink.clone()],
        None => client::sinks_with_letters(client).await?,
    };
    let (mut exit, mut unknown) = (Exit::Success, args.ids.clone());
    for sink in sinks {
        let retried = match client::retry_letters(client, &sink, &selection).await {
            // Another sink may have them.
            Err(error) if args.select.sink.is_none() && error.is_not_found() => continue,
            retried => retried?,
        };
        unknown.retain(|id| retried.unknown.contains(id));
        if retried.refused + retried.remaining > 0 {
            exit = Exit::Failed;
        }
        if retried.accepted + retried.refused + retried.remaining > 0 {
            print(summarize(&sink, &retried).as_bytes());
        }
    }
    if unknown.is_empty() { Ok(exit) } else { Ok(print_unknown(&unknown)) }
}

fn summarize(sink: &str, retried: &RetriedLetters) -> String {
    let RetriedLetters { accepted, refused, remaining, cause, .. } = retried;
    let cause = cause.as_ref().map(|cause| format!(" ({})", Excerpt::of(cause))).unwrap_or_default();
    let sink = Excerpt::of(sink);
    format!("{sink}: {accepted} accepted, {refused} rejected again, {remaining} not sent{cause}\n")
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
            reply: None,
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
