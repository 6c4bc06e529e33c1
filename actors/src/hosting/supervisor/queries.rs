//! What is asked to be shown.

use std::time::Duration;

use actix::{Handler, ResponseFuture};
use futures_util::future::{FutureExt as _, join_all};
use tokio::time::timeout;

use super::{
    AuditAccount, GetAccount, ListAccounts, ListServers, Supervisor, SupervisorError, account::Account,
};
use crate::{
    hosting::{connection::AuditNow, delivery::GetWaiting, server_gate::GateHandle},
    model::{AccountDetail, AccountSnapshot, ServerName, ServerSnapshot},
};

/// How long a child may take to say how it is: one that hangs must not hide the rest.
const CHILD_ANSWERS_WITHIN: Duration = Duration::from_secs(1);

impl Handler<ListAccounts> for Supervisor {
    type Result = Vec<AccountSnapshot>;

    fn handle(&mut self, _: ListAccounts, _: &mut Self::Context) -> Self::Result {
        self.accounts.values_mut().map(Account::snapshot).collect()
    }
}

impl Handler<GetAccount> for Supervisor {
    type Result = ResponseFuture<Result<AccountDetail, SupervisorError>>;

    fn handle(&mut self, GetAccount(name): GetAccount, _: &mut Self::Context) -> Self::Result {
        let account = self.find_account(&name);
        let found = account.map(|account| {
            let delivery = account.placement.as_ref().map(|placement| placement.delivery.clone());
            (account.detail(), delivery)
        });
        async move {
            let (mut detail, delivery) = found?;
            if let Some(delivery) = delivery {
                let asked = timeout(CHILD_ANSWERS_WITHIN, delivery.send(GetWaiting)).await;
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
        let asked: Vec<_> =
            servers.map(|s| server_snapshot(s.gate.clone(), s.spec.name.clone(), s.accounts)).collect();
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
async fn server_snapshot(gate: GateHandle, server: ServerName, accounts: usize) -> ServerSnapshot {
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
    timeout(CHILD_ANSWERS_WITHIN, gate.snapshot()).await.ok().flatten().unwrap_or(unknown)
}

impl Handler<AuditAccount> for Supervisor {
    type Result = ResponseFuture<Result<(), SupervisorError>>;

    fn handle(&mut self, AuditAccount(name): AuditAccount, _: &mut Self::Context) -> Self::Result {
        let connection = self.find_account(&name).map(|account| account.connection.clone());
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
            let snapshot = server_snapshot(handle(gate), ServerName::new("main").unwrap(), 7).await;
            assert_eq!((snapshot.server.as_str(), snapshot.up, snapshot.accounts), ("main", false, 7));
        }
    }
}
