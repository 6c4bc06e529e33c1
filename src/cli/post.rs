//! `matterhost post`.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use matterhost_actors::model::{
    AccountName, Attachment, FileContent, StoredFile, check_file_name, printable,
};

use super::{
    output::{call_host, print, print_error},
    progress::Progress,
};
use crate::{
    actions::{BotAction, MAX_FILES},
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
    /// The text, in Markdown; standard input if it is -, or left out without --file
    text: Option<String>,
    /// Root post of the thread to reply in
    #[arg(long, value_name = "POST")]
    thread: Option<String>,
    /// File to attach; may be repeated, up to ten times
    #[arg(long = "file", value_name = "PATH")]
    files: Vec<PathBuf>,
    /// Idempotency key: commands with the same key create the post once
    #[arg(long)]
    key: Option<String>,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Posts as the account and prints the ids of the posts, one a line.
pub(super) fn run(args: PostArgs) -> Exit {
    let PostArgs { account, target, text, thread, files, key, admin } = args;
    let text = match text {
        Some(text) if text != "-" => Ok(text),
        None if !files.is_empty() => Ok(String::new()),
        Some(_) | None => read_text(),
    };
    let text = match text {
        Ok(text) => text,
        Err(error) => {
            return print_error(format_args!("the text cannot be read from standard input: {error}"));
        }
    };
    if files.len() > MAX_FILES {
        return print_error(format_args!("{} files: a post has {MAX_FILES} at most", files.len()));
    }
    let files: Vec<_> = match files.iter().map(|path| open(path)).collect() {
        Ok(files) => files,
        Err(error) => return print_error(error),
    };
    call_host(&admin, async |client| {
        let mut ids = Vec::with_capacity(files.len());
        for file in &files {
            let (progress, name, len) = (Progress::new(), printable(&file.name), file.bytes.len().max(1));
            let show = move |sent: u64| {
                progress.show(|| format!("{name}: {} %", sent.saturating_mul(100) / len));
            };
            ids.push(client::upload_file(&client, &account, &target, file, show).await?);
        }
        let (target, props) = (Some(target), serde_json::Map::new());
        let action = BotAction::Post { target, text, thread, props, key, files: ids };
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

/// Opens a file to upload.
fn open(path: &Path) -> Result<Attachment, String> {
    let failed =
        |problem: &dyn std::fmt::Display| format!("{} cannot be uploaded: {problem}", path.display());
    let file = File::open(path).and_then(|file| StoredFile::new(file, ())).map_err(|error| failed(&error))?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    check_file_name(&name).map_err(|error| failed(&error))?;
    Ok(Attachment { name, bytes: FileContent::Stored(Arc::new(file)) })
}
