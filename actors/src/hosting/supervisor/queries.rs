//! What is asked to be shown.

use std::time::Duration;

use actix::{Handler, ResponseFuture};
use futures_util::future::{FutureExt as _, join_all};
use tokio::time::timeout;

use super::{AuditAccount, List, ListServers, Look, Supervisor, SupervisorError, account::Account};
use crate::{
    hosting::{connection::AuditNow, delivery::LookInto, server_gate::GateHandle},
    model::{AccountDetail, AccountSnapshot, ServerName, ServerSnapshot},
};

/// How long a child may take to say how it is: one that hangs must not hide the rest.
const CHILD_ANSWERS_WITHIN: Duration = Duration::from_secs(1);

impl Handler<List> for Supervisor {
    type Result = Vec<AccountSnapshot>;

    fn handle(&mut self, _: List, _: &mut Self::Context) -> Self::Result {
        self.accounts.values_mut().map(Account::snapshot).collect()
    }
}

impl Handler<Look> for Supervisor {
    type Result = ResponseFuture<Result<AccountDetail, SupervisorError>>;

    fn handle(&mut self, Look(name): Look, _: &mut Self::Context) -> Self::Result {
        let account = self.known(&name);
        let looked = account.map(|account| {
            let delivery = account.home.as_ref().map(|home| home.delivery.clone());
            (account.detail(), delivery)
        });
        async move {
            let (mut detail, delivery) = looked?;
            if let Some(delivery) = delivery {
                let asked = timeout(CHILD_ANSWERS_WITHIN, delivery.send(LookInto)).await;
                detail.waiting = asked.ok().and_then(Result::ok);
            }
            Ok(detail)
        }
        .boxed_local()
    }
}

impl Handler<ListServers> for Supervisor {
    type Result = ResponseFuture<Vec<ServerSnapshot>>;

    fn handle(&mut self, _: ListServers, _: &mut Self::Context) -> Self::Result {
        let servers = self.servers.values();
        let asked: Vec<_> = servers.map(|s| look(s.gate.clone(), s.spec.name.clone(), s.accounts)).collect();
        async move {
            let mut servers = join_all(asked).await;
            servers.sort_by(|a, b| a.server.cmp(&b.server));
            servers
        }
        .boxed_local()
    }
}

/// How a server is, by its gate. One that does not answer in time must not hide its server, just when somebody looks for
/// what is wrong: nothing being known of it, the server counts as down.
async fn look(gate: GateHandle, server: ServerName, accounts: usize) -> ServerSnapshot {
    let unknown = ServerSnapshot {
        server,
        up: false,
        down_for: None,
        accounts,
        requests_per_second: 0.0,
        waiting: 0,
        dials: 0,
        paused_for: None,
    };
    timeout(CHILD_ANSWERS_WITHIN, gate.look()).await.ok().flatten().unwrap_or(unknown)
}

impl Handler<AuditAccount> for Supervisor {
    type Result = ResponseFuture<Result<(), SupervisorError>>;

    fn handle(&mut self, AuditAccount(name): AuditAccount, _: &mut Self::Context) -> Self::Result {
        let connection = self.known(&name).map(|account| account.connection.clone());
        async move {
            if let Some(connection) = connection? {
                let asked = timeout(CHILD_ANSWERS_WITHIN, connection.send(AuditNow)).await;
                if asked.is_ok_and(|ready| ready == Ok(true)) {
                    return Ok(());
                }
            }
            Err(SupervisorError::NotReady(name))
        }
        .boxed_local()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actix::{AsyncContext as _, Context};
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_whose_gate_does_not_answer_is_there_and_counts_as_down() {
        // Nobody runs it, so its mailbox is open and it never answers.
        let hangs = Context::new();
        let handle = |address| GateHandle::new(address, Arc::new(Semaphore::new(1)), Arc::default());
        let gone = Context::new().address();
        for gate in [hangs.address(), gone] {
            let told = look(handle(gate), ServerName::new("main").unwrap(), 7).await;
            assert_eq!((told.server.as_str(), told.up, told.accounts), ("main", false, 7));
        }
    }
}
