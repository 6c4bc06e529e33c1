//! The record of the commands that are registered.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use matterhost_actors::model::ServerName;
use serde::{Deserialize, Serialize};

use super::intended_commands::IntendedCommand;
use crate::admin::generated_token;

/// The longest record that is read: some ten thousand commands.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// A command that this host has registered.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredCommand {
    /// The server that has it.
    pub server: Box<str>,
    /// Its id there.
    pub id: Box<str>,
    /// The account that answers it.
    pub account: Box<str>,
    /// The word after the slash.
    pub trigger: Box<str>,
    /// The token in its requests; empty if the server has not shown it.
    pub token: Box<str>,
}

/// The commands that servers have or may have.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct KnownCommands {
    /// Those that they have.
    pub(super) registered: Vec<RegisteredCommand>,
    /// Those whose creation was requested without a known answer.
    pub(super) intended: Vec<IntendedCommand>,
}

impl KnownCommands {
    /// Returns true if there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.registered.is_empty() && self.intended.is_empty()
    }
}

/// The known commands, as a file keeps them from one run to the next.
pub(super) struct Record {
    /// `None` if there is no directory for it: commands that are taken out while the host is down then stay.
    file: Option<PathBuf>,
    known: KnownCommands,
    /// True if the file lacks the newest change.
    is_changed: bool,
}

impl Record {
    /// Reads the file. Without a usable one nothing is registered yet; the commands are found again by their URL.
    pub(super) fn read(file: Option<PathBuf>) -> Self {
        let text = file.as_ref().filter(|path| path.exists()).map(|path| {
            let mut text = String::new();
            File::open(path)?.take(MAX_BYTES).read_to_string(&mut text)?;
            Ok::<_, std::io::Error>(text)
        });
        let known = text.map(|text| Ok::<_, anyhow::Error>(serde_json::from_str(&text?)?));
        let known = known.transpose().unwrap_or_else(|error| {
            tracing::warn!("the record of the slash commands cannot be read; it is written anew: {error}");
            None
        });
        Self { file, known: known.unwrap_or_default(), is_changed: false }
    }

    /// Returns the commands of all servers.
    pub(super) fn known(&self) -> &KnownCommands {
        &self.known
    }

    /// Returns the commands of a server.
    pub(super) fn of(&self, server: &ServerName) -> KnownCommands {
        let mut known = self.known.clone();
        known.registered.retain(|command| *command.server == *server.as_str());
        known.intended.retain(|command| *command.server == *server.as_str());
        known
    }

    /// Replaces the commands of a server.
    pub(super) fn replace(&mut self, server: &ServerName, mut commands: KnownCommands) {
        commands.registered.sort_by(|a, b| a.id.cmp(&b.id));
        if self.of(server) != commands {
            self.known.registered.retain(|command| *command.server != *server.as_str());
            self.known.intended.retain(|command| *command.server != *server.as_str());
            self.known.registered.append(&mut commands.registered);
            self.known.intended.append(&mut commands.intended);
            self.is_changed = true;
        }
    }

    /// Adds commands that are about to be created, and writes the file at once.
    ///
    /// # Errors
    /// If the file cannot be written: a host that is killed then would not find the commands again.
    pub(super) fn intend(&mut self, commands: &[IntendedCommand]) -> io::Result<()> {
        self.known.intended.extend_from_slice(commands);
        self.is_changed = true;
        self.save()
    }

    /// Writes the file if there is something new.
    pub(super) fn write(&mut self) {
        if let Err(error) = self.save() {
            let file = self.file.as_deref().unwrap_or(Path::new("")).display();
            tracing::warn!(%file, "the record of the slash commands cannot be written; trying again: {error}");
        }
    }

    fn save(&mut self) -> io::Result<()> {
        let Some(path) = self.file.as_ref().filter(|_| self.is_changed) else { return Ok(()) };
        // Text and names always serialize.
        let text = serde_json::to_string(&self.known).unwrap_or_default();
        generated_token::write_private(path, &text)?;
        self.is_changed = false;
        Ok(())
    }
}
