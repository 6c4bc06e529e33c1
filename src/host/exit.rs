//! How the program ends: every exit code there is.

use std::process::ExitCode;

/// How the program ends. `docs/CLI.md` tells the same, held to it by a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All went well: also after a signal, and when the reader of standard output has heard enough.
    Success,
    /// Something failed: a check, standard output, or a dead letter that is left.
    Failed,
    /// The command line cannot be understood.
    Usage,
    /// The configuration cannot be used (`EX_CONFIG` of `sysexits.h`).
    Config,
    /// A second SIGINT came before all was handed over (128 + 2).
    Interrupted,
    /// A second SIGTERM came before all was handed over (128 + 15).
    Terminated,
}

impl Exit {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Success, Self::Failed, Self::Usage, Self::Config, Self::Interrupted, Self::Terminated];

    /// What the caller sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Config => 78,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
