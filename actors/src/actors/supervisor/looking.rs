//! What is asked to be shown.

use std::time::Duration;

use actix::{Handler, ResponseFuture};
use futures_util::future::{FutureExt as _, join_all};
use tokio::time::timeout;

use super::{AuditAccount, List, ListServers, Look, Supervisor, SupervisorError, account::Account};
use crate::{
    actors::{connection::AuditNow, delivery::LookInto},
    model::{AccountDetail, AccountSnapshot, ServerSnapshot},
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
        let gates: Vec<_> = self.servers.values().map(|server| server.gate.clone()).collect();
        async move {
            let asked = join_all(gates.iter().map(|gate| timeout(CHILD_ANSWERS_WITHIN, gate.look()))).await;
            let mut servers: Vec<_> = asked.into_iter().filter_map(|look| look.ok().flatten()).collect();
            servers.sort_by(|a, b| a.server.cmp(&b.server));
            servers
        }
        .boxed_local()
    }
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
