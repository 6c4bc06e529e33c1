//! One account that is disabled and enabled, and then receives a post on its new connection.

use std::{error::Error, sync::Arc, time::Duration};

use actix::Actor as _;
use matterhost_actors::{
    hosting::{AccountSpec, AddAccount, AddServer, HostSettings, ServerSpec, Shutdown, Supervisor},
    mattermost::{ClientConfig, ClientLimits},
    model::{AccountName, Event, Fact, ServerName, Token},
    policy::GateLimits,
    ports::{Delivered, EventSink, HttpApi, Outcome},
};
use matterhost_simulator::Simulator;
use tokio::sync::Notify;

/// A sink that prints each event and notifies the main program of each post.
#[derive(Default)]
struct Print(Notify);

impl EventSink for Print {
    #[expect(clippy::print_stdout, reason = "the example prints the events")]
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        println!("{} {}", event.body.event, event.body.data);
        if &*event.body.event == "posted" {
            self.0.notify_one();
        }
        Delivered::Now(Outcome::Acknowledged)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    actix::System::new().block_on(async {
        let simulator = Simulator::start()?;
        let channel = simulator.create_channel(&simulator.create_team("team"), "town");
        let (bot, ana) = (simulator.create_bot("helpdesk"), simulator.create_user("ana"));
        simulator.add_to_channel_quietly(&channel, &bot.user_id);

        let print = Arc::new(Print::default());
        let client = ClientConfig::new(simulator.url().parse()?, None, ClientLimits::default(), "example");
        let supervisor = Supervisor::new(HostSettings::default());
        let mut observations = supervisor.observer().subscribe();
        let supervisor = supervisor.start();
        let name = ServerName::new("simulator")?;
        let api = Arc::new(HttpApi::new(client));
        supervisor
            .send(AddServer(ServerSpec { name: name.clone(), api, limits: GateLimits::default() }))
            .await?;
        let (account, token) = (AccountName::new("helpdesk")?, Token::new(bot.token)?);
        let spec = AccountSpec { name: account, server: name, token, sink: print.clone(), settings: None };
        supervisor.send(AddAccount(spec)).await??;

        while !matches!(observations.recv().await?.fact, Fact::Ready { .. }) {}
        // After this the socket stays open but receives no events, until the Supervisor replaces it.
        simulator.disable(&bot.user_id);
        while observations.recv().await?.fact != Fact::Blocked {}
        simulator.enable(&bot.user_id);
        while !matches!(observations.recv().await?.fact, Fact::Ready { .. }) {}
        simulator.post(&ana.user_id, &channel, "Can you hear me?");
        print.0.notified().await;
        supervisor.send(Shutdown { deadline: Duration::from_secs(5) }).await?;
        Ok(())
    })
}
