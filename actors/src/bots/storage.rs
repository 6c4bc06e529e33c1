use std::{borrow::Cow, fmt::Display};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    model::{BotName, Excerpt, StorageError},
    ports::{EventStorage, kept_key},
};

/// The values that a bot keeps for the channel of an event, by key.
///
/// The changes of a handler take effect when it returns `Ok`, all or none: they are stored together with the acknowledgement of
/// the event. A handler that fails, or is killed, changes nothing, and finds what was there before when it is called again.
/// A key has at most 256 bytes, a value 64 KiB as JSON; the values of a channel together 256 KiB, those of an account 16 MiB.
///
/// ```
/// use matterhost_actors::{
///     bots::{Bot, BotResult, Context, Post},
///     testing::{BotHarness, post},
/// };
///
/// struct Counter;
///
/// impl Bot for Counter {
///     async fn posted(&self, context: &Context, post: &Post) -> BotResult {
///         let storage = context.storage();
///         let count: u32 = storage.get("count")?.unwrap_or(0) + 1;
///         storage.put("count", &count)?;
///         context.reply(format!("{}, number {count}", post.message)).await?;
///         Ok(())
///     }
/// }
///
/// # actix::System::new().block_on(async {
/// let harness = BotHarness::new(Counter);
/// harness.deliver(post("a")).await;
/// harness.deliver(post("b")).await;
/// harness.deliver(post("c").in_channel("garden")).await;
/// assert_eq!(harness.texts(), ["a, number 1", "b, number 2", "c, number 1"]);
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Storage {
    pub(super) values: EventStorage,
    /// The name of the bot, if it is one of several of the account: they do not see each other's values.
    pub(super) bot: Option<BotName>,
}

impl Storage {
    /// Returns the value of a key, if there is one.
    ///
    /// # Errors
    /// If it is no value of the type, or there is no storage.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StorageError> {
        let value = self.values.get(&self.kept_key(key))?;
        value.map(|json| serde_json::from_str(&json).map_err(|error| of_json(key, &error))).transpose()
    }

    /// Sets the value of a key.
    ///
    /// # Errors
    /// If the key or the value is refused, the handler has ended, or there is no storage.
    pub fn put<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), StorageError> {
        let json = serde_json::to_string(value).map_err(|error| of_json(key, &error))?;
        self.values.put_for(self.bot.as_ref(), key, json)
    }

    /// Deletes the value of a key, if there is one.
    ///
    /// # Errors
    /// If the handler has ended, or there is no storage.
    pub fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.values.delete(&self.kept_key(key))
    }

    /// Returns the keys that have a value, in order.
    ///
    /// # Errors
    /// If there is no storage.
    pub fn keys(&self) -> Result<Vec<String>, StorageError> {
        let keys = self.values.keys()?;
        let prefix = self.kept_key("");
        let own = |key: String| Some(key.strip_prefix(&*prefix)?.to_owned());
        Ok(keys.into_iter().filter_map(own).collect())
    }

    /// Returns the key under which a value is kept beside those of other bots.
    fn kept_key<'a>(&self, key: &'a str) -> Cow<'a, str> {
        kept_key(self.bot.as_ref(), key)
    }
}

fn of_json(key: &str, error: &dyn Display) -> StorageError {
    StorageError::Json { key: Excerpt::of(&key), cause: Excerpt::of(error) }
}
