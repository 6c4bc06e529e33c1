//! The poster of the sinks and of the API: it fills in buttons, and makes the actions that answer a request of the server part of
//! its response.

use std::{future::ready, sync::Arc, time::SystemTime};

use futures_util::{FutureExt as _, future::BoxFuture};
use matterhost_actors::{
    model::{
        AccountName, ChannelId, Excerpt, FileId, Found, IntegrationCall, Lookup, OutgoingAction, PostedIds,
        ReplyError, ServerLimits, UserId,
    },
    ports::{FileDownload, Poster},
};

use super::{
    IntegrationError, Integrations, Origin,
    open_hooks::{Diverted, OpenHooks},
};

/// A poster in front of another.
pub(super) struct HookPoster {
    pub(super) inner: Arc<dyn Poster>,
    pub(super) open: Arc<OpenHooks>,
    pub(super) integrations: Integrations,
}

impl Poster for HookPoster {
    fn post(
        &self,
        account: &AccountName,
        mut action: OutgoingAction,
    ) -> BoxFuture<'static, Result<PostedIds, ReplyError>> {
        if let Err(error) = self.fill(account, &mut action) {
            return ready(Err(ReplyError::Refused { cause: Excerpt::of(&error) })).boxed();
        }
        match self.open.divert(account, action) {
            Diverted::Taken => ready(Ok(PostedIds::default())).boxed(),
            Diverted::Replaced(action) | Diverted::AsIs(action) => self.inner.post(account, action),
            Diverted::Impossible(cause) => ready(Err(ReplyError::Refused { cause: cause.into() })).boxed(),
        }
    }

    fn may_act(&self, account: &AccountName) -> bool {
        self.inner.may_act(account)
    }

    fn is_hosted(&self, account: &AccountName) -> BoxFuture<'static, bool> {
        self.inner.is_hosted(account)
    }

    fn can_send(&self, account: &AccountName) -> BoxFuture<'static, bool> {
        self.inner.can_send(account)
    }

    fn user_called(&self, account: &AccountName, channel: &ChannelId, user: &UserId) {
        self.inner.user_called(account, channel, user);
    }

    fn look_up(
        &self,
        account: &AccountName,
        lookup: Lookup,
    ) -> BoxFuture<'static, Result<Found, ReplyError>> {
        self.inner.look_up(account, lookup)
    }

    fn open_file(
        &self,
        account: &AccountName,
        id: FileId,
    ) -> BoxFuture<'static, Result<FileDownload, ReplyError>> {
        self.inner.open_file(account, id)
    }

    fn server_limits(&self, account: &AccountName) -> BoxFuture<'static, Result<ServerLimits, ReplyError>> {
        self.inner.server_limits(account)
    }
}

impl HookPoster {
    /// Fills in the buttons of a post.
    fn fill(&self, account: &AccountName, action: &mut OutgoingAction) -> Result<(), IntegrationError> {
        let now = SystemTime::now();
        match action {
            OutgoingAction::Post(draft) | OutgoingAction::Ephemeral { draft, .. } => {
                self.integrations.fill(account, draft.channel.as_str(), None, &mut draft.props, now)
            }
            OutgoingAction::Edit { post, props: Some(props), .. } => {
                // The channel of an edited post is not known; its id says as much.
                self.integrations.fill(account, "", Some(post.as_str()), props, now)
            }
            OutgoingAction::Integration {
                channel,
                call: IntegrationCall::OpenDialog { user, url, dialog, .. },
            } => {
                let (channel_id, user_id) = (channel.to_string(), user.to_string());
                let known = self.open.origin(account, &channel_id, &user_id);
                let origin = known.unwrap_or(Origin { user_id, channel_id, ..Origin::default() });
                *url = self.integrations.fill_dialog(account, origin, dialog, now)?.into();
                Ok(())
            }
            OutgoingAction::Edit { .. }
            | OutgoingAction::Update { .. }
            | OutgoingAction::React { .. }
            | OutgoingAction::Unreact { .. }
            | OutgoingAction::Delete { .. }
            | OutgoingAction::Typing { .. }
            | OutgoingAction::Upload { .. }
            | OutgoingAction::Integration { call: IntegrationCall::AnswerCommand { .. }, .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
