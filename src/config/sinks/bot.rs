//! `type = "bot"`.

use std::{ops::RangeInclusive, time::Duration};

use config::Value;
use matterhost_actors::bots::{BotSink, Router};

use crate::config::{
    bot_factories::BotFactory,
    key_reader::TableReader,
    problem::{did_you_mean, display_value},
    servers::ReadContext,
    template::{self, Scope},
};

/// The time limits of a handler: as for the answer of a child.
const DEADLINES: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);

/// Bots in Rust that the program was built with: one for each account.
#[derive(Debug, Clone, PartialEq)]
pub struct BotConfig {
    /// Makes the bots.
    pub factory: BotFactory,
    /// The time limit of a handler.
    pub deadline: Duration,
    /// True if the bot is shown as typing while a handler works.
    pub typing: bool,
}

/// Reads the keys. Without `bot`, the sink's name is that of the bot.
pub(super) fn read(
    sink: Option<&str>,
    section: &mut TableReader<'_>,
    context: &ReadContext<'_>,
) -> Option<BotConfig> {
    let named = section.optional::<String>("bot");
    let deadline = section.within("deadline", BotSink::<Router>::DEADLINE, DEADLINES);
    let typing = section.read("typing", false);
    let name = match &named {
        Some(name) => name,
        None if section.has("bot") => return None,
        None => sink?,
    };
    if template::scope(&Value::from(name)) != Scope::Shared {
        // No account uses the sink, so that there is no name to look for.
        return None;
    }
    let Some(factory) = context.bots.get(name) else {
        refuse_unknown(name, section, context);
        return None;
    };
    for mistake in factory.mistakes() {
        section.refuse("bot", format!("bot {name}: {mistake}"), "mend it in the program");
    }
    Some(BotConfig { factory: factory.clone(), deadline, typing })
}

fn refuse_unknown(name: &str, section: &mut TableReader<'_>, context: &ReadContext<'_>) {
    let known: Vec<_> = context.bots.names().collect();
    if known.is_empty() {
        let remedy = "use another type, or a program that is built with bots in Rust: see docs/bots.md";
        return section.refuse("bot", "this program has no bots of its own", remedy);
    }
    let remedy = match did_you_mean(name, known.iter().copied()) {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("write one of its bots: {}", known.join(", ")),
    };
    section.refuse("bot", format!("this program has no bot {}", display_value(name)), remedy);
}
