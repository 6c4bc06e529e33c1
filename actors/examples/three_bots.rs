//! Three accounts with three bots in one program. One of them fails at every post; the others are not affected.

use std::{error::Error, sync::Arc, time::Duration};

use matterhost_actors::{
    bots::{Bot, BotResult, Context, Host, Joined, Post},
    model::{CloseReason, Fact, Subject},
};
use matterhost_simulator::Simulator;
use tokio::sync::Notify;

/// Greets each user who joins the channel.
struct Greeter(Arc<Notify>);

impl Bot for Greeter {
    async fn joined(&self, context: &Context, joined: &Joined) -> BotResult {
        if *context.user() != joined.user_id {
            context.reply("Welcome!").await?;
            self.0.notify_one();
        }
        Ok(())
    }
}

/// Likes every post.
struct Fan(Arc<Notify>);

impl Bot for Fan {
    async fn posted(&self, context: &Context, post: &Post) -> BotResult {
        if post.message != "Welcome!" {
            context.react("heart").await?;
            self.0.notify_one();
        }
        Ok(())
    }
}

/// Fails at every post.
struct Broken;

impl Bot for Broken {
    async fn posted(&self, _: &Context, _: &Post) -> BotResult {
        Err("the database is gone".into())
    }
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the example prints its results")]
async fn main() -> Result<(), Box<dyn Error>> {
    let simulator = Simulator::start()?;
    let channel = simulator.create_channel(&simulator.create_team("team"), "town");
    let bots = ["greeter", "fan", "broken"].map(|name| simulator.create_bot(name));
    for bot in &bots {
        simulator.add_to_channel_quietly(&channel, &bot.user_id);
    }
    let ana = simulator.create_user("ana");

    let [greeted, liked] = [(); 2].map(|()| Arc::new(Notify::new()));
    let host = Host::builder()
        .server(simulator.url())
        .account("greeter", &*bots[0].token, Greeter(greeted.clone()))
        .account("fan", &*bots[1].token, Fan(liked.clone()))
        .account("broken", &*bots[2].token, Broken);
    let mut observations = host.subscribe();
    let conversation = async {
        let mut ready = 0;
        while ready < bots.len() {
            ready += usize::from(matches!(observations.recv().await?.fact, Fact::Ready { .. }));
        }
        simulator.add_to_channel(&channel, &ana.user_id);
        greeted.notified().await;
        // Two posts of one millisecond are in no order.
        tokio::time::sleep(Duration::from_millis(2)).await;
        simulator.post(&ana.user_id, &channel, "Thank you.");
        liked.notified().await;
        loop {
            let observation = observations.recv().await?;
            let Subject::Account(account, _) = &observation.subject else { continue };
            if let Fact::Closed { reason: reason @ CloseReason::SinkBroken { .. }, .. } = &observation.fact {
                println!("{account}: {reason}");
                return Ok::<(), tokio::sync::broadcast::error::RecvError>(());
            }
        }
    };
    host.run_until(conversation).await?;
    for post in simulator.posts_in(&channel) {
        println!("{}{}", post.message, if post.has_reactions { " ♥" } else { "" });
    }
    Ok(())
}
