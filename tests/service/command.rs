//! The program as a command whose output must not contain secrets.

use std::{
    ffi::OsStr,
    io,
    ops::{Deref, DerefMut},
    path::Path,
    process::{Command, Output},
};

use matterhost_simulator::TOKEN_PREFIX;

/// Panics if a text contains a token or a secret: all of them in tests contain the simulator's mark. Escape characters are
/// refused too: no output of a test is a terminal, so they could only come from foreign text.
#[track_caller]
pub(crate) fn refuse_secrets(output: &str) {
    assert!(!output.contains('\x1b'), "the output contains an escape character:\n{output:?}");
    assert!(
        !output.contains(TOKEN_PREFIX),
        "the output contains a token or a secret:\n{}",
        output.replace(TOKEN_PREFIX, "[mark]")
    );
}

/// A command that runs the program and refuses secrets in its output.
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
        for stream in [&output.stdout, &output.stderr] {
            refuse_secrets(&String::from_utf8_lossy(stream));
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
