//! A bot without a server: give it events, and see what it answers.
//!
//! ```
//! use matterhost_actors::{
//!     bots::{Bot, BotResult, Context, Post},
//!     ports::Outcome,
//!     testing::{Rehearsal, post},
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
//! let rehearsal = Rehearsal::new(Echo);
//! assert_eq!(rehearsal.hears(post("hello").by("ana").in_channel("town")).await, Outcome::Acknowledged);
//! assert_eq!(rehearsal.texts(), ["hello"]);
//! # });
//! ```

mod bot_harness;
mod event_builder;

pub use bot_harness::Rehearsal;
pub use event_builder::{Says, event, post, reaction};
