//! A Supervisor on its own thread, and its observations.

use std::{
    collections::HashSet,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use actix::{Actor as _, Addr, System};
use anyhow::{Context as _, anyhow};
use matterhost_actors::{
    hosting::{AccountSpec, AddAccount, AddServer, HostSettings, ServerSpec, Shutdown, Supervisor},
    model::{AccountName, Fact, Observation, ServerName, Subject, Token},
    policy::GateLimits,
    ports::HttpApi,
};
use tokio::sync::{
    broadcast::{Receiver, error::TryRecvError},
    oneshot,
};

use crate::{
    counting_sink::CountingSink,
    server::{Bot, Server},
};

/// High enough that the gate never delays a request: the host is measured.
const UNLIMITED: GateLimits = GateLimits { requests_per_second: 1e9, dial_slots: 1_000, sharers: 1 };

/// The time between two looks at the observations.
const GLANCE: Duration = Duration::from_millis(1);

/// A host of accounts on one server.
pub(crate) struct Host {
    pub(crate) supervisor: Addr<Supervisor>,
    pub(crate) counter: Arc<CountingSink>,
    observations: Receiver<Arc<Observation>>,
    server: ServerName,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Host {
    /// Starts a host without accounts.
    pub(crate) fn start(
        settings: HostSettings,
        server: &Server,
        counter: CountingSink,
    ) -> anyhow::Result<Self> {
        let name = ServerName::new("bench")?;
        let api = Arc::new(HttpApi::new(server.client()?));
        let spec = ServerSpec { name: name.clone(), api, limits: UNLIMITED };
        let (sender, receiver) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            System::new().block_on(async {
                let supervisor = Supervisor::new(settings);
                let observations = supervisor.observer().subscribe();
                let supervisor = supervisor.start();
                supervisor.do_send(AddServer(spec));
                let _ = sender.send((supervisor.clone(), observations));
                let _ = stopped.await;
                let _ = supervisor.send(Shutdown { deadline: Duration::from_secs(10) }).await;
            });
        });
        let (supervisor, observations) = receiver.recv()?;
        Ok(Self { supervisor, counter: Arc::new(counter), observations, server: name, stop, thread })
    }

    /// Adds a bot under its user id.
    pub(crate) fn add(&self, bot: &Bot) -> anyhow::Result<AccountName> {
        let name = AccountName::new(&bot.user_id)?;
        self.supervisor.do_send(AddAccount(AccountSpec {
            name: name.clone(),
            server: self.server.clone(),
            token: Token::new(bot.token.as_str())?,
            sink: self.counter.clone(),
            settings: None,
        }));
        Ok(name)
    }

    /// Adds bots and waits until all of them are ready.
    pub(crate) fn add_all(&mut self, bots: &[Bot]) -> anyhow::Result<Vec<AccountName>> {
        let names = bots.iter().map(|bot| self.add(bot)).collect::<Result<Vec<_>, _>>()?;
        self.wait_until_ready(bots.len())?;
        Ok(names)
    }

    /// Waits until `count` different accounts have become ready from now on. It looks every [`GLANCE`]: to be woken by each
    /// observation would take processor time that is not the host's.
    pub(crate) fn wait_until_ready(&mut self, count: usize) -> anyhow::Result<()> {
        let mut ready = HashSet::new();
        while ready.len() < count {
            let seen = match self.observations.try_recv() {
                Err(TryRecvError::Empty) => {
                    thread::sleep(GLANCE);
                    continue;
                }
                seen => seen?,
            };
            if let (Subject::Account(who, _), Fact::Ready { .. }) = (&seen.subject, &seen.fact) {
                ready.insert(who.clone());
            }
        }
        Ok(())
    }

    /// Waits for a fact about any account.
    pub(crate) fn wait_for(&mut self, wanted: impl Fn(&Fact) -> bool) -> anyhow::Result<Fact> {
        loop {
            let seen = self.observations.blocking_recv().context("the Supervisor is gone")?;
            if wanted(&seen.fact) {
                return Ok(seen.fact.clone());
            }
        }
    }

    /// Ends the host with all its accounts.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        // The thread may have ended already.
        let _ = self.stop.send(());
        self.thread.join().map_err(|_| anyhow!("the host panicked"))
    }
}
