//! The checks of a request: its form, its token or signature, and that it is the first of its kind.

use std::time::{Instant, SystemTime};

use matterhost_actors::model::{AccountName, ServerName};
use secrecy::ExposeSecret as _;
use subtle::ConstantTimeEq as _;

use super::{
    super::{
        ActionClaims, ActionRequest, CommandRequest, DialogClaims, DialogRequest, HookData, HookKind,
        HookPath, Refusal, admission,
        open_hooks::OpenHook,
        passed_hook::{HookQuestion, ShownToken},
    },
    HookAccount, HookService,
};
use crate::config::AdminToken;

/// A request that passed the checks.
pub(super) struct Checked {
    pub(super) data: HookData,
    pub(super) hook: OpenHook,
    pub(super) server: ServerName,
}

impl HookAccount {
    /// Returns true for a command that the host registers, so that its token is none of the configuration.
    fn registers(&self, command: &str) -> bool {
        self.commands.get(command).is_some_and(Vec::is_empty)
    }

    /// Returns true if a token of the command is the one, also one that the host has registered. All are compared, so that the
    /// time does not say which one is nearly right.
    fn has_token(&self, registered: &[Box<str>], command: &str, is_it: impl Fn(&str) -> bool) -> bool {
        let Some(tokens) = self.commands.get(command) else { return false };
        let tokens = tokens.iter().map(AdminToken::expose).chain(registered.iter().map(|token| &**token));
        tokens.filter(|token| is_it(token)).count() > 0
    }
}

impl HookService {
    /// Checks a request that is to be passed on, as far as each member can, and returns the question that comes before it. A
    /// command that another member has registered may have another token by now, which that one knows.
    pub(in crate::hooks) fn check_to_pass_on(
        &self,
        account: &str,
        path: &HookPath,
        body: &[u8],
    ) -> Result<HookQuestion, Refusal> {
        match path {
            HookPath::Command(name) => match self.read_command(account, name, body) {
                Err(Refusal::WrongToken) if self.account(account)?.registers(name) => {
                    let token = CommandRequest::parse(body)?.token;
                    return Ok(HookQuestion::Accepts(ShownToken::new(account, name, token.expose_secret())));
                }
                read => read.map(drop),
            },
            HookPath::Action => self.read_action(account, body).map(drop),
            HookPath::Dialog => self.read_dialog(account, body).map(drop),
        }?;
        Ok(HookQuestion::Hosts(account.to_owned()))
    }

    /// Returns true if a token that another member was shown is one of the command's.
    pub(in crate::hooks) fn accepts(&self, shown: &ShownToken) -> bool {
        let (account, trigger) = (&*shown.account, &*shown.trigger);
        let known = self.account(account);
        known.is_ok_and(|known| {
            known.has_token(&self.registered_tokens(account, trigger), trigger, |token| shown.is(token))
        })
    }

    /// Reads a command that shows one of its tokens.
    fn read_command(
        &self,
        account: &str,
        name: &str,
        form: &[u8],
    ) -> Result<(ServerName, CommandRequest), Refusal> {
        let known = self.account(account)?;
        let request = CommandRequest::parse(form)?;
        if !known.commands.contains_key(name) {
            return Err(Refusal::UnknownCommand);
        }
        let (registered, shown) = (self.registered_tokens(account, name), request.token.expose_secret());
        let is_shown = |token: &str| token.as_bytes().ct_eq(shown.as_bytes()).into();
        if !known.has_token(&registered, name, is_shown) {
            return Err(Refusal::WrongToken);
        }
        Ok((known.server, request))
    }

    pub(super) fn check_command(&self, account: &str, name: &str, form: &[u8]) -> Result<Checked, Refusal> {
        let (server, request) = self.read_command(account, name, form)?;
        self.0.admission.lock().take_trigger(&request.trigger_id, Instant::now())?;
        let mut hook = OpenHook::new(HookKind::SlashCommand, request.origin.clone());
        hook.response_id = request.response_id.as_deref().map(Into::into);
        Ok(Checked { data: HookData::of_command(&request), hook, server })
    }

    /// Reads a button or menu that the host has signed for this account.
    fn read_action(
        &self,
        account: &str,
        body: &[u8],
    ) -> Result<(ServerName, ActionRequest, ActionClaims), Refusal> {
        let known = self.account(account)?;
        let request = ActionRequest::parse(body)?;
        let signer = self.0.integrations.signer();
        let claims = admission::check_action(&request, account, signer, SystemTime::now())?;
        Ok((known.server, request, claims))
    }

    pub(super) fn check_action(&self, account: &str, body: &[u8]) -> Result<Checked, Refusal> {
        let (server, request, claims) = self.read_action(account, body)?;
        self.0.admission.lock().take_trigger(&request.trigger_id, Instant::now())?;
        let data = HookData::of_action(&request, claims);
        let mut hook = OpenHook::new(data.kind, request.origin.clone());
        hook.post = Some(request.post_id.as_str().into());
        Ok(Checked { data, hook, server })
    }

    /// Reads a dialog that the host has signed for this account.
    fn read_dialog(
        &self,
        account: &str,
        body: &[u8],
    ) -> Result<(ServerName, DialogRequest, DialogClaims), Refusal> {
        let known = self.account(account)?;
        let request = DialogRequest::parse(body)?;
        let signer = self.0.integrations.signer();
        let claims = admission::check_dialog(&request, account, signer, SystemTime::now())?;
        Ok((known.server, request, claims))
    }

    pub(super) fn check_dialog(
        &self,
        account: &str,
        body: &[u8],
    ) -> Result<(DialogClaims, Checked), Refusal> {
        let (server, request, claims) = self.read_dialog(account, body)?;
        self.0.admission.lock().take_dialog(&claims, Instant::now())?;
        let hook = OpenHook::new(HookKind::Dialog, claims.origin.clone());
        let data = HookData::of_dialog(request, &claims);
        Ok((claims, Checked { data, hook, server }))
    }

    fn registered_tokens(&self, account: &str, trigger: &str) -> Vec<Box<str>> {
        let registered = self.0.registered.read();
        // One whose token is not known takes no requests.
        let of_command = registered.iter().filter(|known| {
            (&*known.account, &*known.trigger) == (account, trigger) && !known.token.is_empty()
        });
        of_command.map(|known| known.token.clone()).collect()
    }

    fn account(&self, account: &str) -> Result<HookAccount, Refusal> {
        let name = AccountName::new(account).map_err(|_| Refusal::UnknownAccount)?;
        self.0.accounts.read().get(&name).cloned().ok_or(Refusal::UnknownAccount)
    }
}
