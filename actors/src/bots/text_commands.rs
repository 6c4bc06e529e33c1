//! Commands in the text of posts: `!deploy staging 3`, or `@bot deploy staging 3`.
//!
//! A [`Router`] is a bot. It reads the arguments as the usage text of the command says, answers `!help`, and explains what
//! is wrong with a command that it cannot run:
//!
//! ```
//! use std::time::Duration;
//!
//! use matterhost_actors::{
//!     bots::{BotResult, Call, Router},
//!     testing::{BotHarness, post},
//! };
//!
//! async fn deploy(call: Call) -> BotResult {
//!     let count: u32 = call.parse("count")?.unwrap_or(1);
//!     call.reply(format!("{count} of {}", call.text("env"))).await?;
//!     Ok(())
//! }
//!
//! let router = Router::new()
//!     .command("deploy", "<env> [count]", deploy)
//!     .describe("Deploys the newest build.")
//!     .allow_users(["@ana"])
//!     .cool_down(Duration::from_secs(60));
//!
//! # actix::System::new().block_on(async {
//! let harness = BotHarness::new(router);
//! harness.deliver(post("!deploy staging 3").by("ana")).await;
//! harness.deliver(post("!deploy staging many").by("ana")).await;
//! assert_eq!(harness.texts()[0], "3 of staging");
//! assert!(harness.texts()[1].contains("wait"));
//! # });
//! ```

mod addressing;
mod answers;
mod arguments;
mod call;
mod command;
mod cool_down;
mod quoted_words;
mod restrictions;
mod router;
mod run_handler;
mod usage;

pub use call::{Call, UserError};
pub use router::Router;
