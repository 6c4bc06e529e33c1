//! A minimal bot in a plain tokio program: it repeats each post.

use std::{error::Error, sync::Arc};

use matterhost_actors::{
    bots::{Bot, BotResult, Context, Host, Post},
    model::Fact,
};
use matterhost_simulator::Simulator;
use tokio::sync::Notify;

/// Repeats each post, and then notifies the main program.
struct Echo(Arc<Notify>);

impl Bot for Echo {
    async fn posted(&self, context: &Context, post: &Post) -> BotResult {
        context.reply(format!("You said: {}", post.message)).await?;
        self.0.notify_one();
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the example prints the conversation")]
async fn main() -> Result<(), Box<dyn Error>> {
    let simulator = Simulator::start()?;
    let channel = simulator.create_channel(&simulator.create_team("team"), "town");
    let (bot, ana) = (simulator.create_bot("echo"), simulator.create_user("ana"));
    simulator.add_to_channel_quietly(&channel, &bot.user_id);

    let answered = Arc::new(Notify::new());
    let host = Host::builder().server(simulator.url()).account("echo", bot.token, Echo(answered.clone()));
    let mut observations = host.subscribe();
    let conversation = async {
        while !matches!(observations.recv().await?.fact, Fact::Ready { .. }) {}
        simulator.post(&ana.user_id, &channel, "hello");
        answered.notified().await;
        Ok::<(), tokio::sync::broadcast::error::RecvError>(())
    };
    host.run_until(conversation).await?;
    for post in simulator.posts_in(&channel) {
        println!("{}", post.message);
    }
    Ok(())
}
