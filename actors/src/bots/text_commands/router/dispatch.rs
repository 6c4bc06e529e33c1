//! The way from a post to the handler of its command, or to an answer that explains why there is none.

use std::time::Duration;

use super::{HELP, Router};
use crate::{
    bots::{
        Bot as _, BotError, BotResult, Call, Context, Post, UserError,
        text_commands::{
            addressing::{Addressing, Request},
            answers,
            arguments::Arguments,
            command::Command,
            cool_down::{Admission, Caller},
            restrictions::{Access, Origin},
        },
    },
    model::{ReplyError, Retryability, UserId},
};

impl Router {
    /// Runs the command in a post. Returns false if the post holds none for this bot.
    ///
    /// # Errors
    /// Those of the handler, except a [`UserError`], and those of the answers.
    pub async fn run(&self, context: &Context, post: &Post) -> Result<bool, BotError> {
        let problems = self.problems();
        if !problems.is_empty() {
            return Err(problems.join("; ").into());
        }
        if context.event().own || (post.is_automated() && !self.accepts_bots) {
            return Ok(false);
        }
        let addressing = Addressing {
            prefix: &self.prefix,
            username: context.username(),
            is_direct: context.event().channel.as_ref().is_some_and(|channel| channel.is_direct()),
        };
        let Some(request) = Request::parse(&post.message, addressing) else { return Ok(false) };
        let call = |command: &str| Call {
            context: context.clone(),
            command: command.into(),
            user: post.user_id.clone(),
            is_in_thread: post.root_id.is_some(),
            arguments: Arguments::default(),
            prefix: (&*self.prefix).into(),
            is_slash: false,
        };
        match self.find(request.name) {
            Some((n, command)) => self.call(n, command, call(&command.name), request.arguments).await?,
            None if request.name.is_empty() || request.name.eq_ignore_ascii_case(HELP) => {
                self.answer_help(&call(HELP), request.arguments.trim()).await?;
            }
            None => return self.answer_unknown(&call(request.name), request).await,
        }
        Ok(true)
    }

    pub(super) fn find(&self, name: &str) -> Option<(usize, &Command)> {
        self.commands.iter().enumerate().find(|(_, command)| command.is_called(name))
    }

    /// Runs a command if the person may call it now and the arguments fit; otherwise answers the reason.
    pub(super) async fn call(&self, n: usize, command: &Command, call: Call, text: &str) -> BotResult {
        let origin = origin(&call, [command]).await?;
        if let Err(denial) = command.access.check(&origin) {
            return answer(&call, answers::denied(&call.prefix, command, denial)).await;
        }
        if let Some(age) = expired_age(&call.context, command) {
            return answer(&call, answers::expired(&call.prefix, command, age)).await;
        }
        let arguments = match Arguments::parse(&command.usage, text) {
            Ok(arguments) => arguments,
            Err(mismatch) => return answer(&call, answers::mismatch(&call.prefix, command, &mismatch)).await,
        };
        let caller = Caller { user: call.user.clone(), command: n };
        match self.admit(&call.context, &caller, command.cool_down) {
            Admission::Run => {}
            // In a channel everybody would read a second one; a slash command without an answer looks broken.
            Admission::Wait { is_told: true, .. } if !call.is_slash => return Ok(()),
            Admission::Wait { left, .. } => {
                return answer(&call, answers::wait(&call.prefix, command, left)).await;
            }
        }
        let result = command.handler.run(Call { arguments, ..call.clone() }).await;
        let Err(error) = result else { return Ok(()) };
        let error = error.downcast::<UserError>()?;
        self.cool_downs.lock().withdraw(&caller, &call.context.event().id());
        let UserError { text, shows_usage } = *error;
        let text = if shows_usage { answers::with_usage(&call.prefix, command, &text) } else { text };
        answer(&call, text).await
    }

    fn admit(&self, context: &Context, caller: &Caller, period: Duration) -> Admission {
        if period.is_zero() {
            return Admission::Run;
        }
        let event = context.event();
        self.cool_downs.lock().admit(context.event_time(), caller, &event.id(), period)
    }

    /// Answers with the list of the commands that the person may call there, or with the help for one of them.
    pub(super) async fn answer_help(&self, call: &Call, name: &str) -> BotResult {
        let origin = origin(call, &self.commands).await?;
        let is_allowed = |command: &&Command| command.access.check(&origin).is_ok();
        let name = name.strip_prefix(&*call.prefix).unwrap_or(name);
        let text = match self.find(name).map(|(_, command)| command).filter(is_allowed) {
            Some(command) => answers::help(&call.prefix, command),
            None if name.is_empty() => answers::list(&call.prefix, self.commands.iter().filter(is_allowed)),
            None => {
                let names = self.commands.iter().filter(is_allowed).map(|command| &*command.name);
                answers::unknown(&call.prefix, name, answers::meant(name, names))
            }
        };
        answer(call, text).await
    }

    /// Answers to an unknown command, unless it is likely to be one of another bot.
    pub(super) async fn answer_unknown(&self, call: &Call, request: Request<'_>) -> Result<bool, BotError> {
        let names = self.commands.iter().map(|command| &*command.name).chain([HELP]);
        let meant = answers::meant(request.name, names);
        let is_answered = request.is_certain || meant.is_some();
        if is_answered {
            answer(call, answers::unknown(&call.prefix, request.name, meant)).await?;
        }
        Ok(is_answered)
    }
}

/// Returns the age of a missed call that is too old to be carried out.
fn expired_age(context: &Context, command: &Command) -> Option<Duration> {
    let limit = command.expires_after.filter(|_| context.is_recovered())?;
    Some(context.age()).filter(|age| *age >= limit)
}

/// Answers with what the router itself has to say. A slash command is seen by its person only, and so is the answer.
async fn answer(call: &Call, text: String) -> BotResult {
    if call.is_slash {
        return private_answer(&call.context, &text).await;
    }
    call.reply(text).await?;
    Ok(())
}

pub(super) async fn private_answer(context: &Context, text: &str) -> BotResult {
    Ok(context.reply_privately(text).await?)
}

/// Returns the origin of a call, with what the commands need of it. What the server does not tell stays unknown.
async fn origin(call: &Call, commands: impl IntoIterator<Item = &Command>) -> Result<Origin, ReplyError> {
    origin_of(&call.context, &call.user, commands.into_iter().map(|command| &command.access)).await
}

/// Returns the origin of what a person did, with what the restrictions need of it.
pub(super) async fn origin_of(
    context: &Context,
    user: &UserId,
    restrictions: impl IntoIterator<Item = &Access>,
) -> Result<Origin, ReplyError> {
    let (mut needs_name, mut needs_info) = (false, false);
    for access in restrictions {
        needs_name |= access.needs_name();
        needs_info |= access.needs_info();
    }
    let name = if needs_name { known(context.sender_name().await)? } else { None };
    let info = if needs_info { known(context.channel_info().await)? } else { None };
    Ok(Origin { user: user.clone(), name, channel: context.channel().clone(), info })
}

/// Returns the answer of a look-up, if there will ever be one.
fn known<T>(answer: Result<T, ReplyError>) -> Result<Option<T>, ReplyError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.retryability() == Retryability::Permanent => Ok(None),
        Err(error) => Err(error),
    }
}
