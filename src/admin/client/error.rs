//! What can go wrong between the command line and a running host.

use crate::{admin::dto::Problem, config::ConfigError};

/// Too many ask, or the host cannot answer now.
const PASSING: [u16; 2] = [429, 503];

/// Why a running host could not be asked, or did not do it.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// What says where it is cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Something that was given on the command line, or in a variable, cannot be used.
    #[error("{message}; {remedy}")]
    Argument {
        /// What is wrong.
        message: String,
        /// How to mend it.
        remedy: String,
    },
    /// Nobody answers.
    #[error(
        "nothing answers at {endpoint} ({cause}); is matterhost running there? \
             Say where with --admin ADDRESS, or name its configuration with --config FILE"
    )]
    Unreachable {
        /// Where.
        endpoint: String,
        /// What the network said.
        cause: String,
    },
    /// Something answers there, but not in time.
    #[error(
        "{endpoint} was asked and gave no answer within {within_s} s; what was asked for may still be done: \
             its log and `matterhost status` tell"
    )]
    Timeout {
        /// Where.
        endpoint: String,
        /// How long it was waited for, in seconds.
        within_s: u64,
    },
    /// The token is missing or wrong.
    #[error("{endpoint} wants another token: {}; give --token-file FILE, or set {}", .problem.detail, super::TOKEN_VARIABLE)]
    Unauthorized {
        /// Where.
        endpoint: String,
        /// What it said.
        problem: Box<Problem>,
    },
    /// It refused.
    #[error("{}", said(.problem))]
    Refused {
        /// What it said.
        problem: Box<Problem>,
    },
    /// It is not well.
    #[error("{0}")]
    Unhealthy(String),
    /// What answers is something else.
    #[error("what answers at {endpoint} is no matterhost ({cause}); say where it is with --admin ADDRESS")]
    NotMatterhost {
        /// Where.
        endpoint: String,
        /// What was odd.
        cause: String,
    },
    /// What was asked for cannot be shown.
    #[error("standard output cannot be written: {0}")]
    Output(#[from] std::io::Error),
}

impl RemoteError {
    /// Whether asking again later may help: the host is away, busy or not well, which passes.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Unhealthy(_) => true,
            Self::Refused { problem } => PASSING.contains(&problem.status),
            Self::Config(_)
            | Self::Argument { .. }
            | Self::Unauthorized { .. }
            | Self::NotMatterhost { .. }
            | Self::Output(_) => false,
        }
    }
}

/// What a host said, with all that is wrong with its configuration.
fn said(problem: &Problem) -> String {
    problem.problems.iter().fold(problem.detail.clone(), |text, finding| {
        format!("{text}\n  {}: {}; {}", finding.key, finding.problem, finding.remedy)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_waited_for() {
        let refused = |status| {
            let problem = Problem {
                r#type: "about:blank".into(),
                title: String::new(),
                status,
                detail: String::new(),
                problems: Vec::new(),
            };
            RemoteError::Refused { problem: problem.into() }
        };
        let passing = [400, 404, 409, 429, 503].map(|status| refused(status).is_transient());
        assert_eq!(passing, [false, false, false, true, true]);
        assert!(RemoteError::Unhealthy("not ready".into()).is_transient());
        assert!(!RemoteError::NotMatterhost { endpoint: String::new(), cause: String::new() }.is_transient());
    }
}
