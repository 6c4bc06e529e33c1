//! The other members, for the admin API and the hooks of this one.

use std::time::Duration;

use super::ClusterHandle;
use crate::{
    admin::server::{HostedAccounts, OtherMembers, OwnedAccount, Owner},
    cluster::{AskError, MemberId, Question, Questions, Topic, shard_of},
    hooks::HookService,
    host::known_accounts::KnownAccounts,
};
use futures_util::future::BoxFuture;
use matterhost_actors::model::AccountName;

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

    fn ask(
        &self,
        member: &MemberId,
        topic: Topic,
        question: Vec<u8>,
        within: Duration,
    ) -> BoxFuture<'static, Result<Vec<u8>, AskError>> {
        self.cluster.messages.ask(member, topic, question, within)
    }
}

/// Answers the questions of the other members about accounts, one after the other.
pub(in crate::host) async fn answer_about_accounts(mut questions: Questions, accounts: HostedAccounts) {
    while let Some(Question { text, answer, .. }) = questions.next().await {
        // An error means that the other member waits no more.
        let _ = answer.send(accounts.answer(&text).await);
    }
}

/// Answers the requests to hooks that other members pass on, as they come.
pub(in crate::host) async fn answer_hooks(mut questions: Questions, hooks: Option<HookService>) {
    while let Some(Question { text, deadline, answer }) = questions.next().await {
        let hooks = hooks.clone();
        actix_rt::spawn(async move {
            answer.send(match hooks {
                Some(hooks) => hooks.answer_member(&text, deadline).await,
                None => HookService::not_taken(),
            })
        });
    }
}
