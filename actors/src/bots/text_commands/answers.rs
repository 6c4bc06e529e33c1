//! The texts with which a router answers by itself.

use std::{fmt, time::Duration};

use super::{arguments::Mismatch, command::Command, restrictions::Denial};
use crate::model::Excerpt;

/// The smallest similarity of a name to one that was meant.
const MIN_SIMILARITY: f64 = 0.8;

/// Returns the list of commands.
pub(super) fn list<'a>(prefix: &str, commands: impl Iterator<Item = &'a Command>) -> String {
    let lines: Vec<String> = commands.map(|command| format!("* {}", line(prefix, command))).collect();
    if lines.is_empty() {
        return "There are no commands for you here.".into();
    }
    format!("{}\n\nMore about one of them: `{prefix}help` and its name.", lines.join("\n"))
}

/// Returns the help for one command.
pub(super) fn help(prefix: &str, command: &Command) -> String {
    let mut text = line(prefix, command);
    let optional = command.usage.parameters().iter().any(|parameter| !parameter.is_required);
    if optional {
        text.push_str("\n\nParts in `[ ]` may be left out.");
    }
    let spaced = command.usage.parameters().iter().any(|parameter| !parameter.takes_rest);
    if spaced {
        text.push_str("\n\nPut a part with spaces in quotes: `\"two words\"`.");
    }
    if !command.cool_down.is_zero() {
        text.extend(["\n\nOnce in ", &seconds(command.cool_down).to_string(), " per person."]);
    }
    text
}

/// Returns the answer to an unknown command.
pub(super) fn unknown(prefix: &str, name: &str, meant: Option<&str>) -> String {
    let hint = match meant {
        Some(meant) => format!("Did you mean `{prefix}{meant}`?"),
        None => format!("`{prefix}help` lists the commands."),
    };
    format!("There is no command {}. {hint}", code(name))
}

/// Returns the answer to a call whose arguments do not fit.
pub(super) fn mismatch(prefix: &str, command: &Command, mismatch: &Mismatch) -> String {
    let problem = match mismatch {
        Mismatch::Missing(name) => format!("`{name}` is missing."),
        Mismatch::TooMany => "There are too many arguments; put one with spaces in quotes.".to_owned(),
    };
    with_usage(prefix, command, &problem)
}

/// Returns the answer to an argument that is no value of its type.
pub(super) fn invalid(parameter: &str, text: &str, error: &dyn fmt::Display) -> String {
    format!("`{parameter}` cannot be {} ({}).", code(text), code(error))
}

/// Returns a text followed by the usage of a command.
pub(super) fn with_usage(prefix: &str, command: &Command, text: &str) -> String {
    format!("{text} Usage: {}", signature(prefix, command))
}

/// Returns the answer to a person who may not call a command, or not there.
pub(super) fn denied(prefix: &str, command: &Command, denial: Denial) -> String {
    let problem = match denial {
        Denial::User => "is not for you; ask those who run this bot",
        Denial::Channel => "is for other channels",
        Denial::Team => "is for the channels of another team",
    };
    format!("`{prefix}{}` {problem}.", command.name)
}

/// Returns the answer to a person who called the command a moment ago.
pub(super) fn wait(prefix: &str, command: &Command, left: Duration) -> String {
    format!("Please wait {} before you call `{prefix}{}` again.", seconds(left), command.name)
}

/// Returns the answer to a call that was missed, and is too old to be carried out.
pub(super) fn expired(prefix: &str, command: &Command, age: Duration) -> String {
    let name = &command.name;
    format!(
        "I was away when you called `{prefix}{name}` {} ago. Please call it again if you still want it.",
        seconds(age)
    )
}

/// Returns the name that is similar enough to a word.
pub(super) fn meant<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let similarity = |name: &'a str| (name, strsim::jaro_winkler(&word, &name.to_lowercase()));
    let similar = names.map(similarity).filter(|(_, similarity)| *similarity >= MIN_SIMILARITY);
    similar.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(name, _)| name)
}

fn line(prefix: &str, command: &Command) -> String {
    let signature = signature(prefix, command);
    if command.description.is_empty() { signature } else { format!("{signature}: {}", command.description) }
}

fn signature(prefix: &str, command: &Command) -> String {
    format!("`{prefix}{}{}`", command.name, command.usage)
}

/// Returns a text as code, where it mentions and formats nothing.
fn code(text: &(impl fmt::Display + ?Sized)) -> String {
    format!("`{}`", Excerpt::of(text).as_str().replace('`', "'"))
}

/// Returns a time, rounded up to seconds.
fn seconds(time: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(
        time.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX),
    ))
}
