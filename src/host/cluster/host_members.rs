//! The other members, for the admin API and the hooks of this one.

use std::time::Duration;

use super::ClusterHandle;
use crate::{
    admin::server::{HostedAccounts, OtherMembers, OwnedAccount, Owner},
    cluster::{AskError, MemberId, Question, Questions, shard_of},
    hooks::{HookService, PassedHook},
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
        question: Vec<u8>,
        within: Duration,
    ) -> BoxFuture<'static, Result<Vec<u8>, AskError>> {
        self.cluster.messages.ask(member, question, within)
    }
}

/// Answers the other members: requests to hooks as they come, and questions about accounts one after the other.
pub(in crate::host) async fn answer(
    mut questions: Questions,
    accounts: HostedAccounts,
    hooks: Option<HookService>,
) {
    let (about_accounts, waiting) = Questions::channel();
    actix_rt::spawn(answer_about_accounts(waiting, accounts));
    while let Some(question) = questions.next().await {
        if let Some(hook) = PassedHook::read(&question.text) {
            let Question { deadline, answer, .. } = question;
            let hooks = hooks.clone();
            actix_rt::spawn(async move {
                answer.send(match hooks {
                    Some(hooks) => hooks.answer_member(&hook, deadline).await,
                    None => PassedHook::not_taken(),
                })
            });
        } else if about_accounts.try_send(question).is_err() {
            tracing::warn!("the other members ask more than this one can answer");
        }
    }
}

async fn answer_about_accounts(mut questions: Questions, accounts: HostedAccounts) {
    while let Some(Question { text, answer, .. }) = questions.next().await {
        // An error means that the other member waits no more.
        let _ = answer.send(accounts.answer(&text).await);
    }
}
