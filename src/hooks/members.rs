//! The way of a request to the member of the cluster that hosts its account.

use std::{sync::Arc, time::Duration};

use matterhost_actors::model::AccountName;
use tokio::time::{Instant, sleep_until};

use super::{
    HookPath, HookResponse, HookService, PassedHook, Refusal,
    passed_hook::HookReply,
    service::{ANSWER_WITHIN, refuse},
};
use crate::{
    admin::server::{OtherMembers, Owner},
    cluster::{AskError, ClusterTime},
};

/// The time from a request's arrival to its response, if another member answers it: in sum less than a handler has here.
const PASS_WITHIN: Duration = Duration::from_millis(2_900);

/// The time for the way of an answer back to the member that waits for it.
const WAY_BACK: Duration = Duration::from_millis(100);

/// The pause until the owner is looked up again. An account moves within about 200 ms.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The result of passing a request on.
enum Passed {
    /// The owner has answered.
    Answered(HookResponse),
    /// Nothing was done, so that it may be passed on again.
    NotTaken,
    /// It may have been done.
    Unanswered,
}

impl HookService {
    /// Answers a request, also one for an account that another member hosts.
    pub async fn answer(&self, account: &str, path: &HookPath, body: &[u8]) -> HookResponse {
        let arrived = Instant::now();
        let elsewhere = match self.members().zip(AccountName::new(account).ok()) {
            Some((members, name)) if self.knows(&name) && !self.is_here(&*members, &name) => {
                Some((members, name))
            }
            Some(_) | None => None,
        };
        let Some((members, name)) = elsewhere else {
            return self.answer_here(account, path, body, arrived + ANSWER_WITHIN).await;
        };
        let timer = self.meter().start(path.label());
        let passed = self.pass_on(&members, &name, PassedHook::new(account, path, body), arrived).await;
        let response = match passed {
            Ok(Some(response)) => Ok(response),
            // It has come here meanwhile.
            Ok(None) => return self.answer_here(account, path, body, arrived + ANSWER_WITHIN).await,
            Err(refusal) => Err(refusal),
        };
        timer.finish(response.as_ref().map_or_else(Refusal::label, |_| "passed_on"));
        response.unwrap_or_else(|refusal| refuse(&refusal, path.label(), account))
    }

    /// Answers a request that another member has passed on, if the account is hosted here and the time is not over. It is
    /// not passed on again.
    pub async fn answer_member(&self, hook: &PassedHook, deadline: ClusterTime) -> Vec<u8> {
        let left = deadline.since(ClusterTime::now()).saturating_sub(WAY_BACK);
        let is_hosted = AccountName::new(&hook.account).is_ok_and(|name| self.hosts(&name));
        let reply = match hook.body() {
            Some(body) if is_hosted && !left.is_zero() => HookReply::Response(
                self.answer_here(&hook.account, &hook.path, &body, Instant::now() + left).await,
            ),
            Some(_) | None => HookReply::NotTaken,
        };
        reply.into_answer()
    }

    /// Returns true if this member hosts the account, has begun to, and goes on to.
    fn is_here(&self, members: &dyn OtherMembers, name: &AccountName) -> bool {
        members.owner(name) == Owner::Here && self.hosts(name)
    }

    /// Passes a request on to the owner of its account, and looks for the owner until one takes it or the time is over.
    /// Returns `None` once this member is the owner.
    async fn pass_on(
        &self,
        members: &Arc<dyn OtherMembers>,
        name: &AccountName,
        hook: PassedHook,
        arrived: Instant,
    ) -> Result<Option<HookResponse>, Refusal> {
        let (until, question) = (arrived + PASS_WITHIN, hook.into_question());
        loop {
            if self.is_here(&**members, name) {
                return Ok(None);
            }
            match ask(&**members, name, &question, until).await {
                Passed::Answered(response) => return Ok(Some(response)),
                Passed::Unanswered => return Err(Refusal::Unanswered),
                Passed::NotTaken => {}
            }
            let again = Instant::now() + LOOK_AGAIN;
            if again + WAY_BACK >= until {
                return Err(Refusal::NoOwner);
            }
            sleep_until(again).await;
        }
    }
}

/// Asks the owner of an account once.
async fn ask(members: &dyn OtherMembers, name: &AccountName, question: &[u8], until: Instant) -> Passed {
    let Owner::Member(owner) = members.owner(name) else { return Passed::NotTaken };
    let within = until.saturating_duration_since(Instant::now());
    match members.ask(&owner, question.to_vec(), within).await.map(|answer| HookReply::read(&answer)) {
        Ok(Some(HookReply::Response(response))) => Passed::Answered(response),
        Ok(Some(HookReply::NotTaken)) | Err(AskError::Unreachable | AskError::Silent(_)) => Passed::NotTaken,
        Ok(None) | Err(AskError::Late(_) | AskError::TooLong) => Passed::Unanswered,
    }
}

#[cfg(test)]
mod tests;
