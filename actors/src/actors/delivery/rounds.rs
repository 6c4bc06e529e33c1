//! Catching up, as the Delivery sees it: what was missed goes first, what comes live meanwhile is held.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use actix::{Context, Handler, Message, MessageResult};
use tokio::sync::OwnedSemaphorePermit;

use super::{Delivery, Queued};
use crate::{
    model::{Event, PostId},
    policy::{Book, Listed, News},
};

/// The memory of one account, kept by the Supervisor: it outlives a Delivery that dies. The lock is held for a
/// look-up, never across a wait.
#[derive(Debug, Clone, Default)]
pub(in crate::actors) struct SharedBook(Arc<Mutex<Book>>);

/// Live events that wait while what was missed is fetched.
#[derive(Debug)]
pub(super) struct Round {
    under_way: bool,
    held: VecDeque<Queued>,
    /// Too many came: all that was held is dropped, and another round fetches it.
    overflown: bool,
    /// Permits that the held ones have, and the most that they may have.
    permits: usize,
    most: usize,
}

/// A socket is open: hold what it brings until a round is finished.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::actors) struct BeginRound;

/// The channels as the server lists them; answered with those that have news.
#[derive(Debug, Message)]
#[rtype(result = "Vec<News>")]
pub(in crate::actors) struct ShowListing {
    pub(in crate::actors) listing: Vec<Listed>,
    /// It is this late at least, by the server's clock.
    pub(in crate::actors) server_time: i64,
}

/// A post that was fetched. Answered with whether it is handed over: one that was heard already is not.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub(in crate::actors) struct Recovered {
    pub(in crate::actors) event: Event,
    pub(in crate::actors) permit: OwnedSemaphorePermit,
}

/// All is fetched. Answered with whether everything held was kept: if not, another round is due.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub(in crate::actors) struct FinishRound;

impl SharedBook {
    pub(super) fn with<T>(&self, f: impl FnOnce(&mut Book) -> T) -> T {
        // A panic while it was held leaves a book that is whole.
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Round {
    pub(super) fn new(most: usize) -> Self {
        Self { under_way: false, held: VecDeque::new(), overflown: false, permits: 0, most }
    }

    /// Keeps an event while a round is under way; gives it back otherwise.
    pub(super) fn hold(&mut self, queued: Queued) -> Option<Queued> {
        if !self.under_way {
            return Some(queued);
        }
        self.permits += queued.permit.num_permits();
        self.held.push_back(queued);
        if self.overflown || self.permits > self.most {
            self.overflown = true;
            self.take();
        }
        None
    }

    /// A post was fetched: if it is held, too, it need not come twice.
    fn fetched(&mut self, id: &PostId) {
        let is_it = |queued: &Queued| queued.event.body.post.as_ref().is_some_and(|post| post.id == *id);
        if let Some(queued) = self.held.iter().position(is_it).and_then(|place| self.held.remove(place)) {
            self.permits -= queued.permit.num_permits();
        }
    }

    /// Takes all that is held.
    fn take(&mut self) -> VecDeque<Queued> {
        self.permits = 0;
        std::mem::take(&mut self.held)
    }
}

impl Delivery {
    /// Puts an event in its lane, unless it brings a post that was taken before.
    pub(super) fn queue(&mut self, queued: Queued) -> bool {
        let body = &queued.event.body;
        let overlap = self.env.settings.catch_up.overlap_ms();
        let taken = match &body.post {
            Some(post) => self.book.with(|book| book.take(&body.channel_id, post, overlap)),
            None => true,
        };
        if taken {
            self.lanes.push(body.channel_id.clone(), queued);
        }
        taken
    }
}

impl Handler<BeginRound> for Delivery {
    type Result = ();

    fn handle(&mut self, _: BeginRound, _: &mut Context<Self>) {
        // What an unfinished round before this one held is still held: it was heard, and comes after what is fetched.
        self.round.under_way = true;
    }
}

impl Handler<ShowListing> for Delivery {
    type Result = MessageResult<ShowListing>;

    fn handle(&mut self, shown: ShowListing, _: &mut Context<Self>) -> Self::Result {
        let overlap = self.env.settings.catch_up.overlap_ms();
        self.round.overflown = false;
        MessageResult(self.book.with(|book| book.listed(&shown.listing, shown.server_time, overlap)))
    }
}

impl Handler<Recovered> for Delivery {
    type Result = bool;

    fn handle(&mut self, recovered: Recovered, ctx: &mut Context<Self>) -> bool {
        if let Some(post) = &recovered.event.body.post {
            self.round.fetched(&post.id);
        }
        let taken = self.queue(Queued { event: Arc::new(recovered.event), permit: recovered.permit });
        self.pump(ctx);
        taken
    }
}

impl Handler<FinishRound> for Delivery {
    type Result = bool;

    fn handle(&mut self, _: FinishRound, ctx: &mut Context<Self>) -> bool {
        self.book.with(Book::fetched);
        if self.round.overflown {
            return false;
        }
        self.round.under_way = false;
        for queued in self.round.take() {
            self.queue(queued);
        }
        self.pump(ctx);
        true
    }
}
