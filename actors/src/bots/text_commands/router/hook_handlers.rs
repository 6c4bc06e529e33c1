//! Slash commands, buttons and dialogs of a router.

use std::{future::Future, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{
    Call, HELP, Router,
    dispatch::{origin_of, private_answer},
};
use crate::bots::{
    BotResult, ButtonPress, Context, DialogSubmission, SlashCommand, UserError,
    text_commands::{addressing::Request, arguments::Arguments, restrictions::Access},
};

/// The handler of a button or dialog.
pub(super) struct HookHandler<T> {
    pub(super) id: Box<str>,
    pub(super) access: Access,
    run: Arc<dyn Fn(Context, T) -> BoxFuture<'static, BotResult> + Send + Sync>,
}

impl<T> HookHandler<T> {
    pub(super) fn new<F, R>(id: &str, handler: F) -> Self
    where
        F: Fn(Context, T) -> R + Send + Sync + 'static,
        R: Future<Output = BotResult> + Send + 'static,
    {
        let run = Arc::new(move |context, event| handler(context, event).boxed());
        Self { id: id.into(), access: Access::default(), run }
    }
}

impl Router {
    /// Runs the command that a slash command calls: the one of its name, or, if there is none, the one that its text begins with.
    pub(super) async fn run_slash(&self, context: &Context, slash: &SlashCommand) -> BotResult {
        let by_name = self.find(slash.trigger());
        let prefix = if by_name.is_some() { "/".to_owned() } else { format!("{} ", slash.command) };
        let call = |command: &str| Call {
            context: context.clone(),
            command: command.into(),
            user: slash.user_id.clone(),
            is_in_thread: slash.root_id.is_some(),
            arguments: Arguments::default(),
            prefix: prefix.as_str().into(),
            is_slash: true,
        };
        if let Some((n, command)) = by_name {
            return self.call(n, command, call(&command.name), &slash.text).await;
        }
        let request = Request::of_words(&slash.text);
        match self.find(request.name) {
            Some((n, command)) => self.call(n, command, call(&command.name), request.arguments).await,
            None if request.name.is_empty() || request.name.eq_ignore_ascii_case(HELP) => {
                self.answer_help(&call(HELP), request.arguments.trim()).await
            }
            None => self.answer_unknown(&call(request.name), request).await.map(|_| ()),
        }
    }

    pub(super) async fn run_button(&self, context: &Context, press: &ButtonPress) -> BotResult {
        let Some(button) = self.buttons.iter().find(|button| *button.id == *press.id) else {
            return private_answer(context, "This button does nothing any more.").await;
        };
        let origin = origin_of(context, &press.user_id, [&button.access]).await?;
        if button.access.check(&origin).is_err() {
            return private_answer(context, "This is not for you, or not here.").await;
        }
        match (button.run)(context.clone(), press.clone()).await {
            Ok(()) => Ok(()),
            Err(error) => private_answer(context, &error.downcast::<UserError>()?.text).await,
        }
    }

    /// Runs the handler of a dialog, unless the person cancelled it.
    pub(super) async fn run_dialog(&self, context: &Context, dialog: &DialogSubmission) -> BotResult {
        if dialog.cancelled {
            return Ok(());
        }
        let Some(known) = self.dialogs.iter().find(|known| *known.id == *dialog.callback_id) else {
            return refuse(context, "This dialog does nothing any more.").await;
        };
        match (known.run)(context.clone(), dialog.clone()).await {
            Ok(()) => Ok(()),
            Err(error) => refuse(context, &error.downcast::<UserError>()?.text).await,
        }
    }
}

/// Sends the person back to the dialog with a text about it as a whole.
async fn refuse(context: &Context, text: &str) -> BotResult {
    Ok(context.refuse_fields([("", text)]).await?)
}
