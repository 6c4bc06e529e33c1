//! The program as a command that refuses secrets in what it says.

use std::{
    ffi::OsStr,
    io,
    ops::{Deref, DerefMut},
    path::Path,
    process::{Command, Output},
};

use matterhost_simulator::TOKEN_PREFIX;

/// Refuses what shows a token or a secret, as each that a test makes up holds the simulator's mark, and escape characters:
/// no output of a test is a terminal, so these could only come from foreign text.
#[track_caller]
pub(crate) fn refuse_secrets(said: &str) {
    assert!(!said.contains('\x1b'), "an escape character is shown:\n{said:?}");
    assert!(
        !said.contains(TOKEN_PREFIX),
        "a token or a secret is shown:\n{}",
        said.replace(TOKEN_PREFIX, "[mark]")
    );
}

/// A command that runs the program, and refuses secrets in what it says.
pub(crate) struct Program(pub(crate) Command);

impl Program {
    pub(crate) fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.0.env(name, value);
        self
    }

    pub(crate) fn current_dir(&mut self, dir: impl AsRef<Path>) -> &mut Self {
        self.0.current_dir(dir);
        self
    }

    /// Runs it to its end.
    pub(crate) fn output(&mut self) -> io::Result<Output> {
        let output = self.0.output()?;
        for said in [&output.stdout, &output.stderr] {
            refuse_secrets(&String::from_utf8_lossy(said));
        }
        Ok(output)
    }
}

impl Deref for Program {
    type Target = Command;

    fn deref(&self) -> &Command {
        &self.0
    }
}

impl DerefMut for Program {
    fn deref_mut(&mut self) -> &mut Command {
        &mut self.0
    }
}

impl From<Program> for Command {
    fn from(program: Program) -> Self {
        program.0
    }
}
