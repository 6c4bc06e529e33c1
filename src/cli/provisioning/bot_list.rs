//! `matterhost bots list`.

use comfy_table::{Table, presets};
use matterhost_actors::{mattermost::Bot, model::printable};
use serde_json::json;

use super::{ListArgs, administrator::BotError};
use crate::{
    cli::output::{print, print_error},
    config::{Bots, Config},
    host::Exit,
};

pub(super) fn run(args: &ListArgs, bots: &Bots) -> Exit {
    args.administrator.run(&args.file, bots, async |config, administrator| {
        let (client, token) = administrator.client();
        match client.bots(token).await {
            Ok(bots) if args.json => print(to_json(config, &bots).as_bytes()),
            Ok(bots) => print(to_table(config, &bots).as_bytes()),
            Err(error) => print_error(BotError::from(error)),
        }
    })
}

/// Returns true if an account of this name is configured.
fn is_hosted(config: &Config, bot: &Bot) -> bool {
    config.accounts.iter().any(|account| *account.name.as_str() == *bot.username)
}

fn to_json(config: &Config, bots: &[Bot]) -> String {
    let row = |bot: &Bot| {
        json!({
            "username": bot.username, "display_name": bot.display_name, "user_id": bot.user_id,
            "enabled": bot.delete_at == 0, "account": is_hosted(config, bot),
        })
    };
    format!("{:#}\n", json!(bots.iter().map(row).collect::<Vec<_>>()))
}

fn to_table(config: &Config, bots: &[Bot]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["bot", "display name", "state", "account"]);
    table.add_rows(bots.iter().map(|bot| {
        [
            format!("@{}", printable(&bot.username)),
            printable(&bot.display_name),
            (if bot.delete_at == 0 { "enabled" } else { "disabled" }).to_owned(),
            (if is_hosted(config, bot) { "configured" } else { "–" }).to_owned(),
        ]
    }));
    format!("{table}\n{} bots\n", bots.len())
}
