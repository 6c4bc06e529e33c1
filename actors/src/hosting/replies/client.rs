//! What every request of one account needs: the account's standing, the gate's leave, a client, and a memory.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use crate::{
    hosting::context::Env,
    mattermost::{Answer, Me, RestError, RestErrorKind},
    model::{Fact, Generation, ReplyError, Token, UserId},
    policy::{GaveUp, RequestClass, Sent, Standing, Trouble},
    ports::{Api, ApiFactory},
};

/// What every request of one account needs.
pub(super) struct Desk {
    env: RefCell<Arc<Env>>,
    generation: Cell<Generation>,
    /// This Arbiter's client, and what it was made from.
    api: RefCell<(Arc<dyn ApiFactory>, Rc<dyn Api>)>,
    /// Requests on their way at once.
    slots: RefCell<Arc<Semaphore>>,
    pub(super) sent: RefCell<Sent>,
    /// How large a file may be, once it was asked.
    pub(super) max_file_size: Cell<Option<u64>>,
}

/// A request that was not answered as it should be.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) trouble: Trouble,
    pub(super) cause: String,
    /// The account is stopped.
    stopped: bool,
}

impl Desk {
    pub(super) fn new(env: Arc<Env>) -> Self {
        let (factory, api, slots) = (env.api.clone(), env.api.api(), slots(&env));
        Self {
            env: RefCell::new(env),
            generation: Cell::default(),
            api: RefCell::new((factory, api)),
            slots: RefCell::new(slots),
            sent: RefCell::default(),
            max_file_size: Cell::default(),
        }
    }

    pub(super) fn env(&self) -> Arc<Env> {
        self.env.borrow().clone()
    }

    /// Another generation runs for the account.
    pub(super) fn goes_on(&self, generation: Generation) {
        self.generation.set(generation);
    }

    /// The gate, the client, the token or the settings may be new.
    pub(super) fn renew(&self, env: Arc<Env>) {
        if !Arc::ptr_eq(&env.api, &self.api.borrow().0) {
            *self.api.borrow_mut() = (env.api.clone(), env.api.api());
            self.max_file_size.set(None);
        }
        if env.settings.replies.in_flight != self.env().settings.replies.in_flight {
            // Requests under way hold slots of the old ones, and end soon.
            *self.slots.borrow_mut() = slots(&env);
        }
        *self.env.borrow_mut() = env;
    }

    pub(super) fn observe(&self, fact: Fact) {
        self.env.borrow().observe(self.generation.get(), fact);
    }

    /// Makes one request as soon as the account may speak and the gate gives leave.
    pub(super) async fn ask<T>(
        &self,
        deadline: Instant,
        ask: impl AsyncFnOnce(&dyn Api, &Token) -> Result<Answer<T>, RestError>,
    ) -> Result<T, Failed> {
        let leave = timeout_at(deadline, self.leave()).await;
        let _slot = leave.unwrap_or_else(|_| Err(self.no_leave()))?;
        let (env, api) = (self.env(), self.api.borrow().1.clone());
        match ask(&*api, &env.token).await {
            Ok(answer) => {
                env.gate.answered(answer.rate);
                Ok(answer.value)
            }
            Err(error) => {
                env.gate.failed(&error);
                Err(Failed { trouble: trouble(error.kind), cause: error.to_string(), stopped: false })
            }
        }
    }

    async fn leave(&self) -> Result<OwnedSemaphorePermit, Failed> {
        if self.env().vitals.until_decided().await == Standing::Stopped {
            return Err(Failed { stopped: true, ..Failed::not_done("the account is stopped") });
        }
        let slots = self.slots.borrow().clone();
        let slot = slots.acquire_owned().await.map_err(|error| Failed::not_done(&error))?;
        let env = self.env();
        let permit = env.gate.permit(RequestClass::Reply, &env.account).await;
        permit.map(|_| slot).map_err(|error| Failed::not_done(&error))
    }

    /// Why there was no leave in time.
    fn no_leave(&self) -> Failed {
        let state = self.env().vitals.state();
        Failed::not_done(&format_args!("no request could be made, the account being {state}"))
    }

    /// The account's own user.
    pub(super) async fn me(&self, deadline: Instant) -> Result<UserId, Failed> {
        if let Some(user) = self.env().book.with(|book| book.account().user.clone()) {
            return Ok(user);
        }
        match self.ask(deadline, async |api, token| api.me(token, None).await).await? {
            Me::User { user, .. } => Ok(user.id),
            Me::Unmodified => Err(Failed::not_done("304 to a question without an ETag")),
        }
    }

    /// What is told when it is not tried any more.
    pub(super) fn error(&self, gave_up: GaveUp, failed: Failed) -> ReplyError {
        let env = self.env();
        let account = env.account.clone();
        match gave_up {
            _ if failed.stopped => ReplyError::Stopped(account),
            GaveUp::Refused => ReplyError::Refused { cause: failed.cause },
            GaveUp::TooLate { unsure } => {
                let (state, waited) = (env.vitals.state(), env.settings.replies.deadline);
                ReplyError::TooLate { account, state, waited, cause: failed.cause, unsure }
            }
        }
    }
}

fn slots(env: &Env) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(env.settings.replies.in_flight.clamp(1, Semaphore::MAX_PERMITS)))
}

impl Failed {
    pub(super) fn not_done(cause: &(impl std::fmt::Display + ?Sized)) -> Self {
        let trouble = Trouble::NotDone { retry_after: None };
        Self { trouble, cause: cause.to_string(), stopped: false }
    }

    /// What cannot be mended by waiting.
    pub(super) fn is_final(&self) -> bool {
        self.stopped
    }

    /// The same for a request that changes nothing that matters.
    pub(super) fn harmless(self) -> Self {
        match self.trouble {
            Trouble::Unsure => Self { trouble: Trouble::NotDone { retry_after: None }, ..self },
            Trouble::Refused | Trouble::NotDone { .. } => self,
        }
    }
}

/// What an error says about what was asked for.
fn trouble(kind: RestErrorKind) -> Trouble {
    use RestErrorKind as K;
    match kind {
        K::RateLimited { retry_after } => Trouble::NotDone { retry_after },
        K::Unauthorized | K::Tls | K::Redirect => Trouble::NotDone { retry_after: None },
        K::NotFound => Trouble::Refused,
        K::Refused(status) if status != 408 => Trouble::Refused,
        K::Refused(_)
        | K::Unreachable
        | K::Timeout
        | K::Server(_)
        | K::NotJson
        | K::TooLarge
        | K::BadBody => Trouble::Unsure,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_not_refused_for_certain_may_have_been_done() {
        let wait = Some(Duration::from_secs(7));
        let not_done = Trouble::NotDone { retry_after: None };
        for (kind, expected) in [
            (RestErrorKind::RateLimited { retry_after: wait }, Trouble::NotDone { retry_after: wait }),
            (RestErrorKind::Unauthorized, not_done),
            (RestErrorKind::Tls, not_done),
            (RestErrorKind::Redirect, not_done),
            (RestErrorKind::NotFound, Trouble::Refused),
            (RestErrorKind::Refused(400), Trouble::Refused),
            (RestErrorKind::Refused(403), Trouble::Refused),
            (RestErrorKind::Refused(413), Trouble::Refused),
            (RestErrorKind::Refused(408), Trouble::Unsure),
            (RestErrorKind::Unreachable, Trouble::Unsure),
            (RestErrorKind::Timeout, Trouble::Unsure),
            (RestErrorKind::Server(502), Trouble::Unsure),
            (RestErrorKind::NotJson, Trouble::Unsure),
            (RestErrorKind::BadBody, Trouble::Unsure),
            (RestErrorKind::TooLarge, Trouble::Unsure),
        ] {
            assert_eq!(trouble(kind), expected, "{kind:?}");
        }
    }
}
