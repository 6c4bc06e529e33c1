//! The bots in Rust that a program was built with, by name.

use std::{
    collections::BTreeMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
    time::Duration,
};

use matterhost_actors::{
    bots::{AnyBot, Bot, schedule_problems},
    model::{AccountName, BotName},
    ports::Poster,
};

use super::{Problem, SinkConfig, SinkKind};

/// The bots of a program, by the names that configurations use.
#[derive(Debug, Clone, Default)]
pub struct Bots {
    by_name: BTreeMap<Arc<str>, BotFactory>,
    problems: Vec<Problem>,
}

/// A function that makes bots. Two are equal if they have the same name.
#[derive(Clone)]
pub struct BotFactory {
    name: Arc<str>,
    make: Arc<MakeBot>,
    find_mistakes: Arc<FindMistakes>,
    /// The mistakes, once they were looked for.
    mistakes: Arc<OnceLock<Vec<String>>>,
}

/// Makes a bot for a sink, whose replies go to the poster, and whose handlers have that time.
type MakeBot = dyn Fn(BotName, Arc<dyn Poster>, Duration) -> AnyBot + Send + Sync;

/// Makes a bot and returns the mistakes in how it is built.
type FindMistakes = dyn Fn() -> Vec<String> + Send + Sync;

/// The words for a function that does not return a bot.
const PANICKED: &str = "the function that makes it panicked";

impl Bots {
    /// Adds a bot. `make` is called for each account, and once more to find mistakes in the bot.
    #[must_use]
    pub fn with<B: Bot>(mut self, name: &str, make: impl Fn() -> B + Send + Sync + 'static) -> Self {
        const REMEDY: &str = "change it in the program";
        if let Err(error) = AccountName::new(name) {
            self.problems.push(Problem::new("", format!("a bot of this program: {}", error.what()), REMEDY));
            return self;
        }
        let factory = BotFactory::new(name.into(), make);
        if self.by_name.insert(Arc::clone(&factory.name), factory).is_some() {
            let message = format!("this program has two bots with the name {name}");
            self.problems.push(Problem::new("", message, REMEDY));
        }
        self
    }

    /// Returns the mistakes in the names.
    pub(super) fn problems(&self) -> impl Iterator<Item = Problem> {
        self.problems.iter().cloned()
    }

    /// Returns the names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(|name| &**name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&BotFactory> {
        self.by_name.get(name)
    }

    /// Warns of bots that no sink has.
    pub(super) fn unused(&self, sinks: &[SinkConfig]) -> impl Iterator<Item = Problem> {
        let is_used = |name: &str| {
            sinks.iter().any(|sink| matches!(&sink.kind, SinkKind::Bot(bot) if *bot.factory.name == *name))
        };
        self.names().filter(move |name| !is_used(name)).map(|name| {
            let message = format!("no sink has the bot {name} of this program, so it receives nothing");
            Problem::new("sinks", message, format!("add [sinks.{name}] with type = \"bot\""))
        })
    }
}

impl BotFactory {
    /// Returns a factory with a name.
    pub fn new<B: Bot>(name: Arc<str>, make: impl Fn() -> B + Send + Sync + 'static) -> Self {
        let make = Arc::new(make);
        let checked = Arc::clone(&make);
        Self {
            name,
            make: Arc::new(move |sink, poster, deadline| AnyBot::new(sink, make(), poster, deadline)),
            find_mistakes: Arc::new(move || mistakes(&checked())),
            mistakes: Arc::default(),
        }
    }

    /// Returns the name of the bots.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes a bot for a sink, whose replies go to the poster, and whose handlers fail after that time.
    ///
    /// # Errors
    /// If the name of the sink cannot be that of a bot, or the function panics: the cause.
    pub fn make(
        &self,
        sink: &Arc<str>,
        poster: Arc<dyn Poster>,
        deadline: Duration,
    ) -> Result<AnyBot, String> {
        let sink = BotName::new(sink).map_err(|error| error.to_string())?;
        let made = catch_unwind(AssertUnwindSafe(|| (self.make)(sink, poster, deadline)));
        made.map_err(|_| format!("bot {}: {PANICKED}", self.name))
    }

    /// Returns the mistakes in how the bot is built, which are looked for once.
    pub(super) fn mistakes(&self) -> &[String] {
        self.mistakes.get_or_init(|| {
            let found = catch_unwind(AssertUnwindSafe(|| (self.find_mistakes)()));
            found.unwrap_or_else(|_| vec![PANICKED.to_owned()])
        })
    }
}

fn mistakes(bot: &impl Bot) -> Vec<String> {
    bot.problems().into_iter().chain(schedule_problems(bot)).collect()
}

impl PartialEq for BotFactory {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for BotFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BotFactory").field(&self.name).finish()
    }
}
