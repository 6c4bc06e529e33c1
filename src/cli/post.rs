//! `matterhost post`.

use std::io::{self, Read as _};

use clap::Args;
use matterhost_actors::model::AccountName;

use super::output::{call_host, print, print_error};
use crate::{
    actions::BotAction,
    admin::client::{self, AdminArgs},
    host::Exit,
};

/// The longest text, in bytes: a host takes no longer one.
const MAX_TEXT_BYTES: u64 = 200 * 1024;

#[derive(Debug, Args)]
pub(super) struct PostArgs {
    /// The account that posts
    #[arg(value_name = "ACCOUNT", value_parser = AccountName::new)]
    account: AccountName,
    /// The channel: its id, team/channel, or @username for a direct message
    target: String,
    /// The text, in Markdown; standard input if it is - or left out
    text: Option<String>,
    /// Root post of the thread to reply in
    #[arg(long, value_name = "POST")]
    thread: Option<String>,
    /// Idempotency key: commands with the same key create the post once
    #[arg(long)]
    key: Option<String>,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Posts as the account and prints the ids of the posts, one a line.
pub(super) fn run(args: PostArgs) -> Exit {
    let PostArgs { account, target, text, thread, key, admin } = args;
    let text = match text.filter(|text| text != "-").map_or_else(read_text, Ok) {
        Ok(text) => text,
        Err(error) => {
            return print_error(format_args!("the text cannot be read from standard input: {error}"));
        }
    };
    let action = BotAction::Post { target: Some(target), text, thread, props: serde_json::Map::new(), key };
    call_host(&admin, async |client| {
        let ids = client::take_action(&client, &account, &action).await?;
        Ok(print((ids.join("\n") + "\n").as_bytes()))
    })
}

/// Reads the text from standard input, without the last line's end.
fn read_text() -> io::Result<String> {
    let mut text = String::new();
    io::stdin().lock().take(MAX_TEXT_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_TEXT_BYTES {
        return Err(io::Error::other(format!("it is longer than {MAX_TEXT_BYTES} bytes")));
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
