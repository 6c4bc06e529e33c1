//! A Supervisor inside an actix program, controlled by messages only. The program adds a server and an account, posts as
//! the account from an actor of its own, lists the accounts and shuts the Supervisor down.

use std::{error::Error, sync::Arc, time::Duration};

use actix::{Actor, Addr, Context, Handler, Message, ResponseFuture};
use matterhost_actors::{
    hosting::{
        AccountSpec, AddAccount, AddServer, HostSettings, ListAccounts, SendReply, ServerSpec, Shutdown,
        StopAccount, Supervisor,
    },
    mattermost::{ClientConfig, ClientLimits},
    model::{AccountName, Draft, Event, Fact, OutgoingAction, ReplyKey, ServerName, Token},
    policy::GateLimits,
    ports::{Delivered, EventSink, HttpApi, Outcome},
};
use matterhost_simulator::Simulator;

/// A sink that acknowledges every event and does nothing with it.
struct Ignore;

impl EventSink for Ignore {
    fn deliver(&self, _: &Arc<Event>) -> Delivered {
        Delivered::Now(Outcome::Acknowledged)
    }
}

/// An actor of the program that posts alarms in a channel.
struct Alarms {
    supervisor: Addr<Supervisor>,
    account: AccountName,
    channel: String,
}

/// Posts an alarm. An alarm with the same number is posted only once.
#[derive(Message)]
#[rtype(result = "Result<usize, Box<dyn Error + Send + Sync>>")]
struct Alarm {
    number: u64,
    text: &'static str,
}

impl Actor for Alarms {
    type Context = Context<Self>;
}

impl Handler<Alarm> for Alarms {
    type Result = ResponseFuture<Result<usize, Box<dyn Error + Send + Sync>>>;

    fn handle(&mut self, alarm: Alarm, _: &mut Self::Context) -> Self::Result {
        let (supervisor, account) = (self.supervisor.clone(), self.account.clone());
        let channel = self.channel.as_str().into();
        Box::pin(async move {
            let key = Some(ReplyKey::new(&format!("alarm-{}", alarm.number))?);
            let action =
                OutgoingAction::Post(Draft { channel, text: alarm.text.into(), key, ..Draft::default() });
            Ok(supervisor.send(SendReply { account, action }).await??.ids.len())
        })
    }
}

#[expect(clippy::print_stdout, reason = "the example prints its results")]
fn main() -> Result<(), Box<dyn Error>> {
    actix::System::new().block_on(async {
        let simulator = Simulator::start()?;
        let channel = simulator.create_channel(&simulator.create_team("team"), "alarms");
        let bot = simulator.create_bot("alarms");
        simulator.add_to_channel_quietly(&channel, &bot.user_id);

        let supervisor = Supervisor::new(HostSettings::default());
        let mut observations = supervisor.observer().subscribe();
        let supervisor = supervisor.start();
        let (server, name) = (ServerName::new("simulator")?, AccountName::new("alarms")?);
        let client = ClientConfig::new(simulator.url().parse()?, None, ClientLimits::default(), "example");
        let api = Arc::new(HttpApi::new(client));
        supervisor
            .send(AddServer(ServerSpec { name: server.clone(), api, limits: GateLimits::default() }))
            .await?;
        let (token, sink) = (Token::new(bot.token)?, Arc::new(Ignore));
        supervisor
            .send(AddAccount(AccountSpec { name: name.clone(), server, token, sink, settings: None }))
            .await??;

        let alarms =
            Alarms { supervisor: supervisor.clone(), account: name.clone(), channel: channel.clone() };
        let alarms = alarms.start();
        // Sent before the account has connected, the alarms wait. Alarm 1 is sent twice and posted once.
        for (number, text) in [(1, "The door is open."), (1, "The door is open."), (2, "It is closed again.")]
        {
            let posted = alarms.send(Alarm { number, text }).await?;
            println!("alarm {number}: {} post", posted.map_err(|error| error.to_string())?);
        }
        for post in simulator.posts_in(&channel) {
            println!("{}", post.message);
        }
        supervisor.send(StopAccount(name)).await??;
        while observations.recv().await?.fact != Fact::Stopped {}
        let refused = alarms.send(Alarm { number: 3, text: "This is not posted." }).await?;
        println!("{}", refused.map_or_else(|error| error.to_string(), |posts| format!("{posts} posts")));
        for account in supervisor.send(ListAccounts).await? {
            println!("{}: {}", account.account, account.state);
        }
        supervisor.send(Shutdown { deadline: Duration::from_secs(5) }).await?;
        Ok(())
    })
}
