//! The sink of bots in Rust that the program was built with.
//!
//! Each account that delivers to it has a bot of its own. There is no thread and no queue: handlers run on the thread that delivers,
//! and an account has at most `delivery.in_flight` events with its bot. An event that a bot rejects becomes a dead letter.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::FutureExt as _;
use matterhost_actors::{
    bots::{AnyBot, HostedSchedules, StartedSchedules},
    model::{AccountName, Event, ServerName},
    ports::{Delivered, EventSink, EventStorage, Outcome},
};
use parking_lot::Mutex;

use super::{
    HandlerDeps, cloud_event,
    hook_events::is_hook,
    message::Message,
    queue::{Room, Waiting},
    typing::Typing,
};
use crate::config::BotConfig;

/// The bots of a sink. Clones share them.
#[derive(Clone)]
pub(super) struct HostedBots(Arc<Inner>);

struct Inner {
    config: BotConfig,
    handler_deps: Arc<HandlerDeps>,
    /// Runs the schedules of the bots; `None` where no time passes.
    schedules: Option<HostedSchedules>,
    by_account: Mutex<HashMap<AccountName, HostedBot>>,
    /// True once no more runs of schedules are to begin.
    has_stopped: AtomicBool,
    /// True once the runs of schedules are forgotten, because the sink is removed.
    is_removed: AtomicBool,
    /// The events that bots have.
    handling: Arc<Waiting>,
}

/// The bot of an account.
struct HostedBot {
    account: AccountName,
    server: ServerName,
    /// `None` if it could not be made yet.
    bot: Option<AnyBot>,
    /// The schedules run as long as this is kept.
    schedules: Option<StartedSchedules>,
}

impl Drop for HostedBot {
    fn drop(&mut self) {
        if let Some(bot) = self.bot.take() {
            bot.retire(&self.account);
        }
    }
}

impl HostedBots {
    pub(super) fn new(
        config: BotConfig,
        handler_deps: HandlerDeps,
        schedules: Option<HostedSchedules>,
    ) -> Self {
        Self(Arc::new(Inner {
            config,
            handler_deps: Arc::new(handler_deps),
            schedules,
            by_account: Mutex::default(),
            has_stopped: AtomicBool::new(false),
            is_removed: AtomicBool::new(false),
            handling: Arc::default(),
        }))
    }

    /// Makes the bot of an account that delivers from now on, unless it has one of that server, and starts its schedules.
    pub(super) fn add_account(&self, account: &AccountName, server: &ServerName) {
        let Inner { schedules, by_account, .. } = &*self.0;
        if by_account.lock().get(account).is_some_and(|hosted| hosted.server == *server) {
            return;
        }
        let (name, server_name) = (account.clone(), server.clone());
        let hosted = HostedBot { account: name, server: server_name, bot: None, schedules: None };
        // Without the lock, here and below: the program's own code may take its time.
        let before = by_account.lock().insert(account.clone(), hosted);
        drop(before);
        if let (Err(cause), Some(all)) = (self.bot_of(account), schedules) {
            // Each event says so, too. A bot may have none.
            all.refuse(
                account,
                server,
                &format!("{cause}; its schedules begin with the event for which it is made"),
            );
        }
    }

    /// Drops the bot of an account that delivers no more, once it has handled its events, and forgets the runs of its schedules.
    pub(super) fn forget_account(&self, account: &AccountName, server: &ServerName) {
        let removed = {
            let mut by_account = self.0.by_account.lock();
            // Those of a sink that this one replaces, too; under the lock, so that those of a bot that comes next are kept.
            self.forget_runs(account, server);
            by_account.remove(account)
        };
        drop(removed);
    }

    fn forget_runs(&self, account: &AccountName, server: &ServerName) {
        let Inner { schedules, handler_deps, .. } = &*self.0;
        if let Some(all) = schedules {
            all.forget(account, server, &handler_deps.sink);
        }
    }

    /// Begins no more runs of schedules.
    pub(super) fn stop_schedules(&self) {
        self.0.has_stopped.store(true, Ordering::Release);
        self.0.by_account.lock().values_mut().for_each(|hosted| hosted.schedules = None);
    }

    /// Begins no more runs of schedules, and forgets them, because the sink is removed.
    pub(super) fn forget_schedules(&self) {
        self.0.is_removed.store(true, Ordering::Release);
        self.stop_schedules();
        for HostedBot { account, server, .. } in self.0.by_account.lock().values() {
            self.forget_runs(account, server);
        }
    }

    /// Returns the bot of an account, which is made if it could not be made before; a new one for the last events of an account
    /// that is forgotten already.
    fn bot_of(&self, account: &AccountName) -> Result<AnyBot, String> {
        let Inner { config, handler_deps, by_account, .. } = &*self.0;
        if let Some(bot) = by_account.lock().get(account).and_then(|hosted| hosted.bot.clone()) {
            return Ok(bot);
        }
        let HandlerDeps { sink, poster, .. } = &**handler_deps;
        let made = config.factory.make(sink, Arc::clone(poster), config.deadline)?;
        let faster = match by_account.lock().get_mut(account) {
            None => return Ok(made),
            Some(HostedBot { bot: Some(bot), .. }) => Err(bot.clone()),
            Some(hosted) => {
                hosted.bot = Some(made.clone());
                Ok(hosted.server.clone())
            }
        };
        match faster {
            Ok(server) => {
                self.start_schedules(&made, account, &server);
                Ok(made)
            }
            // Another event was faster.
            Err(bot) => {
                made.retire(account);
                Ok(bot)
            }
        }
    }

    fn start_schedules(&self, bot: &AnyBot, account: &AccountName, server: &ServerName) {
        let Inner { schedules: Some(all), by_account, has_stopped, is_removed, .. } = &*self.0 else {
            return;
        };
        let has_stopped = || has_stopped.load(Ordering::Acquire);
        if has_stopped() {
            return;
        }
        let started = all.start(bot, account, server);
        let mut by_account = by_account.lock();
        match by_account.get_mut(account) {
            Some(hosted) if !hosted.bot.as_ref().is_some_and(|kept| Arc::ptr_eq(kept.sink(), bot.sink())) => {
                // The account has another bot by now, which has taken over the runs.
            }
            Some(hosted) if !has_stopped() => hosted.schedules = Some(started),
            _ => {
                drop(started);
                // They were forgotten before they began.
                if is_removed.load(Ordering::Acquire) || !by_account.contains_key(account) {
                    self.forget_runs(account, server);
                }
            }
        }
    }

    /// Hands over an event of a dead letter.
    pub(super) fn submit(&self, message: &Message) -> Delivered {
        match cloud_event::decode(&message.json) {
            Some(event) => self.deliver(&Arc::new(event)),
            None => {
                Delivered::Now(Outcome::Rejected { cause: "the event of the letter cannot be read".into() })
            }
        }
    }

    /// Waits until all delivered events are answered.
    pub(super) async fn wait_until_idle(&self) {
        self.0.handling.wait_until_idle().await;
    }
}

impl EventSink for HostedBots {
    fn deliver(&self, event: &Arc<Event>) -> Delivered {
        self.deliver_with(event, &EventStorage::unavailable())
    }

    fn deliver_with(&self, event: &Arc<Event>, storage: &EventStorage) -> Delivered {
        let handler_deps = Arc::clone(&self.0.handler_deps);
        if let Some(fenced) = handler_deps.fence(&event.account) {
            return Delivered::Now(fenced);
        }
        let bot = match self.bot_of(&event.account) {
            Ok(bot) => bot,
            Err(cause) => return Delivered::Now(Outcome::Broken { cause }),
        };
        let room = Room::take(&self.0.handling, event.body.kept_bytes());
        let is_shown = handler_deps.shows_typing;
        let typing = is_shown.then(|| Typing::show(&handler_deps, &Message::from_event(event)));
        let (delivered, event) = (bot.sink().deliver_with(event, storage), Arc::clone(event));
        let answer = async move {
            let outcome = match delivered {
                Delivered::Now(outcome) => outcome,
                Delivered::Later(outcome) => outcome.await,
            };
            drop(typing);
            let outcome = match outcome {
                // A person waits for a command and reads that it failed: later it would be of no use.
                Outcome::Rejected { cause } if !is_hook(&event.body.event) => {
                    handler_deps.reject_without_blocking(Message::from_event(&event), cause).await
                }
                outcome => outcome,
            };
            drop(room);
            outcome
        };
        Delivered::Later(answer.boxed())
    }
}

#[cfg(test)]
mod tests;
