//! Handlers of the queries about accounts and servers, and of the audit that an operator asks for.

use std::time::Duration;

use actix::{Handler, MessageResult, ResponseFuture};
use futures_util::future::{FutureExt as _, join_all};
use tokio::time::timeout;

use super::{
    AuditAccount, CountStates, GetAccount, ListAccounts, ListServers, Supervisor, SupervisorError,
    account::Account,
};
use crate::{
    hosting::{connection::AuditNow, delivery::GetWaiting, server_gate::GateHandle},
    model::{AccountDetail, AccountSnapshot, ServerName, ServerSnapshot},
};

/// The longest wait for a child's answer: one that hangs must not hide the rest.
const CHILD_ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

impl Handler<ListAccounts> for Supervisor {
    type Result = Vec<AccountSnapshot>;

    fn handle(&mut self, _: ListAccounts, _: &mut Self::Context) -> Self::Result {
        self.accounts.values_mut().map(Account::snapshot).collect()
    }
}

impl Handler<CountStates> for Supervisor {
    type Result = MessageResult<CountStates>;

    fn handle(&mut self, _: CountStates, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.accounts.values().map(|account| account.state).collect())
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
                let answer = timeout(CHILD_ANSWER_TIMEOUT, delivery.send(GetWaiting)).await;
                detail.waiting = answer.ok().and_then(Result::ok);
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
        let snapshots: Vec<_> =
            servers.map(|s| server_snapshot(s.gate.clone(), s.spec.name.clone(), s.accounts)).collect();
        async move {
            let mut servers = join_all(snapshots).await;
            servers.sort_by(|a, b| a.server.cmp(&b.server));
            servers
        }
        .boxed_local()
    }
}

/// Returns the snapshot of a server from its gate. If the gate does not answer in time, the server is still listed, as
/// down: an operator who looks for a fault must see it.
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
    timeout(CHILD_ANSWER_TIMEOUT, gate.snapshot()).await.ok().flatten().unwrap_or(unknown)
}

impl Handler<AuditAccount> for Supervisor {
    type Result = ResponseFuture<Result<(), SupervisorError>>;

    fn handle(&mut self, AuditAccount(name): AuditAccount, _: &mut Self::Context) -> Self::Result {
        let connection = self.find_account(&name).map(|account| account.connection.clone());
        async move {
            if let Some(connection) = connection? {
                let answer = timeout(CHILD_ANSWER_TIMEOUT, connection.send(AuditNow)).await;
                if answer.is_ok_and(|accepted| accepted == Ok(true)) {
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
        // A context that does not run has an open mailbox and never answers.
        let hangs = Context::new();
        let handle = |address| GateHandle::new(address, Arc::new(Semaphore::new(1)), Arc::default());
        let gone = Context::new().address();
        for gate in [hangs.address(), gone] {
            let snapshot = server_snapshot(handle(gate), ServerName::new("main").unwrap(), 7).await;
            assert_eq!((snapshot.server.as_str(), snapshot.up, snapshot.accounts), ("main", false, 7));
        }
    }
}
