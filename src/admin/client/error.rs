//! The errors of the admin API's client.

use crate::{admin::dto::Problem, config::ConfigError};

/// The HTTP statuses of passing problems: too many requests, and a host that cannot answer now.
const TRANSIENT_STATUSES: [u16; 2] = [429, 503];

/// The reason why a request to a running host failed.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The configuration is not valid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A flag or an environment variable is not valid.
    #[error("{message}; {remedy}")]
    Argument {
        /// A description of the problem.
        message: String,
        /// A way to fix it.
        remedy: String,
    },
    /// The host cannot be reached.
    #[error(
        "cannot reach {endpoint} ({cause}); is matterhost running there? \
             Give its address with --admin ADDRESS, or its configuration with --config FILE"
    )]
    Unreachable {
        /// The address of the host.
        endpoint: String,
        /// The network error.
        cause: String,
    },
    /// The socket of the host belongs to another user.
    #[error("{endpoint} is not used ({cause}); run this as the user of the host, or as root")]
    Foreign {
        /// The address of the host.
        endpoint: String,
        /// The owner, or the error of the system.
        cause: String,
    },
    /// The host did not respond in time.
    #[error(
        "{endpoint} did not respond within {within_s} s; the request may still be carried out: \
             see its log or `matterhost status`"
    )]
    Timeout {
        /// The address of the host.
        endpoint: String,
        /// The time limit, in seconds.
        within_s: u64,
    },
    /// The token is missing or wrong.
    #[error(
        "{endpoint} refused the token: {}; {}give --token-file FILE, or set {}",
        .problem.detail, describe_unread(.unread_token.as_deref()), super::TOKEN_VARIABLE
    )]
    Unauthorized {
        /// The address of the host.
        endpoint: String,
        /// The problem that it returned.
        problem: Box<Problem>,
        /// The file of the token that the host generated, and the reason why it cannot be read.
        unread_token: Option<String>,
    },
    /// The host refused the request.
    #[error("{}", describe(.problem))]
    Refused {
        /// The problem that it returned.
        problem: Box<Problem>,
    },
    /// The host is not healthy, or some accounts were refused.
    #[error("{0}")]
    Unhealthy(String),
    /// The response is not from a matterhost.
    #[error("{endpoint} is not a matterhost ({cause}); give its address with --admin ADDRESS")]
    NotMatterhost {
        /// The address of the host.
        endpoint: String,
        /// The unexpected part of the response.
        cause: String,
    },
    /// The result cannot be printed.
    #[error("standard output cannot be written: {0}")]
    Output(#[from] std::io::Error),
}

impl RemoteError {
    /// True if the host does not know what the request names.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { problem } if problem.status == 404)
    }

    /// True if a retry may help because the host is away, busy or not healthy.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Foreign { .. } | Self::Timeout { .. } | Self::Unhealthy(_) => {
                true
            }
            Self::Refused { problem } => TRANSIENT_STATUSES.contains(&problem.status),
            Self::Config(_)
            | Self::Argument { .. }
            | Self::Unauthorized { .. }
            | Self::NotMatterhost { .. }
            | Self::Output(_) => false,
        }
    }
}

fn describe_unread(unread_token: Option<&str>) -> String {
    unread_token
        .map(|unread| format!("run this as the user of the host, whose token cannot be read ({unread}), or "))
        .unwrap_or_default()
}

/// Formats a problem, with a line for each error in the configuration.
fn describe(problem: &Problem) -> String {
    problem.problems.iter().fold(problem.detail.clone(), |text, finding| {
        let place = finding.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
        format!("{text}\n  {}: {}; {}{place}", finding.key, finding.problem, finding.remedy)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_errors_are_retried() {
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
