//! The record of the commands that are registered.

use std::{fs::File, io::Read as _, path::PathBuf};

use matterhost_actors::model::ServerName;
use serde::{Deserialize, Serialize};

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
    /// The token in its requests.
    pub token: Box<str>,
}

/// The registered commands, as a file keeps them from one run to the next.
pub(super) struct Record {
    /// `None` if there is no directory for it: commands that are taken out while the host is down then stay.
    file: Option<PathBuf>,
    commands: Vec<RegisteredCommand>,
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
        let commands = text.map(|text| Ok::<_, anyhow::Error>(serde_json::from_str(&text?)?));
        let commands = commands.transpose().unwrap_or_else(|error| {
            tracing::warn!("the record of the slash commands cannot be read; it is written anew: {error}");
            None
        });
        Self { file, commands: commands.unwrap_or_default(), is_changed: false }
    }

    /// Returns all commands.
    pub(super) fn commands(&self) -> &[RegisteredCommand] {
        &self.commands
    }

    /// Returns the commands of a server.
    pub(super) fn of(&self, server: &ServerName) -> Vec<RegisteredCommand> {
        self.commands.iter().filter(|command| *command.server == *server.as_str()).cloned().collect()
    }

    /// Replaces the commands of a server.
    pub(super) fn replace(&mut self, server: &ServerName, mut commands: Vec<RegisteredCommand>) {
        commands.sort_by(|a, b| a.id.cmp(&b.id));
        if self.of(server) != commands {
            self.commands.retain(|command| *command.server != *server.as_str());
            self.commands.append(&mut commands);
            self.is_changed = true;
        }
    }

    /// Writes the file if there is something new.
    pub(super) fn write(&mut self) {
        let Some(path) = self.file.as_ref().filter(|_| self.is_changed) else { return };
        // Text and names always serialize.
        let text = serde_json::to_string(&self.commands).unwrap_or_default();
        match generated_token::write_private(path, &text) {
            Ok(()) => self.is_changed = false,
            Err(error) => {
                tracing::warn!(file = %path.display(), "the record of the slash commands cannot be written; trying again: {error}");
            }
        }
    }
}
