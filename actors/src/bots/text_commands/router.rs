mod dispatch;
mod hook_handlers;

use std::{collections::HashSet, fmt, future::Future, time::Duration};

use parking_lot::Mutex;

use self::hook_handlers::HookHandler;
use super::{
    Call,
    command::{Command, CommandHandler},
    cool_down::CoolDowns,
    restrictions::Access,
    run_handler::{RouterSchedule, RunHandler},
    usage::Usage,
};
use crate::{
    bots::{
        Bot, BotResult, ButtonPress, Context, DialogSubmission, Post, Run, Schedule, ScheduleError,
        SlashCommand, schedules,
    },
    model::Target,
};

/// The mark before a command by default.
const DEFAULT_PREFIX: &str = "!";

/// The name of the generated help.
const HELP: &str = "help";

/// A bot that runs commands.
///
/// A slash command of the same name runs the command, too: `/deploy staging`, or `/bot deploy staging` if no command is named `bot`.
/// A text is a command if it begins with the prefix (`!`) or a mention of the bot, or is in a direct channel with it. Posts of
/// webhooks and other bots are none, unless [`accept_bots`](Self::accept_bots) is set. Methods such as
/// [`describe`](Self::describe) are about the command added last. A wrong call keeps the host from starting, with all of
/// them named.
///
/// A bot with more handlers keeps a router and calls [`run`](Self::run):
///
/// ```
/// use matterhost_actors::bots::{Bot, BotResult, Context, Post, Router};
///
/// struct Helper {
///     router: Router,
/// }
///
/// impl Bot for Helper {
///     async fn posted(&self, context: &Context, post: &Post) -> BotResult {
///         if !self.router.run(context, post).await? && post.message.contains("thank") {
///             context.react("heart").await?;
///         }
///         Ok(())
///     }
///
///     fn problems(&self) -> Vec<String> {
///         self.router.problems()
///     }
/// }
/// ```
#[must_use]
pub struct Router {
    prefix: Box<str>,
    commands: Vec<Command>,
    buttons: Vec<HookHandler<ButtonPress>>,
    dialogs: Vec<HookHandler<DialogSubmission>>,
    /// The kind of the handler added last, to which restrictions belong.
    last: Last,
    accepts_bots: bool,
    cool_downs: Mutex<CoolDowns>,
    schedules: Vec<RouterSchedule>,
    last_schedule_failed: bool,
    problems: Vec<String>,
}

/// The kind of a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Command,
    Button,
    Dialog,
}

impl Router {
    /// Returns a router without commands.
    pub fn new() -> Self {
        Self {
            prefix: DEFAULT_PREFIX.into(),
            commands: Vec::new(),
            buttons: Vec::new(),
            dialogs: Vec::new(),
            last: Last::Command,
            accepts_bots: false,
            cool_downs: Mutex::default(),
            schedules: Vec::new(),
            last_schedule_failed: false,
            problems: Vec::new(),
        }
    }

    /// Replaces the prefix `!`.
    pub fn prefix(mut self, prefix: &str) -> Self {
        if prefix.is_empty() || prefix.contains(char::is_whitespace) || prefix.starts_with(['/', '@']) {
            return self.problem(format!(
                "the prefix {prefix:?} cannot be used: Mattermost keeps / and @ for itself; write another mark, such as !"
            ));
        }
        self.prefix = prefix.into();
        self
    }

    /// Takes commands in posts of other bots and of webhooks, too. A webhook's posts count as those of the person who
    /// created it: its address is then as good as that person's password.
    pub fn accept_bots(self) -> Self {
        Self { accepts_bots: true, ..self }
    }

    /// Adds a command. The usage names its parameters: `<name>`, `[name]` for one that may be left out, and `<name...>` or
    /// `[name...]` for the rest of the text.
    pub fn command<F, R>(mut self, name: &str, usage: &str, handler: F) -> Self
    where
        F: Fn(Call) -> R + Send + Sync + 'static,
        R: Future<Output = BotResult> + Send + 'static,
    {
        if self.commands.iter().any(|command| command.is_called(name)) {
            self.problems.push(format!("command {name:?} is there twice; name one differently"));
        }
        if !name.starts_with(char::is_alphanumeric) || name.contains(|c: char| c.is_whitespace() || c == '`')
        {
            self.problems.push(format!(
                "{name:?} cannot name a command; begin with a letter or digit, and use no spaces"
            ));
        }
        let usage = usage.parse().unwrap_or_else(|error| {
            self.problems.push(format!("command {name:?}: {error}"));
            Usage::default()
        });
        self.commands.push(Command {
            name: name.into(),
            usage,
            description: Box::default(),
            access: Access::default(),
            cool_down: Duration::ZERO,
            expires_after: None,
            handler: CommandHandler::new(handler),
        });
        self.last = Last::Command;
        self
    }

    /// Adds a handler of the buttons and menus with an id: letters and digits, as the post names it.
    pub fn button<F, R>(mut self, id: &str, handler: F) -> Self
    where
        F: Fn(Context, ButtonPress) -> R + Send + Sync + 'static,
        R: Future<Output = BotResult> + Send + 'static,
    {
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            self.problems.push(format!("{id:?} cannot name a button; write letters and digits"));
        }
        self.buttons.push(HookHandler::new(id, handler));
        self.last = Last::Button;
        self
    }

    /// Adds a handler of the dialogs with a `callback_id`. A cancelled dialog calls no handler.
    pub fn dialog<F, R>(mut self, callback_id: &str, handler: F) -> Self
    where
        F: Fn(Context, DialogSubmission) -> R + Send + Sync + 'static,
        R: Future<Output = BotResult> + Send + 'static,
    {
        self.dialogs.push(HookHandler::new(callback_id, handler));
        self.last = Last::Dialog;
        self
    }

    /// Describes the command for the help.
    pub fn describe(self, description: &str) -> Self {
        self.with_last("describe", |command| command.description = description.into())
    }

    /// Restricts the command or button to users, by `@name` or id. People can change their names: prefer ids where much depends on it.
    pub fn allow_users<'a>(self, users: impl IntoIterator<Item = &'a str>) -> Self {
        let (users, problems) = parse_all(users, |user| user.parse().map_err(|error| format!("{error}")));
        self.with_access("allow_users", |access| access.users.extend(users)).add_problems(problems)
    }

    /// Restricts the command or button to channels, by `team/channel` or id.
    pub fn allow_channels<'a>(self, channels: impl IntoIterator<Item = &'a str>) -> Self {
        let parse = |channel: &str| match channel.parse() {
            Ok(Target::User(_)) => Err(format!("{channel:?} is no channel; use allow_users for a person")),
            Ok(target) => Ok(target),
            Err(error) => Err(error.to_string()),
        };
        let (channels, problems) = parse_all(channels, parse);
        self.with_access("allow_channels", |access| access.channels.extend(channels)).add_problems(problems)
    }

    /// Restricts the command or button to the channels of teams, by name or id. A direct channel belongs to no team.
    pub fn allow_teams<'a>(self, teams: impl IntoIterator<Item = &'a str>) -> Self {
        let parse = |team: &str| match team {
            "" => Err("the name of a team is empty".to_owned()),
            team => Ok(Box::from(team)),
        };
        let (teams, problems) = parse_all(teams, parse);
        self.with_access("allow_teams", |access| access.teams.extend(teams)).add_problems(problems)
    }

    /// Makes each person wait before they call the command again. The time is that of the server, from post to post; a call
    /// that ends with a [`UserError`](crate::bots::UserError) does not count.
    pub fn cool_down(self, period: Duration) -> Self {
        self.with_last("cool_down", |command| command.cool_down = period)
    }

    /// Answers calls that the bot missed and that are older by the time they are fetched, instead of running the command: what was
    /// wanted last night may be wrong in the morning. Zero refuses every missed call. A call that came at once and then waited
    /// is carried out.
    pub fn expires_after(self, age: Duration) -> Self {
        self.with_last("expires_after", |command| command.expires_after = Some(age))
    }

    /// Adds a schedule in UTC; [`Schedule`] says how times are written. The pattern names it, unless [`named`](Self::named)
    /// does.
    pub fn every<F, R>(mut self, pattern: &str, handler: F) -> Self
    where
        F: Fn(Context, Run) -> R + Send + Sync + 'static,
        R: Future<Output = BotResult> + Send + 'static,
    {
        let name = pattern.split_whitespace().collect::<Vec<_>>().join("_");
        self.last_schedule_failed = false;
        match Schedule::new(&name, pattern) {
            Ok(schedule) => {
                self.schedules.push(RouterSchedule { schedule, handler: RunHandler::new(handler) });
            }
            Err(error) => {
                self.problems.push(error.to_string());
                self.last_schedule_failed = true;
            }
        }
        self
    }

    /// Names the schedule added last. Under its name the host remembers the runs.
    pub fn named(self, name: &str) -> Self {
        self.with_schedule("named", |schedule| schedule.renamed(name))
    }

    /// Sets the time zone of the schedule added last, such as `Europe/Berlin`.
    pub fn in_zone(self, zone: &str) -> Self {
        self.with_schedule("in_zone", |schedule| schedule.in_zone(zone))
    }

    /// Passes over missed runs of the schedule added last.
    pub fn skip_missed(self) -> Self {
        self.with_schedule("skip_missed", |schedule| Ok(schedule.skip_missed()))
    }

    fn with_schedule(
        mut self,
        method: &str,
        change: impl FnOnce(Schedule) -> Result<Schedule, ScheduleError>,
    ) -> Self {
        // A schedule that was refused is a problem already.
        if self.last_schedule_failed {
            return self;
        }
        match self.schedules.last_mut() {
            Some(last) => match change(last.schedule.clone()) {
                Ok(schedule) => last.schedule = schedule,
                Err(error) => self.problems.push(error.to_string()),
            },
            None => self.problems.push(format!("{method} needs a schedule before it; add one with every")),
        }
        self
    }

    fn with_access(mut self, method: &str, change: impl FnOnce(&mut Access)) -> Self {
        match (self.last, self.buttons.last_mut()) {
            (Last::Button, Some(button)) => {
                change(&mut button.access);
                self
            }
            (Last::Button | Last::Command, _) => self.with_last(method, |command| change(&mut command.access)),
            (Last::Dialog, _) => self.problem(format!(
                "{method} cannot restrict a dialog: it comes from the person for whom it was opened; restrict the command or button"
            )),
        }
    }

    fn with_last(mut self, method: &str, change: impl FnOnce(&mut Command)) -> Self {
        if self.last != Last::Command {
            return self.problem(format!("{method} is about a command; call it before button and dialog"));
        }
        match self.commands.last_mut() {
            Some(command) => change(command),
            None => self.problems.push(format!("{method} needs a command before it; add one first")),
        }
        self
    }

    fn problem(self, problem: String) -> Self {
        self.add_problems([problem])
    }

    fn add_problems(mut self, problems: impl IntoIterator<Item = String>) -> Self {
        self.problems.extend(problems);
        self
    }
}

/// Returns the names that occur before.
fn twice<'a>(names: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    let mut seen = HashSet::new();
    names.filter(move |name| !seen.insert(*name))
}

/// Parses texts, and returns the values and the problems.
fn parse_all<'a, T>(
    texts: impl IntoIterator<Item = &'a str>,
    parse: impl Fn(&'a str) -> Result<T, String>,
) -> (Vec<T>, Vec<String>) {
    let (mut values, mut problems) = (Vec::new(), Vec::new());
    for text in texts {
        match parse(text) {
            Ok(value) => values.push(value),
            Err(problem) => problems.push(problem),
        }
    }
    (values, problems)
}

impl Bot for Router {
    async fn posted(&self, context: &Context, post: &Post) -> BotResult {
        self.run(context, post).await.map(|_| ())
    }

    async fn slash_command(&self, context: &Context, command: &SlashCommand) -> BotResult {
        self.run_slash(context, command).await
    }

    async fn pressed(&self, context: &Context, press: &ButtonPress) -> BotResult {
        self.run_button(context, press).await
    }

    async fn submitted(&self, context: &Context, dialog: &DialogSubmission) -> BotResult {
        self.run_dialog(context, dialog).await
    }

    fn schedules(&self) -> Vec<Schedule> {
        self.schedules.iter().map(|known| known.schedule.clone()).collect()
    }

    async fn scheduled(&self, context: &Context, run: &Run) -> BotResult {
        let known = self.schedules.iter().find(|known| known.schedule.name() == &*run.schedule);
        match known {
            Some(known) => known.handler.run(context.clone(), run.clone()).await,
            None => Ok(()),
        }
    }

    fn problems(&self) -> Vec<String> {
        let names = self.schedules.iter().map(|known| known.schedule.name());
        let twice = twice(names).map(schedules::describe_twice);
        let buttons = self::twice(self.buttons.iter().map(|button| &*button.id));
        let buttons = buttons.map(|id| format!("button {id} is there twice; name one differently"));
        let dialogs = self::twice(self.dialogs.iter().map(|dialog| &*dialog.id));
        let dialogs = dialogs.map(|id| format!("dialog {id:?} is there twice; name one differently"));
        self.problems.iter().cloned().chain(twice).chain(buttons).chain(dialogs).collect()
    }
}

impl Default for Router {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router")
            .field("prefix", &self.prefix)
            .field("commands", &self.commands)
            .finish_non_exhaustive()
    }
}
