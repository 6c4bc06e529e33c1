//! Handlers of the queries about accounts and servers, and of the audit that an operator asks for.

use std::time::Duration;

use actix::{Handler, MessageResult, ResponseFuture};
use futures_util::future::FutureExt as _;
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
    type Result = Vec<ServerSnapshot>;

    fn handle(&mut self, _: ListServers, _: &mut Self::Context) -> Self::Result {
        let mut servers: Vec<_> = self
            .servers
            .values()
            .map(|s| server_snapshot(&s.gate, s.spec.name.clone(), s.accounts))
            .collect();
        servers.sort_by(|a, b| a.server.cmp(&b.server));
        servers
    }
}

/// Returns the snapshot of a server from its gate. If the gate is gone, the server is still listed, as down: an operator
/// who looks for a fault must see it.
fn server_snapshot(gate: &GateHandle, server: ServerName, accounts: usize) -> ServerSnapshot {
    gate.snapshot().unwrap_or(ServerSnapshot {
        server,
        up: false,
        down_for: None,
        accounts,
        requests_per_second: 0.0,
        waiting: 0,
        dials: 0,
        paused_for: None,
    })
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
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_whose_gate_is_gone_is_there_and_counts_as_down() {
        let main = ServerName::new("main").unwrap();
        let snapshot = server_snapshot(&GateHandle::ended(main.clone()), main, 7);
        assert_eq!((snapshot.server.as_str(), snapshot.up, snapshot.accounts), ("main", false, 7));
    }
}
