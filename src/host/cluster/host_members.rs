//! The other members, for the admin API of this one.

use futures_util::future::BoxFuture;
use matterhost_actors::model::AccountName;
use tokio::sync::mpsc;

use super::ClusterHandle;
use crate::{
    admin::server::{HostedAccounts, OtherMembers, OwnedAccount, Owner},
    cluster::{AskError, MemberId, Question, shard_of},
    host::known_accounts::KnownAccounts,
};

/// The other members, and the accounts of the configuration.
pub(in crate::host) struct HostMembers {
    pub(in crate::host) cluster: ClusterHandle,
    pub(in crate::host) accounts: KnownAccounts,
}

impl OtherMembers for HostMembers {
    fn others(&self) -> Vec<MemberId> {
        let status = self.cluster.status.borrow();
        status.members.keys().filter(|member| !self.cluster.is_own(member)).cloned().collect()
    }

    fn owned_accounts(&self) -> Vec<OwnedAccount> {
        let status = self.cluster.status.borrow().clone();
        self.accounts.map(|name, server| OwnedAccount {
            name: name.to_string(),
            server: server.to_owned(),
            member: status.owner(shard_of(name)).map(|owner| owner.name().to_string()),
        })
    }

    fn owner(&self, account: &AccountName) -> Owner {
        let status = self.cluster.status.borrow();
        match status.owner(shard_of(account)) {
            _ if !self.accounts.has(account) => Owner::Here,
            Some(owner) if self.cluster.is_own(owner) => Owner::Here,
            Some(owner) => Owner::Member(owner.clone()),
            None => Owner::Nobody,
        }
    }

    fn ask(&self, member: &MemberId, question: Vec<u8>) -> BoxFuture<'static, Result<Vec<u8>, AskError>> {
        self.cluster.messages.ask(member, question)
    }
}

/// Answers the other members, one question after the other.
pub(in crate::host) async fn answer(mut questions: mpsc::Receiver<Question>, accounts: HostedAccounts) {
    while let Some(Question { text, answer }) = questions.recv().await {
        // An error means that the other member waits no more.
        let _ = answer.send(accounts.answer(&text).await);
    }
}
