//! The requests that wait for the answer of a handler, and those that a handler may still answer.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use matterhost_actors::model::{
    AccountName, DIALOG_ERRORS, Draft, HOOK_ANSWER, IntegrationCall, OutgoingAction, ReplyKey,
};
use parking_lot::Mutex;

use super::{
    answer::{AnswerText, FieldErrors, HookAnswer, HookKind, PostUpdate},
    hook_request::Origin,
};
use crate::actions::MAX_POSTS_PER_EVENT;

/// The time for which the server takes later answers to a command.
const LATE_ANSWERS: Duration = Duration::from_secs(30 * 60);
/// The later answers that the server takes (fact 43).
const MAX_LATE_ANSWERS: u32 = 5;
/// The requests that are remembered for later answers: more than half an hour of a busy server. The oldest are forgotten.
const MAX_OPEN: usize = 20_000;
/// The longest text in an answer, in characters; a longer one is posted, in several posts.
const MAX_TEXT_CHARS: usize = 4_000;

/// The texts of a request that are remembered: twice the posts that answer an event.
const MAX_SEEN: usize = 2 * MAX_POSTS_PER_EVENT;

/// The requests that wait, by account and event.
#[derive(Debug, Default)]
pub(super) struct OpenHooks(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    hooks: HashMap<HookKey, Arc<OpenHook>>,
    /// The oldest first.
    order: VecDeque<HookKey>,
}

/// The account and the id of the event.
type HookKey = (AccountName, Box<str>);

/// A request that waits.
#[derive(Debug)]
pub(super) struct OpenHook {
    pub(super) kind: HookKind,
    pub(super) origin: Origin,
    /// The post with the button.
    pub(super) post: Option<Box<str>>,
    /// The id for later answers to a command.
    pub(super) response_id: Option<Box<str>>,
    opened: Instant,
    state: Mutex<HookState>,
    /// The keys of its texts, and true for those that are part of the answer or later answers. They come again with an event that is
    /// tried again.
    seen: Mutex<Vec<(ReplyKey, bool)>>,
}

#[derive(Debug)]
enum HookState {
    /// The person waits; the answer so far.
    Waiting(HookAnswer),
    /// The server has its answer; the number of later ones.
    Answered(u32),
}

/// The consequence of an action.
#[derive(Debug, PartialEq)]
pub(super) enum Diverted {
    /// It is part of the answer.
    Taken,
    /// Another action takes its place.
    Replaced(OutgoingAction),
    /// It is taken as any other.
    AsIs(OutgoingAction),
    /// It cannot be done any more, or never could.
    Impossible(&'static str),
}

impl OpenHook {
    pub(super) fn new(kind: HookKind, origin: Origin) -> Self {
        Self {
            kind,
            origin,
            post: None,
            response_id: None,
            opened: Instant::now(),
            state: Mutex::new(HookState::Waiting(HookAnswer::default())),
            seen: Mutex::default(),
        }
    }

    /// Ends the wait, and returns the answer so far. Later answers stay counted.
    pub(super) fn close(&self) -> HookAnswer {
        let state = &mut *self.state.lock();
        let HookState::Waiting(answer) = state else { return HookAnswer::default() };
        let answer = std::mem::take(answer);
        *state = HookState::Answered(0);
        answer
    }

    /// Takes a text into the answer, or makes it a later answer to the command. Returns it if it is to be posted.
    fn take_text(&self, draft: &Draft, in_channel: bool, now: Instant) -> Option<Diverted> {
        let key = draft.key.as_ref()?;
        let mut seen = self.seen.lock();
        if let Some((_, is_taken)) = seen.iter().find(|(seen, _)| seen == key) {
            return is_taken.then_some(Diverted::Taken);
        }
        let diverted = self.take_new_text(draft, in_channel, now);
        if seen.len() < MAX_SEEN {
            seen.push((key.clone(), diverted.is_some()));
        }
        diverted
    }

    fn take_new_text(&self, draft: &Draft, in_channel: bool, now: Instant) -> Option<Diverted> {
        let is_answer = draft.channel.as_str() == self.origin.channel_id
            && draft.files.is_empty()
            && draft.text.chars().count() <= MAX_TEXT_CHARS;
        if !is_answer {
            return None;
        }
        let text = AnswerText { text: draft.text.clone(), in_channel, props: draft.props.clone() };
        match &mut *self.state.lock() {
            HookState::Waiting(answer) => {
                let fits = HookAnswer::holds_text(self.kind, in_channel) && answer.text.is_none();
                // A button's answer shows a text without properties.
                let fits = fits && (self.kind == HookKind::SlashCommand || text.props.is_empty());
                fits.then(|| {
                    answer.text = Some(text);
                    Diverted::Taken
                })
            }
            HookState::Answered(later) => {
                let response_id = self.response_id.clone()?;
                let is_usable = *later < MAX_LATE_ANSWERS && now.duration_since(self.opened) < LATE_ANSWERS;
                is_usable.then(|| {
                    *later += 1;
                    let answer = HookAnswer { text: Some(text), ..HookAnswer::default() };
                    let answer = answer.into_json(HookKind::SlashCommand);
                    let call = IntegrationCall::AnswerCommand { response_id, answer };
                    Diverted::Replaced(OutgoingAction::Integration { channel: draft.channel.clone(), call })
                })
            }
        }
    }

    fn take_errors(&self, errors: BTreeMap<String, String>) -> Diverted {
        match &mut *self.state.lock() {
            HookState::Waiting(answer) if self.kind == HookKind::Dialog => {
                let known = answer.errors.get_or_insert_with(FieldErrors::default);
                for (field, text) in errors {
                    if field.is_empty() {
                        known.error = Some(text);
                    } else {
                        known.errors.insert(field, text);
                    }
                }
                Diverted::Taken
            }
            HookState::Waiting(_) => Diverted::Impossible("only a dialog has fields with errors"),
            HookState::Answered(_) => Diverted::Impossible("the dialog is closed already"),
        }
    }

    fn take_update(&self, text: &str, props: &serde_json::Map<String, serde_json::Value>) -> bool {
        match &mut *self.state.lock() {
            HookState::Waiting(answer) if answer.update.is_none() => {
                answer.update = Some(PostUpdate { message: text.to_owned(), props: props.clone() });
                true
            }
            HookState::Waiting(_) | HookState::Answered(_) => false,
        }
    }
}

impl OpenHooks {
    /// Opens a request.
    pub(super) fn open(&self, account: &AccountName, event: &str, hook: OpenHook) -> Arc<OpenHook> {
        let (key, hook) = ((account.clone(), event.into()), Arc::new(hook));
        let mut open = self.0.lock();
        open.forget(Instant::now());
        if open.hooks.insert(HookKey::clone(&key), Arc::clone(&hook)).is_none() {
            open.order.push_back(key);
        }
        hook
    }

    /// Decides about an action of an account: the answer of a request, or an action as any other.
    pub(super) fn divert(&self, account: &AccountName, action: OutgoingAction) -> Diverted {
        let now = Instant::now();
        match action {
            OutgoingAction::Post(mut draft) => {
                let hook = self.answered(account, &mut draft);
                if let Some(errors) = draft.props.remove(DIALOG_ERRORS) {
                    let errors = serde_json::from_value(errors).unwrap_or_default();
                    return hook.map_or(
                        Diverted::Impossible("the event is no dialog, or it is closed already"),
                        |hook| hook.take_errors(errors),
                    );
                }
                let taken = hook.and_then(|hook| hook.take_text(&draft, true, now));
                taken.unwrap_or(Diverted::AsIs(OutgoingAction::Post(draft)))
            }
            OutgoingAction::Ephemeral { user, mut draft } => {
                let hook = self.answered(account, &mut draft);
                let hook = hook.filter(|hook| user.as_str() == hook.origin.user_id);
                let taken = hook.and_then(|hook| hook.take_text(&draft, false, now));
                taken.unwrap_or(Diverted::AsIs(OutgoingAction::Ephemeral { user, draft }))
            }
            OutgoingAction::Edit { post, text, props: Some(props) } => {
                let waiting = self.waiting_at(account, post.as_str());
                if waiting.is_some_and(|hook| hook.take_update(&text, &props)) {
                    return Diverted::Taken;
                }
                Diverted::AsIs(OutgoingAction::Edit { post, text, props: Some(props) })
            }
            other => Diverted::AsIs(other),
        }
    }

    /// Returns the request that a reply answers, by the event in its key, and removes the mark of such a reply.
    fn answered(&self, account: &AccountName, draft: &mut Draft) -> Option<Arc<OpenHook>> {
        draft.props.remove(HOOK_ANSWER)?;
        let key = draft.key.as_ref()?.as_str();
        let (event, _) = key.split_once('#')?;
        self.0.lock().hooks.get(&(account.clone(), event.into())).cloned()
    }

    /// Returns the newest request of a button of this post.
    fn waiting_at(&self, account: &AccountName, post: &str) -> Option<Arc<OpenHook>> {
        let is_waiting = |hook: &OpenHook| matches!(*hook.state.lock(), HookState::Waiting(_));
        self.newest(account, |hook| hook.post.as_deref() == Some(post) && is_waiting(hook))
    }

    /// Returns the place of a person's newest request in a channel, with its names.
    pub(super) fn origin(&self, account: &AccountName, channel: &str, person: &str) -> Option<Origin> {
        let is_there = |origin: &Origin| origin.channel_id == channel && origin.user_id == person;
        Some(self.newest(account, |hook| is_there(&hook.origin))?.origin.clone())
    }

    fn newest(&self, account: &AccountName, is_it: impl Fn(&OpenHook) -> bool) -> Option<Arc<OpenHook>> {
        let open = self.0.lock();
        let of_account = open.order.iter().rev().filter(|(name, _)| name == account);
        of_account.filter_map(|key| open.hooks.get(key)).find(|hook| is_it(hook)).cloned()
    }
}

impl Open {
    fn forget(&mut self, now: Instant) {
        while let Some(key) = self.order.front() {
            let is_old = |hook: &Arc<OpenHook>| now.duration_since(hook.opened) >= LATE_ANSWERS;
            if self.order.len() < MAX_OPEN && !self.hooks.get(key).is_none_or(is_old) {
                return;
            }
            self.hooks.remove(key);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
