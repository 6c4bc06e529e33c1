//! A bot with commands and a schedule. Ana asks for help, mistypes, and deploys; every second the bot reports.

use std::{error::Error, sync::Arc, time::Duration};

use matterhost_actors::{
    bots::{BotResult, Call, Context, Host, Router, Run},
    model::Fact,
};
use matterhost_simulator::Simulator;
use tokio::sync::Notify;

/// Deploys a number of builds to an environment.
async fn deploy(call: Call) -> BotResult {
    let count: u32 = call.parse("count")?.unwrap_or(1);
    let person = call.context().sender_name().await?;
    call.reply(format!("Deploying {count} to {} for {person}.", call.text("env"))).await?;
    Ok(())
}

/// Posts the report.
async fn report(context: Context, _: Run) -> BotResult {
    context.post_to("team/town", "All is well.").await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the example prints the conversation")]
async fn main() -> Result<(), Box<dyn Error>> {
    let simulator = Simulator::start()?;
    let team = simulator.create_team("team");
    let channel = simulator.create_channel(&team, "town");
    let (bot, ana) = (simulator.create_bot("deployer"), simulator.create_user("ana"));
    simulator.add_to_team(&team, &bot.user_id);
    simulator.add_to_channel_quietly(&channel, &bot.user_id);

    let reported = Arc::new(Notify::new());
    let notify = reported.clone();
    let router = Router::new()
        .command("deploy", "<env> [count]", deploy)
        .describe("Deploys the newest build.")
        .allow_teams(["team"])
        // A call that the bot missed is not made up for hours later.
        .expires_after(Duration::from_secs(600))
        .cool_down(Duration::from_secs(60))
        // A schedule of every day would be `0 9 * * *`; the sixth field in front is the second.
        .every("* * * * * *", move |context, run| {
            let notify = notify.clone();
            async move {
                report(context, run).await?;
                notify.notify_one();
                Ok(())
            }
        })
        .named("report")
        .in_zone("UTC");

    let host = Host::builder().server(simulator.url()).account("deployer", bot.token, router);
    let mut observations = host.subscribe();
    let conversation = async {
        while !matches!(observations.recv().await?.fact, Fact::Ready { .. }) {}
        for text in ["!help", "!depoly staging", "!deploy", "!deploy staging 2", "!deploy staging 3"] {
            simulator.post(&ana.user_id, &channel, text);
        }
        // The bot answers in order, and so the call that comes too soon last.
        while !simulator.posts_in(&channel).iter().any(|post| post.message.contains("before you call")) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        reported.notified().await;
        Ok::<(), tokio::sync::broadcast::error::RecvError>(())
    };
    // The host ends when the posts that it received are handled.
    host.run_until(conversation).await?;
    let mut texts: Vec<String> = simulator.posts_in(&channel).into_iter().map(|post| post.message).collect();
    texts.dedup();
    for text in texts {
        println!("{text}");
    }
    Ok(())
}
