//! What children and gates tell the Supervisor: facts, in the past tense.

use std::time::Duration;

use actix::{AsyncContext as _, Context, Handler, Message};

use super::Supervisor;
use crate::{
    actors::{connection::Carried, connection::Prompted, env::now},
    model::{AccountName, AccountState, CloseReason, Fact, Generation, ServerName, UserId},
    policy::{Run, Weather},
};

/// A Connection was welcomed by the server.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::actors) struct ChildConnected {
    pub(in crate::actors) account: AccountName,
    pub(in crate::actors) generation: Generation,
    pub(in crate::actors) user: UserId,
}

/// A Connection is ready.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::actors) struct ChildReady {
    pub(in crate::actors) account: AccountName,
    pub(in crate::actors) generation: Generation,
    /// From the start of the Connection.
    pub(in crate::actors) after: Duration,
}

/// A Connection ended; told exactly once, also after a panic.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::actors) struct ChildStopped {
    pub(in crate::actors) account: AccountName,
    pub(in crate::actors) generation: Generation,
    /// None when nobody had set one: it panicked, or its Arbiter died.
    pub(in crate::actors) reason: Option<CloseReason>,
    pub(in crate::actors) run: Run,
    pub(in crate::actors) carried: Carried,
}

/// A Delivery died.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::actors) struct DeliveryStopped {
    pub(in crate::actors) account: AccountName,
    pub(in crate::actors) delivery: actix::Addr<crate::actors::delivery::Delivery>,
}

/// A sink takes nothing for the moment, or takes events again.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::actors) struct Stalled {
    pub(in crate::actors) account: AccountName,
    pub(in crate::actors) stalled: bool,
}

/// A sibling saw an account change.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::actors) struct Touched {
    pub(in crate::actors) account: AccountName,
    /// When to look: prompts for one account are at least a second apart.
    pub(in crate::actors) after: Duration,
}

/// A gate found out whether its server is up.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::actors) struct ServerWeather {
    pub(in crate::actors) server: ServerName,
    pub(in crate::actors) weather: Weather,
}

impl Handler<ChildConnected> for Supervisor {
    type Result = ();

    fn handle(&mut self, connected: ChildConnected, _: &mut Self::Context) {
        let Some(account) = self.accounts.get_mut(&connected.account) else { return };
        if account.is_current(connected.generation) && account.state != AccountState::Stopping {
            account.carried.user.get_or_insert(connected.user);
            account.enter(AccountState::CatchingUp);
        }
    }
}

impl Handler<ChildReady> for Supervisor {
    type Result = ();

    fn handle(&mut self, ready: ChildReady, ctx: &mut Self::Context) {
        let Some(account) = self.accounts.get_mut(&ready.account) else { return };
        if !account.is_current(ready.generation) || account.state == AccountState::Stopping {
            return;
        }
        account.enter(if account.stalled { AccountState::Stalled } else { AccountState::Ready });
        account.was_ready = true;
        account.observe(Fact::Ready { after: ready.after });
        let (name, generation) = (ready.account, ready.generation);
        let wait = account.tracker.reset_after();
        account.settling = Some(ctx.run_later(wait, move |act, _| act.settle(&name, generation)));
        if let Some(server) = self.servers.get_mut(&account.spec.server) {
            server.ready += 1;
        }
    }
}

impl Supervisor {
    fn settle(&mut self, name: &AccountName, generation: Generation) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        account.settling = None;
        if account.is_current(generation) {
            account.tracker.settled();
            account.observe(Fact::Settled);
        }
    }

    fn prompt(&mut self, name: &AccountName, ctx: &mut Context<Self>) {
        let Some(account) = self.accounts.get_mut(name) else { return };
        account.observe(Fact::Prompted);
        match &account.connection {
            Some(connection) => {
                account.prompted = account.state == AccountState::Blocked;
                connection.do_send(Prompted);
            }
            None if account.state == AccountState::Blocked => self.start_connection(name, ctx),
            None => {}
        }
    }
}

impl Handler<Touched> for Supervisor {
    type Result = ();

    fn handle(&mut self, touched: Touched, ctx: &mut Self::Context) {
        if touched.after.is_zero() {
            self.prompt(&touched.account, ctx);
        } else {
            ctx.run_later(touched.after, move |act, ctx| act.prompt(&touched.account, ctx));
        }
    }
}

impl Handler<Stalled> for Supervisor {
    type Result = ();

    fn handle(&mut self, told: Stalled, _: &mut Self::Context) {
        let Some(account) = self.accounts.get_mut(&told.account) else { return };
        account.stalled = told.stalled;
        match (told.stalled, account.state) {
            (true, AccountState::Ready) => account.enter(AccountState::Stalled),
            (false, AccountState::Stalled) => account.enter(AccountState::Ready),
            _ => {}
        }
    }
}

impl Handler<ServerWeather> for Supervisor {
    type Result = ();

    fn handle(&mut self, told: ServerWeather, ctx: &mut Self::Context) {
        let Some(server) = self.servers.get_mut(&told.server) else { return };
        match told.weather {
            Weather::Up => server.cause.server_up(),
            Weather::Down => {
                let excused = server.cause.server_down(now());
                self.refund(excused, ctx);
            }
        }
    }
}
