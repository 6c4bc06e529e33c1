//! The exit statuses.

use std::process::ExitCode;

/// The exit status of the program. A test holds `docs/CLI.md` to this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Success, also after a signal, and when the reader of standard output closes the pipe.
    Success,
    /// A failure: of a check, of standard output, of the store, or a dead letter that remains.
    Failed,
    /// The command line is invalid.
    Usage,
    /// The configuration is invalid, or the store cannot be opened (`EX_CONFIG` of `sysexits.h`).
    Config,
    /// A second SIGINT arrived before all events were delivered (128 + 2).
    Interrupted,
    /// A second SIGTERM arrived before all events were delivered (128 + 15).
    Terminated,
}

impl Exit {
    /// All exit statuses.
    pub const ALL: [Self; 6] =
        [Self::Success, Self::Failed, Self::Usage, Self::Config, Self::Interrupted, Self::Terminated];

    /// Returns the numeric code.
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
