//! `matterhost post`.

use std::{
    cell::Cell,
    fs::File,
    io::{self, IsTerminal as _, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use matterhost_actors::model::{
    AccountName, Attachment, FileContent, StoredFile, check_file_name, printable,
};

use super::output::{call_host, print, print_error};
use crate::{
    actions::{BotAction, MAX_FILES},
    admin::client::{self, AdminArgs},
    host::Exit,
};

/// The longest text, in bytes: a host takes no longer one.
const MAX_TEXT_BYTES: u64 = 200 * 1024;

/// The time after which the progress of an upload is shown, and between two lines of it.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

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
            let progress = Progress::new(file);
            let show = move |sent| progress.show(sent);
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

/// The progress of an upload, shown on a terminal if it takes long.
struct Progress {
    name: String,
    len: u64,
    next: Cell<Instant>,
    is_shown: Cell<bool>,
}

impl Progress {
    fn new(file: &Attachment) -> Self {
        let next = Cell::new(Instant::now() + PROGRESS_INTERVAL);
        Self { name: printable(&file.name), len: file.bytes.len(), next, is_shown: Cell::new(false) }
    }

    fn show(&self, sent: u64) {
        let now = Instant::now();
        if now < self.next.get() || !io::stderr().is_terminal() {
            return;
        }
        self.next.set(now + PROGRESS_INTERVAL);
        self.is_shown.set(true);
        let percent = sent.saturating_mul(100) / self.len.max(1);
        // A terminal that is gone shows nothing.
        let _ = write!(io::stderr().lock(), "\r{}: {percent} %", self.name);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown.get() {
            let _ = writeln!(io::stderr().lock());
        }
    }
}
