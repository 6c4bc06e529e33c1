//! Hooks: slash commands, buttons, menus and dialogs, which the server sends by HTTP and handlers answer.

mod admission;
mod answer;
mod event;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod hook_poster;
mod hook_request;
mod integrations;
mod members;
mod open_hooks;
mod outcomes;
mod passed_hook;
mod refusal;
mod registrar;
mod seen;
mod server;
mod service;
mod signer;

pub use self::{
    answer::{AnswerText, FieldErrors, HookAnswer, HookKind, PostUpdate},
    event::{HookData, HookedAccount},
    hook_request::{ActionRequest, CommandRequest, DialogRequest, MalformedRequest, Origin},
    integrations::{IntegrationError, Integrations},
    passed_hook::HookPath,
    refusal::Refusal,
    registrar::{CommandRegistrar, RegisteredCommand},
    seen::Seen,
    server::HookServer,
    service::{HookAccount, HookResponse, HookService},
    signer::{ActionClaims, DialogClaims, SignatureError, Signer},
};

use std::time::Duration;

/// The time for which a dialog can be sent. People keep one open while they look something up.
const DIALOG_LIFETIME: Duration = Duration::from_secs(24 * 3600);
