//! `matterhost bots create`.

use std::{fs, path::Path};

use matterhost_actors::{
    mattermost::{Bot, Me, NewBot, RestErrorKind},
    model::{AccountName, ChannelId, Token},
};

use super::{
    CreateArgs,
    administrator::{Administrator, BotError, each_bot},
};
use crate::{
    cli::{account_files::AccountFiles, output::print_error},
    config::{AccountConfig, Bots, Config, read_secret},
    host::Exit,
};

/// The purpose of our tokens, by which `rotate` finds the old one.
pub(super) const TOKEN_DESCRIPTION: &str = "matterhost";

/// A picture's largest size: the server's default limit for files is larger.
const MAX_PICTURE_BYTES: u64 = 10 * 1024 * 1024;

/// The parts of the command that all bots share, looked up once.
struct Plan {
    files: AccountFiles,
    /// The team's name and id.
    team: Option<(String, Box<str>)>,
    /// The names and ids of the channels.
    channels: Vec<(String, ChannelId)>,
    picture: Option<Vec<u8>>,
}

pub(super) fn run(args: &CreateArgs, bots: &Bots) -> Exit {
    args.administrator.run(&args.file, bots, async |config, administrator| {
        let plan = match Plan::of(args, config, administrator).await {
            Ok(plan) => plan,
            Err(error) => return print_error(error),
        };
        each_bot(&args.names, async |name| plan.create(args, config, administrator, name).await).await
    })
}

impl Plan {
    async fn of(args: &CreateArgs, config: &Config, administrator: &Administrator) -> Result<Self, BotError> {
        let files = AccountFiles::of(config)?;
        let picture = args.picture.as_deref().map(read_picture).transpose()?;
        let (client, token) = administrator.client();
        let team = match &args.team {
            Some(name) => match client.team_by_name(token, name).await {
                Ok(id) => Some((name.clone(), id)),
                Err(error) if error.kind == RestErrorKind::NotFound => {
                    return Err(BotError::Other(format!(
                        "there is no team {name:?}; give its name in addresses"
                    )));
                }
                Err(error) => return Err(error.into()),
            },
            None => None,
        };
        let mut channels = Vec::new();
        for name in &args.channel {
            let Some((team, id)) = &team else { break };
            match client.channel_by_name(token, id, name).await {
                Ok(channel) => channels.push((name.clone(), channel)),
                Err(error) if error.kind == RestErrorKind::NotFound => {
                    let message = format!("team {team} has no channel {name:?}; give its name in addresses");
                    return Err(BotError::Other(message));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self { files, team, channels, picture })
    }

    /// Creates what is missing of one bot: the account last, so that its host finds everything else.
    async fn create(
        &self,
        args: &CreateArgs,
        config: &Config,
        administrator: &Administrator,
        name: &AccountName,
    ) -> Result<String, BotError> {
        let (client, token) = administrator.client();
        let (bot, done) = self.bot(args, administrator, name).await?;
        let mut done = vec![done];
        if let Some(picture) = &self.picture {
            client.set_picture(token, &bot.user_id, picture).await?;
        }
        done.extend(self.join(administrator, &bot).await?);
        let file = self.files.token_file(name);
        let is_elsewhere =
            |account: &AccountConfig| account.name == *name && account.token_file.as_ref() != Some(&file);
        if config.accounts.iter().any(is_elsewhere) {
            done.push("its token is elsewhere in the configuration, and stays".into());
            return Ok(done.join("; "));
        }
        if let Some(own) = self.current_token(administrator, name, &bot).await? {
            done.push(format!("its token in {} stays", file.display()));
            self.files.write(name, &administrator.server, &own)?;
            return Ok(done.join("; "));
        }
        let (id, own) = client.create_token(token, &bot.user_id, TOKEN_DESCRIPTION).await?;
        if let Err(error) = self.files.write(name, &administrator.server, &own) {
            // It will never be used.
            client.revoke_token(token, &id).await?;
            return Err(error.into());
        }
        done.push(format!("token in {}", file.display()));
        Ok(done.join("; "))
    }

    /// Adds the bot to the team and the channels, and says to which.
    async fn join(&self, administrator: &Administrator, bot: &Bot) -> Result<Option<String>, BotError> {
        let (client, token) = administrator.client();
        let Some((team, id)) = &self.team else { return Ok(None) };
        client.add_to_team(token, id, &bot.user_id).await?;
        let mut joined = vec![format!("in team {team}")];
        for (channel, id) in &self.channels {
            client.add_to_channel(token, id, &bot.user_id).await?;
            joined.push(format!("channel {channel}"));
        }
        Ok(Some(joined.join(", ")))
    }

    /// Returns the bot with this name, enabled, and says what was done for that.
    async fn bot(
        &self,
        args: &CreateArgs,
        administrator: &Administrator,
        name: &AccountName,
    ) -> Result<(Bot, String), BotError> {
        let (client, token) = administrator.client();
        match client.bot_by_name(token, name.as_str()).await? {
            Some(bot) if bot.delete_at == 0 => Ok((bot, "exists".into())),
            Some(bot) => {
                client.set_bot_enabled(token, &bot.user_id, true).await?;
                Ok((bot, "exists; enabled again".into()))
            }
            None => {
                let new = NewBot {
                    username: name.to_string(),
                    display_name: args.display.clone(),
                    description: "Hosted by matterhost".into(),
                };
                Ok((client.create_bot(token, &new).await?, "created".into()))
            }
        }
    }

    /// Returns the token in the account's file, if it is this bot's and valid.
    async fn current_token(
        &self,
        administrator: &Administrator,
        name: &AccountName,
        bot: &Bot,
    ) -> Result<Option<Token>, BotError> {
        let read = read_secret(&self.files.token_file(name)).ok().and_then(|text| Token::new(text).ok());
        let Some(token) = read else { return Ok(None) };
        let (client, _) = administrator.client();
        match client.me(&token, None).await {
            Ok(response) => Ok(match response.value {
                Me::User { user, .. } if user.id == bot.user_id => Some(token),
                Me::User { .. } | Me::Unmodified => None,
            }),
            Err(error) if error.kind == RestErrorKind::Unauthorized => Ok(None),
            // A token that may be valid is not replaced.
            Err(error) => Err(error.into()),
        }
    }
}

fn read_picture(path: &Path) -> Result<Vec<u8>, BotError> {
    let fail = |what: String| BotError::Other(format!("--picture: {}: {what}", path.display()));
    let size = fs::metadata(path).map_err(|error| fail(error.to_string()))?.len();
    if size > MAX_PICTURE_BYTES {
        return Err(fail(format!("it has more than {MAX_PICTURE_BYTES} bytes; use a smaller picture")));
    }
    fs::read(path).map_err(|error| fail(error.to_string()))
}
