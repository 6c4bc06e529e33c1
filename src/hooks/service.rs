//! The way of a request: checked, handed to the account's sinks, answered.

mod checked_hook;
mod wait;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, OnceLock},
    time::Duration,
};

use matterhost_actors::{
    model::{AccountName, Excerpt, ServerName},
    ports::Poster,
};
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant as TokioInstant;

use self::checked_hook::Checked;
use super::{
    HookAnswer, HookKind, HookPath, Integrations, Refusal, RegisteredCommand, admission::Admission,
    hook_poster::HookPoster, open_hooks::OpenHooks,
};
use crate::{
    admin::server::{AccountShares, OtherMembers},
    cluster::MOST_OPEN,
    config::AdminToken,
    sinks::SinkBoard,
    telemetry::metrics::HookMeter,
};

/// The time that a handler has for an answer in the response. The server waits longer (fact 43), people do not.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// The most requests that are being answered, of all accounts: a thousand a second for the three seconds that a person waits,
/// and as many that are answered later.
const MAX_AT_ONCE: usize = 4_000;

/// The most requests of other members that are being answered. The rest of the questions that are open at once is for short
/// ones: the question who hosts an account must not wait for handlers.
const MAX_PASSED: usize = MOST_OPEN - MOST_OPEN / 8;

/// The requests whose token another member is asked about are this part of the connections. That takes milliseconds; meanwhile
/// strangers with made-up tokens leave the others.
const UNCHECKED_PART: usize = 4;

/// The words for a person whose request no handler takes.
const NO_HANDLER: &str = "This bot does not take that.";
/// The words for a person whose request the handler failed at, or no member takes.
pub(super) const FAILED: &str = "The bot cannot answer now. Try again later.";
/// The words for a person whose request did not reach the handler, which has too many.
pub(super) const BUSY: &str = "The bot is too busy. Try again in a moment.";

/// The hooks of a host. Clones share them.
#[derive(Clone)]
pub struct HookService(Arc<Inner>);

struct Inner {
    accounts: RwLock<HashMap<AccountName, HookAccount>>,
    /// The commands that the host has registered.
    registered: RwLock<Vec<RegisteredCommand>>,
    integrations: Integrations,
    admission: Mutex<Admission>,
    open: Arc<OpenHooks>,
    sinks: OnceLock<SinkBoard>,
    poster: OnceLock<Arc<dyn Poster>>,
    /// The other members of the cluster, if the host is in one.
    members: OnceLock<Arc<dyn OtherMembers>>,
    meter: HookMeter,
    /// The connections on which people wait.
    connections: AccountShares,
    /// The requests with a token that only the member that hosts the account may know, until it has said so.
    unchecked: AccountShares,
    /// The requests of other members that are being answered.
    passed: AccountShares,
    /// The requests that are being answered, also after the response.
    at_once: AccountShares,
}

/// An account that takes hooks.
#[derive(Debug, Clone)]
pub struct HookAccount {
    /// Its server.
    pub server: ServerName,
    /// The tokens of its commands, by trigger. A command may have one for each team.
    pub commands: BTreeMap<String, Vec<AdminToken>>,
}

/// The response to a request.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct HookResponse {
    /// The HTTP status.
    pub status: u16,
    /// The JSON.
    pub body: Value,
}

impl HookService {
    /// Returns the hooks of a host with these integrations, whose listener has so many connections.
    pub fn new(integrations: Integrations, max_connections: usize, meter: HookMeter) -> Self {
        Self(Arc::new(Inner {
            accounts: RwLock::default(),
            registered: RwLock::default(),
            integrations,
            admission: Mutex::default(),
            open: Arc::default(),
            sinks: OnceLock::new(),
            poster: OnceLock::new(),
            members: OnceLock::new(),
            meter,
            connections: AccountShares::new(max_connections),
            unchecked: AccountShares::new((max_connections / UNCHECKED_PART).max(1)),
            passed: AccountShares::new(MAX_PASSED),
            at_once: AccountShares::new(MAX_AT_ONCE),
        }))
    }

    /// Returns the poster for sinks and for the API, in front of another.
    pub fn poster(&self, inner: Arc<dyn Poster>) -> Arc<dyn Poster> {
        let (open, integrations) = (Arc::clone(&self.0.open), self.0.integrations.clone());
        let poster: Arc<dyn Poster> = Arc::new(HookPoster { inner, open, integrations });
        // It is set once.
        let _ = self.0.poster.set(Arc::clone(&poster));
        poster
    }

    /// Sets the sinks, once they run.
    pub fn set_sinks(&self, board: SinkBoard) {
        let _ = self.0.sinks.set(board);
    }

    /// Sets the other members of the cluster, which answer for the accounts that they host.
    pub fn set_members(&self, members: Arc<dyn OtherMembers>) {
        let _ = self.0.members.set(members);
    }

    /// Sets the accounts that take hooks.
    pub fn set_accounts(&self, accounts: HashMap<AccountName, HookAccount>) {
        *self.0.accounts.write() = accounts;
    }

    /// Returns what fills in buttons, menus and dialogs.
    pub(super) fn integrations(&self) -> &Integrations {
        &self.0.integrations
    }

    /// Adds a command that the host has registered, or replaces it.
    pub(super) fn accept_registered(&self, command: &RegisteredCommand) {
        let mut registered = self.0.registered.write();
        registered.retain(|known| (&known.server, &known.id) != (&command.server, &command.id));
        registered.push(command.clone());
    }

    /// Sets the commands that the host has registered.
    pub(super) fn set_registered(&self, commands: &[RegisteredCommand]) {
        *self.0.registered.write() = commands.to_vec();
    }

    /// Returns the connections on which people wait.
    pub(super) fn connections(&self) -> &AccountShares {
        &self.0.connections
    }

    /// Returns the places of requests whose token another member is asked about.
    pub(super) fn unchecked(&self) -> &AccountShares {
        &self.0.unchecked
    }

    /// Returns the places of other members' requests.
    pub(super) fn places_of_members(&self) -> &AccountShares {
        &self.0.passed
    }

    pub(super) fn members(&self) -> Option<Arc<dyn OtherMembers>> {
        self.0.members.get().cloned()
    }

    pub(super) fn meter(&self) -> &HookMeter {
        &self.0.meter
    }

    /// Returns true if the configuration has the account.
    pub(super) fn knows(&self, account: &AccountName) -> bool {
        self.0.accounts.read().contains_key(account)
    }

    /// Returns true if this member of a cluster answers for the account: it hosts it, and will go on to.
    pub(super) fn hosts(&self, account: &AccountName) -> bool {
        let may_act = self.0.poster.get().is_some_and(|poster| poster.may_act(account));
        let takes_hooks = self.0.sinks.get().is_some_and(|board| board.takes_hooks(account));
        self.knows(account) && may_act && takes_hooks
    }

    /// Answers a request for an account of this host: a command's form, or the JSON of a button, a menu or a dialog. While the
    /// person waits, it has one of the places.
    pub(super) async fn answer_here(
        &self,
        account: &str,
        path: &HookPath,
        body: &[u8],
        until: TokioInstant,
        places: &AccountShares,
    ) -> HookResponse {
        let checked = match path {
            HookPath::Command(name) => self.check_command(account, name, body),
            HookPath::Action => self.check_action(account, body),
            HookPath::Dialog => return self.answer_dialog(account, body, until, places).await,
        };
        self.respond(path.label(), (account, checked), until, places).await
    }

    async fn answer_dialog(
        &self,
        account: &str,
        body: &[u8],
        until: TokioInstant,
        places: &AccountShares,
    ) -> HookResponse {
        let (claims, checked) = match self.check_dialog(account, body) {
            Ok((claims, checked)) => (Some(claims), Ok(checked)),
            Err(refusal) => (None, Err(refusal)),
        };
        let response = self.respond(HookPath::Dialog.label(), (account, checked), until, places).await;
        // Any other answer leaves the dialog open.
        let is_done = response.body.as_object().is_some_and(serde_json::Map::is_empty);
        if let Some(claims) = claims.filter(|_| !is_done) {
            self.0.admission.lock().reopen_dialog(&claims);
        }
        response
    }

    async fn respond(
        &self,
        hook: &'static str,
        (account, checked): (&str, Result<Checked, Refusal>),
        until: TokioInstant,
        places: &AccountShares,
    ) -> HookResponse {
        let timer = self.0.meter.start(hook);
        let (account, checked) = match (AccountName::new(account), checked) {
            (Ok(account), Ok(checked)) => (account, checked),
            (_, Err(refusal)) => {
                timer.finish(refusal.label());
                return refuse(&refusal, hook, account);
            }
            (Err(_), Ok(_)) => return refuse(&Refusal::UnknownAccount, hook, account),
        };
        let Some((_place, answering)) = places.take(&account).zip(self.0.at_once.take(&account)) else {
            timer.finish(Refusal::Busy.label());
            return refuse(&Refusal::Busy, hook, account.as_str());
        };
        let kind = checked.data.kind;
        let (answer, outcome) = self.ask(&account, checked, answering, until).await;
        timer.finish(outcome);
        HookResponse { status: 200, body: answer.into_json(kind) }
    }
}

pub(super) fn refuse(refusal: &Refusal, hook: &str, account: &str) -> HookResponse {
    // Lines have a limit for each account. One that does not exist is a text of the caller's choice.
    let (known, unknown) = match refusal {
        Refusal::UnknownAccount => (None, Some(Excerpt::of(account))),
        _ => (Some(account), None),
    };
    let unknown = unknown.map(tracing::field::display);
    tracing::warn!(account = known, unknown, hook, "a request to a hook is refused: {refusal}");
    let Some(words) = refusal.words() else {
        return HookResponse {
            status: refusal.status(),
            body: serde_json::json!({ "detail": refusal.to_string() }),
        };
    };
    let kind = match hook {
        "command" => HookKind::SlashCommand,
        "action" => HookKind::Button,
        _ => HookKind::Dialog,
    };
    HookResponse { status: 200, body: HookAnswer::words(words).into_json(kind) }
}
