//! The two servers that the simulator can be.

use clap::ValueEnum;

/// The version of the simulated server: its behaviour and the form of its answers, as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ServerVersion {
    /// 5.37, of 2021. The default: it lacks the list of all channels, knows no threads of their own, and tells a disabled
    /// bot that it is offline. A client that copes with it needs nothing that is new.
    #[default]
    #[value(name = "5.37")]
    V5_37,
    /// 11.1, of 2025 (facts 30 to 42).
    #[value(name = "11.1")]
    V11_1,
}

impl ServerVersion {
    /// All versions, for tests that hold on each.
    pub const ALL: [Self; 2] = [Self::V5_37, Self::V11_1];

    pub(crate) fn is_current(self) -> bool {
        self == Self::V11_1
    }

    /// The version as ping and `ETag` give it.
    pub(crate) fn number(self) -> &'static str {
        match self {
            Self::V5_37 => "5.37.0",
            Self::V11_1 => "11.1.0",
        }
    }

    /// The parts after the version in hello and in `X-Version-Id`: build, hash of the configuration, licence.
    pub(crate) fn build(self) -> &'static str {
        match self {
            Self::V5_37 => ".521f211fcc4f02e1dcd53eec4fead3ef.false",
            Self::V11_1 => {
                "11.1.0-91ce593d27.5621b54c5a7c87036905b0ef95620ea2a19f1fa6ed032a0f9f5900c506b323f3.false"
            }
        }
    }
}
