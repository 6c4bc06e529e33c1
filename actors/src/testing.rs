//! A test harness that delivers events to a bot without a server and records the bot's actions.
//!
//! ```
//! use matterhost_actors::{
//!     bots::{Bot, BotResult, Context, Post},
//!     ports::Outcome,
//!     testing::{BotHarness, post},
//! };
//!
//! struct Echo;
//!
//! impl Bot for Echo {
//!     async fn posted(&self, context: &Context, post: &Post) -> BotResult {
//!         context.reply(&post.message).await?;
//!         Ok(())
//!     }
//! }
//!
//! # actix::System::new().block_on(async {
//! let harness = BotHarness::new(Echo);
//! assert_eq!(harness.deliver(post("hello").by("ana").in_channel("town")).await, Outcome::Acknowledged);
//! assert_eq!(harness.texts(), ["hello"]);
//! # });
//! ```

mod bot_harness;
mod event_builder;
mod hook_answers;

pub use bot_harness::BotHarness;
pub use event_builder::{EventBuilder, button, dialog, event, menu, post, reaction, slash_command};
pub use hook_answers::Answer;
