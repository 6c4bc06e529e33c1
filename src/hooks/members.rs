//! The way of a request to the member of the cluster that hosts its account.

use std::{mem, sync::Arc, time::Duration};

use matterhost_actors::model::AccountName;
use tokio::time::{Instant, sleep_until};

use super::{
    HookPath, HookResponse, HookService, Refusal,
    passed_hook::{HookQuestion, HookReply, PassedHook},
    service::{ANSWER_WITHIN, refuse},
};
use crate::{
    admin::server::{OtherMembers, Owner},
    cluster::{AskError, ClusterTime, MemberId, Topic},
};

/// The time from a request's arrival to its response, if another member answers it: in sum less than a handler has here.
const PASS_WITHIN: Duration = Duration::from_millis(2_900);

/// The time for the way of an answer back to the member that waits for it.
const WAY_BACK: Duration = Duration::from_millis(100);

/// The first pause until the owner is looked up again, and the longest; each is twice the one before. An account moves within
/// about 200 ms, and one that has no owner for longer may have none at all.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// The result of the question that comes before a request.
enum Asked {
    /// The member hosts the account.
    Hosted(MemberId),
    /// It does, and the token of the request is not the command's.
    WrongToken,
    /// No member does, as far as is known.
    NotHosted,
}

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
        let here = || self.answer_here(account, path, body, arrived + ANSWER_WITHIN, self.connections());
        let Some((members, name)) = self.elsewhere(account) else { return here().await };
        let timer = self.meter().start(path.label());
        let passed = match self.check_to_pass_on(account, path, body) {
            Ok(first) => {
                let hook = HookQuestion::Hook(PassedHook::new(account, path, body));
                self.pass_on(&*members, &name, (first, hook), arrived).await
            }
            Err(refusal) => Err(refusal),
        };
        let response = match passed {
            Ok(Some(response)) => Ok(response),
            // It has come here meanwhile.
            Ok(None) => return here().await,
            Err(refusal) => Err(refusal),
        };
        timer.finish(response.as_ref().map_or_else(Refusal::label, |_| "passed_on"));
        response.unwrap_or_else(|refusal| refuse(&refusal, path.label(), account))
    }

    /// Returns the other members if one of them is to answer for the account.
    fn elsewhere(&self, account: &str) -> Option<(Arc<dyn OtherMembers>, AccountName)> {
        let (members, name) = (self.members()?, AccountName::new(account).ok()?);
        (self.knows(&name) && !self.is_here(&*members, &name)).then_some((members, name))
    }

    /// Answers another member: whether it can pass a request on to this one, or a request that it has passed on.
    pub async fn answer_member(&self, question: &[u8], deadline: ClusterTime) -> Vec<u8> {
        let is_hosted = |account: &str| AccountName::new(account).is_ok_and(|name| self.hosts(&name));
        let reply = match HookQuestion::read(question) {
            Some(HookQuestion::Hosts(account)) if is_hosted(&account) => HookReply::Hosted,
            Some(HookQuestion::Accepts(shown)) if is_hosted(&shown.account) => {
                if self.accepts(&shown) {
                    HookReply::Hosted
                } else {
                    HookReply::WrongToken
                }
            }
            Some(HookQuestion::Hook(hook)) if is_hosted(&hook.account) => {
                self.answer_passed(&hook, deadline).await
            }
            Some(HookQuestion::Hosts(_) | HookQuestion::Accepts(_) | HookQuestion::Hook(_)) | None => {
                HookReply::NotTaken
            }
        };
        reply.into_answer()
    }

    /// Returns the answer of a member without hooks.
    pub fn not_taken() -> Vec<u8> {
        HookReply::NotTaken.into_answer()
    }

    /// Answers a request that another member has passed on, if the time is not over. It is not passed on again.
    async fn answer_passed(&self, hook: &PassedHook, deadline: ClusterTime) -> HookReply {
        let left = deadline.since(ClusterTime::now()).saturating_sub(WAY_BACK);
        let Some(body) = hook.body().filter(|_| !left.is_zero()) else { return HookReply::NotTaken };
        let (until, places) = (Instant::now() + left, self.places_of_members());
        HookReply::Response(self.answer_here(&hook.account, &hook.path, &body, until, places).await)
    }

    /// Returns true if this member hosts the account, has begun to, and goes on to.
    fn is_here(&self, members: &dyn OtherMembers, name: &AccountName) -> bool {
        members.owner(name) == Owner::Here && self.hosts(name)
    }

    /// Passes a request on to the owner of its account, and looks for the owner until one takes it or the time is over.
    /// Returns `None` once this member is the owner. A request whose token only the owner may know has none of the account's
    /// places before the owner has said that it is right.
    async fn pass_on(
        &self,
        members: &dyn OtherMembers,
        name: &AccountName,
        (first, hook): (HookQuestion, HookQuestion),
        arrived: Instant,
    ) -> Result<Option<HookResponse>, Refusal> {
        let mut is_checked = matches!(first, HookQuestion::Hosts(_));
        let places = if is_checked { self.connections() } else { self.unchecked() };
        let mut place = places.take(name).ok_or(Refusal::Busy)?;
        let (until, mut pause) = (arrived + PASS_WITHIN, LOOK_AGAIN);
        loop {
            if self.is_here(members, name) {
                return Ok(None);
            }
            match ask_owner(members, name, &first, until).await {
                Asked::Hosted(owner) => {
                    if !is_checked {
                        drop(mem::replace(&mut place, self.connections().take(name).ok_or(Refusal::Busy)?));
                        is_checked = true;
                    }
                    match pass(members, &owner, &hook, until).await {
                        Passed::Answered(response) => return Ok(Some(response)),
                        Passed::Unanswered => return Err(Refusal::Unanswered),
                        Passed::NotTaken => {}
                    }
                }
                Asked::WrongToken => return Err(Refusal::WrongToken),
                Asked::NotHosted => {}
            }
            let again = Instant::now() + pause;
            if again + WAY_BACK >= until {
                return Err(Refusal::NoOwner);
            }
            sleep_until(again).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }
}

/// Asks the owner of an account the question that comes before a request: that may be long.
async fn ask_owner(
    members: &dyn OtherMembers,
    name: &AccountName,
    first: &HookQuestion,
    until: Instant,
) -> Asked {
    let Owner::Member(owner) = members.owner(name) else { return Asked::NotHosted };
    match ask(members, &owner, first, until).await {
        Ok(Some(HookReply::Hosted)) => Asked::Hosted(owner),
        Ok(Some(HookReply::WrongToken)) => Asked::WrongToken,
        // It has done nothing.
        Ok(Some(HookReply::Response(_) | HookReply::NotTaken) | None) | Err(_) => Asked::NotHosted,
    }
}

/// Passes a request on to the owner of its account.
async fn pass(members: &dyn OtherMembers, owner: &MemberId, hook: &HookQuestion, until: Instant) -> Passed {
    match ask(members, owner, hook, until).await {
        Ok(Some(HookReply::Response(response))) => Passed::Answered(response),
        Ok(Some(HookReply::NotTaken)) | Err(AskError::Unreachable | AskError::Silent(_)) => Passed::NotTaken,
        Ok(Some(HookReply::Hosted | HookReply::WrongToken) | None)
        | Err(AskError::Late(_) | AskError::TooLong) => Passed::Unanswered,
    }
}

async fn ask(
    members: &dyn OtherMembers,
    owner: &MemberId,
    question: &HookQuestion,
    until: Instant,
) -> Result<Option<HookReply>, AskError> {
    let within = until.saturating_duration_since(Instant::now());
    let answer = members.ask(owner, Topic::Hooks, question.to_question(), within).await;
    answer.map(|answer| HookReply::read(&answer))
}

#[cfg(test)]
mod tests;
