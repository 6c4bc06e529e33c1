//! The program with two bots of its own: `cargo run --example bots_in_rust -- run --config bots.toml`.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
};

use matterhost::Program;
use matterhost_actors::{
    bots::{Bot, BotResult, ButtonPress, Call, Context, Post, Router, Run},
    model::Draft,
};
use serde_json::{Map, json};

/// Adds up the numbers that people post in a channel.
#[derive(Default)]
struct Tally {
    /// The posts since the start: the state of one bot, in memory.
    posts: AtomicUsize,
}

impl Bot for Tally {
    async fn posted(&self, context: &Context, post: &Post) -> BotResult {
        // What is no number fails three times, and becomes a dead letter.
        let number: i64 = post.message.trim().parse()?;
        let storage = context.storage();
        let sum = storage.get::<i64>("sum")?.unwrap_or_default().saturating_add(number);
        storage.put("sum", &sum)?;
        let posts = self.posts.fetch_add(1, Ordering::Relaxed) + 1;
        context.reply(format!("The sum is {sum}, and this is post {posts}.")).await?;
        Ok(())
    }
}

/// Answers `/deploy staging` with a button.
async fn deploy(call: Call) -> BotResult {
    let environment = call.text("env");
    let buttons = json!({ "attachments": [{ "text": format!("Deploy to {environment}?"), "actions": [
        { "id": "go", "name": "Deploy", "context": { "env": environment } },
    ] }] });
    let props = buttons.as_object().cloned().unwrap_or_default();
    call.context().post(Draft { props, ..Draft::default() }).await?;
    Ok(())
}

/// Replaces the button by what was done.
async fn go(context: Context, press: ButtonPress) -> BotResult {
    context.replace_post(format!("Deployed to {}.", press.text("env")), Map::new()).await?;
    Ok(())
}

/// Asks in the morning, also if the program was down at seven.
async fn ask(context: Context, run: Run) -> BotResult {
    let late = if run.is_late { "I am late. " } else { "" };
    context.post_to("crew/lobby", format!("{late}What is deployed today?")).await?;
    Ok(())
}

fn deployer() -> Router {
    let router = Router::new().command("deploy", "<env>", deploy).button("go", go);
    router.every("0 7 * * *", ask).named("morning").in_zone("UTC")
}

fn main() -> ExitCode {
    Program::new().bot("tally", Tally::default).bot("deploy", deployer).run()
}
