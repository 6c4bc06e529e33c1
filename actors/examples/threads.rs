//! A bot that replies in threads and keeps a count per channel. Its account is disabled and enabled meanwhile; the bot
//! then replies to the missed posts.

use std::{collections::HashMap, error::Error};

use matterhost_actors::{
    bots::{Bot, BotResult, Context, Host, Post},
    model::{ChannelId, Fact},
};
use matterhost_simulator::Simulator;
use tokio::sync::{Mutex, mpsc};

/// Counts the questions in each channel.
struct Counter {
    questions: Mutex<HashMap<ChannelId, usize>>,
    answered: mpsc::UnboundedSender<()>,
}

impl Bot for Counter {
    async fn posted(&self, context: &Context, post: &Post) -> BotResult {
        let number = {
            let mut questions = self.questions.lock().await;
            let number = questions.entry(post.channel_id.clone()).or_default();
            *number += 1;
            *number
        };
        let late = if context.is_recovered() { ", sorry that I am late" } else { "" };
        context.reply_in_thread(format!("That is question {number} here{late}.")).await?;
        self.answered.send(())?;
        Ok(())
    }
}

#[expect(clippy::print_stdout, reason = "the example prints the conversation")]
fn main() -> Result<(), Box<dyn Error>> {
    actix::System::new().block_on(async {
        let simulator = Simulator::start()?;
        let team = simulator.create_team("team");
        let (bot, ana) = (simulator.create_bot("counter"), simulator.create_user("ana"));
        simulator.add_to_team(&team, &bot.user_id);
        let channels = ["town", "garden"].map(|name| simulator.create_channel(&team, name));
        for channel in &channels {
            simulator.add_to_channel_quietly(channel, &bot.user_id);
        }

        let (answered, mut answers) = mpsc::unbounded_channel();
        let counter = Counter { questions: Mutex::default(), answered };
        let host = Host::builder().server(simulator.url()).account("counter", bot.token, counter);
        let mut observations = host.subscribe();
        let conversation = async {
            while !matches!(observations.recv().await?.fact, Fact::Ready { .. }) {}
            simulator.post(&ana.user_id, &channels[0], "What is the time?");
            answers.recv().await;
            simulator.disable(&bot.user_id);
            while observations.recv().await?.fact != Fact::Blocked {}
            simulator.post(&ana.user_id, &channels[0], "And now?");
            simulator.post(&ana.user_id, &channels[1], "Is anybody here?");
            simulator.enable(&bot.user_id);
            answers.recv().await;
            answers.recv().await;
            Ok::<(), tokio::sync::broadcast::error::RecvError>(())
        };
        host.run_until(conversation).await?;
        for channel in &channels {
            for post in simulator.posts_in(channel) {
                println!("{}{}", if post.root_id.is_empty() { "" } else { "  " }, post.message);
            }
        }
        Ok(())
    })
}
