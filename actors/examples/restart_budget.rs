//! A restart budget that is used up: a sink that fails at every event costs its account three restarts and then a
//! cooldown. The other account is not affected.

use std::{error::Error, sync::Arc, time::Duration};

use actix::Actor as _;
use matterhost_actors::{
    hosting::{
        AccountSpec, AddAccount, AddServer, HostSettings, ListAccounts, ServerSpec, Shutdown, Supervisor,
    },
    mattermost::{ClientConfig, ClientLimits},
    model::{AccountName, Event, Fact, ServerName, Subject, Token},
    policy::{GateLimits, RestartPolicy, RestartSettings},
    ports::{Delivered, EventSink, HttpApi, Outcome},
};
use matterhost_simulator::Simulator;

/// A sink that fails at the first event of every connection, or acknowledges everything.
struct Sink {
    broken: bool,
}

impl EventSink for Sink {
    fn deliver(&self, _: &Arc<Event>) -> Delivered {
        Delivered::Now(if self.broken {
            Outcome::Broken { cause: "the disk is gone".into() }
        } else {
            Outcome::Acknowledged
        })
    }
}

/// Returns settings with three restarts per minute and short delays, so that the example takes a second.
fn fast_settings() -> Result<HostSettings, Box<dyn Error>> {
    let settings = RestartSettings {
        max_restarts: 3,
        within: Duration::from_secs(60),
        min_backoff: Duration::from_millis(50),
        reset_after: Duration::from_secs(10),
        cooldown: Duration::from_millis(500),
        ..RestartSettings::default()
    };
    let restart = RestartPolicy::new(settings).map_err(|errors| errors[0].to_string())?;
    Ok(HostSettings { restart, ..HostSettings::default() })
}

#[expect(clippy::print_stdout, reason = "the example prints its results")]
fn main() -> Result<(), Box<dyn Error>> {
    actix::System::new().block_on(async {
        let simulator = Simulator::start()?;
        let supervisor = Supervisor::new(fast_settings()?);
        let mut observations = supervisor.observer().subscribe();
        let supervisor = supervisor.start();
        let client = ClientConfig::new(simulator.url().parse()?, None, ClientLimits::default(), "example");
        let server = ServerName::new("simulator")?;
        let api = Arc::new(HttpApi::new(client));
        supervisor
            .send(AddServer(ServerSpec { name: server.clone(), api, limits: GateLimits::default() }))
            .await?;
        for (name, broken) in [("healthy", false), ("broken", true)] {
            let token = Token::new(simulator.create_bot(name).token)?;
            let sink = Arc::new(Sink { broken });
            let name = AccountName::new(name)?;
            supervisor
                .send(AddAccount(AccountSpec { name, server: server.clone(), token, sink, settings: None }))
                .await??;
        }
        let mut trips = 0;
        while trips < 2 {
            let observation = observations.recv().await?;
            let Subject::Account(account, generation) = &observation.subject else { continue };
            match &observation.fact {
                Fact::Closed { reason, charged, .. } => {
                    println!("{account}#{generation}: {reason}; charged: {charged}");
                }
                Fact::HalfOpen => println!("{account}: half-open, one more charged ending trips it again"),
                Fact::Tripped { cooldown } => {
                    trips += 1;
                    println!("{account}: tripped, cooldown {cooldown:?}");
                }
                _ => {}
            }
        }
        for account in supervisor.send(ListAccounts).await? {
            println!("{}: {}, budget left: {}", account.account, account.state, account.budget_left);
        }
        supervisor.send(Shutdown { deadline: Duration::from_secs(5) }).await?;
        Ok(())
    })
}
