//! The accounts that this process hosts, for its own API and for the other members of its cluster.

use std::{sync::Arc, time::Duration};

use actix::{Addr, Handler, Message, dev::ToEnvelope};
use actix_web::http::StatusCode;
use matterhost_actors::{
    hosting::{
        AuditAccount, GetAccount, ListAccounts, ResetAccount, RestartAccount, StartAccount, StopAccount,
        Supervisor,
    },
    model::{AccountName, AccountSnapshot, AccountState},
};
use tokio::{task::spawn_blocking, time::timeout};

use super::{accounts::parse_name, api_error::ApiError, backend::Operations};
use crate::admin::dto::{Account, AccountDetail, Action, ActionAccepted, MemberAnswer, MemberQuestion};

/// The time limit for the Supervisor's answer. It never waits for anything itself.
const SUPERVISOR_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks a Supervisor, within the time limit.
pub(super) async fn ask<M>(supervisor: &Addr<Supervisor>, message: M) -> Result<M::Result, ApiError>
where
    M: Message + Send + 'static,
    M::Result: Send,
    Supervisor: Handler<M>,
    <Supervisor as actix::Actor>::Context: ToEnvelope<Supervisor, M>,
{
    match timeout(SUPERVISOR_TIMEOUT, supervisor.send(message)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(ApiError::unavailable("the host is shutting down")),
        Err(_) => Err(ApiError::unavailable(format!(
            "the Supervisor did not respond within {} s",
            SUPERVISOR_TIMEOUT.as_secs()
        ))),
    }
}

/// The accounts that this process hosts.
#[derive(Clone)]
pub struct HostedAccounts {
    pub(super) supervisor: Addr<Supervisor>,
    pub(super) operations: Arc<dyn Operations>,
}

impl HostedAccounts {
    /// Returns the accounts of a Supervisor.
    pub fn new(supervisor: Addr<Supervisor>, operations: Arc<dyn Operations>) -> Self {
        Self { supervisor, operations }
    }

    /// Lists them by name.
    pub(super) async fn list(&self) -> Result<Vec<Account>, ApiError> {
        Ok(self.describe_all(&ask(&self.supervisor, ListAccounts).await?))
    }

    /// Returns everything known about one.
    pub(super) async fn detail(&self, name: &AccountName) -> Result<AccountDetail, ApiError> {
        let detail = ask(&self.supervisor, GetAccount(name.clone())).await??;
        let account = self.describe(&detail.snapshot, self.operations.member());
        Ok(AccountDetail { account, ..(&detail).into() })
    }

    /// Begins an action on one.
    pub(super) async fn act(&self, name: &AccountName, action: Action) -> Result<ActionAccepted, ApiError> {
        let (supervisor, account) = (&self.supervisor, name.clone());
        let already_running = action == Action::Start && self.is_running(name).await?;
        match action {
            Action::Restart => ask(supervisor, RestartAccount(account)).await??,
            Action::Stop => ask(supervisor, StopAccount(account)).await??,
            Action::Start => ask(supervisor, StartAccount(account)).await??,
            Action::Reset => ask(supervisor, ResetAccount(account)).await??,
            Action::Audit => ask(supervisor, AuditAccount(account)).await??,
        }
        let started_sinks = self.start_resting_sinks(name, action).await;
        tracing::info!(account = name.as_str(), action = action.label(), "an operator requested an action");
        Ok(ActionAccepted { account: name.to_string(), action, already_running, started_sinks })
    }

    /// Answers another member.
    pub async fn answer(&self, question: &[u8]) -> Vec<u8> {
        match serde_json::from_slice(question) {
            Ok(MemberQuestion::Accounts) => self.answer_list().await,
            Ok(MemberQuestion::Account(name)) => encode(self.answer_detail(&name).await),
            Ok(MemberQuestion::Act(name, action)) => encode(self.answer_act(&name, action).await),
            Err(_) => encode(Err(ApiError::new(
                StatusCode::NOT_IMPLEMENTED,
                "this member does not know the question; run the same version of matterhost on all members",
            ))),
        }
    }

    async fn answer_detail(&self, name: &str) -> Result<MemberAnswer, ApiError> {
        Ok(MemberAnswer::Account(Box::new(self.detail(&parse_name(name)?).await?)))
    }

    async fn answer_act(&self, name: &str, action: Action) -> Result<MemberAnswer, ApiError> {
        Ok(MemberAnswer::Accepted(self.act(&parse_name(name)?, action).await?))
    }

    /// Answers with all accounts. Ten thousand make megabytes of text, which must not block other work.
    async fn answer_list(&self) -> Vec<u8> {
        let accounts = match ask(&self.supervisor, ListAccounts).await {
            Ok(accounts) => accounts,
            Err(error) => return encode(Err(error)),
        };
        let hosted = self.clone();
        let answer =
            spawn_blocking(move || encode(Ok(MemberAnswer::Accounts(hosted.describe_all(&accounts)))));
        // Without an answer the other member waits until its limit.
        answer.await.unwrap_or_default()
    }

    fn describe_all(&self, accounts: &[AccountSnapshot]) -> Vec<Account> {
        let member = self.operations.member();
        accounts.iter().map(|account| self.describe(account, member.clone())).collect()
    }

    /// Describes an account with its member and its source.
    fn describe(&self, account: &AccountSnapshot, member: Option<String>) -> Account {
        let source = self.operations.account_source(&account.account);
        Account { member, source, ..account.into() }
    }

    /// Returns true if the account has a connection or is opening one.
    async fn is_running(&self, account: &AccountName) -> Result<bool, ApiError> {
        use AccountState as S;
        let state = ask(&self.supervisor, GetAccount(account.clone())).await??.snapshot.state;
        Ok(matches!(state, S::Connecting | S::CatchingUp | S::Ready | S::Stalled))
    }

    /// Starts the sinks that the account waits for, if the action is to get it going. Returns their names.
    async fn start_resting_sinks(&self, account: &AccountName, action: Action) -> Vec<String> {
        match (action, self.operations.sinks()) {
            (Action::Restart | Action::Start | Action::Reset, Some(sinks)) => {
                sinks.start_resting(account).await
            }
            _ => Vec::new(),
        }
    }
}

fn encode(answer: Result<MemberAnswer, ApiError>) -> Vec<u8> {
    // Strings and numbers always serialize.
    serde_json::to_vec(&answer.unwrap_or_else(|error| error.to_member())).unwrap_or_default()
}
