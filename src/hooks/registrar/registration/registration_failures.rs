//! The reasons why commands are not registered.

use std::{fmt, io};

use matterhost_actors::mattermost::{RestError, RestErrorKind};

/// The most reasons that are named: an operator mends them one after another.
const MAX_NAMED: usize = 8;

/// The reason why a command, or those of a team, are not registered.
#[derive(Debug, thiserror::Error)]
pub(super) enum RegistrationError {
    #[error(
        "{what}: the user of commands_token may not make commands, or is no member of the team (HTTP {status}); give it the \
         permission manage_own_slash_commands and add it to the team"
    )]
    Forbidden { what: String, status: u16 },
    #[error(
        "there is no team {team:?}; name it as its address does (accounts.{account}.commands.{trigger}.teams)"
    )]
    NoTeam { team: String, account: String, trigger: Box<str> },
    #[error(
        "/{trigger} of account {account} is refused: {error}; if another command of the team has the trigger, remove that or \
         choose another trigger"
    )]
    Refused { account: String, trigger: Box<str>, error: RestError },
    #[error(
        "the record of them cannot be written, and without it they would be left behind if they are taken out: {0}; see \
         that the directory of the state can be written"
    )]
    Unrecorded(io::Error),
    #[error("{what}: {error}")]
    Rest { what: String, error: RestError },
}

impl RegistrationError {
    /// Returns true for an error that every other request to the server would have, too.
    pub(super) fn concerns_all(&self) -> bool {
        match self {
            // The token itself is not valid.
            Self::Forbidden { status, .. } => *status == 401,
            Self::NoTeam { .. } | Self::Unrecorded(_) => false,
            Self::Refused { error, .. } | Self::Rest { error, .. } => is_of_server(&error.kind),
        }
    }
}

/// Returns true for an error that is not the answer to one request.
fn is_of_server(kind: &RestErrorKind) -> bool {
    match kind {
        RestErrorKind::Unreachable
        | RestErrorKind::Timeout
        | RestErrorKind::Tls
        | RestErrorKind::Proxy
        | RestErrorKind::Unauthorized
        | RestErrorKind::RateLimited { .. }
        | RestErrorKind::Redirect
        | RestErrorKind::NotJson
        | RestErrorKind::BadBody
        | RestErrorKind::Server(_) => true,
        RestErrorKind::NotFound | RestErrorKind::TooLarge | RestErrorKind::Refused(_) => false,
    }
}

/// The reasons why commands of a server are not registered. The first ones are named.
#[derive(Debug, Default)]
pub(in super::super) struct Failures {
    named: Vec<RegistrationError>,
    further: usize,
}

impl Failures {
    pub(super) fn add(&mut self, error: RegistrationError) {
        if self.named.len() < MAX_NAMED {
            self.named.push(error);
        } else {
            self.further += 1;
        }
    }

    /// Returns true if one that is named is a command that the server has refused.
    pub(super) fn has_refused(&self) -> bool {
        self.named.iter().any(|error| matches!(error, RegistrationError::Refused { .. }))
    }

    /// Returns true if all commands are registered.
    pub(in super::super) fn is_empty(&self) -> bool {
        self.named.is_empty()
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = &*self.named {
            return only.fmt(f);
        }
        for (n, error) in self.named.iter().enumerate() {
            let separator = if n == 0 { "" } else { " " };
            write!(f, "{separator}({}) {error}", n + 1)?;
        }
        if self.further > 0 {
            write!(f, ", and {} more", self.further)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_team(n: usize) -> RegistrationError {
        let (account, trigger) = ("helpdesk".into(), "deploy".into());
        RegistrationError::NoTeam { team: format!("team-{n}"), account, trigger }
    }

    #[test]
    fn each_reason_is_named_up_to_a_limit() {
        let mut failures = Failures::default();
        assert!(failures.is_empty());
        failures.add(no_team(0));
        assert_eq!(failures.to_string(), no_team(0).to_string(), "the only one has no number");
        for n in 1..MAX_NAMED + 3 {
            failures.add(no_team(n));
        }
        let text = failures.to_string();
        for n in 0..MAX_NAMED {
            assert!(text.contains(&format!("({}) there is no team \"team-{n}\"", n + 1)), "{text}");
        }
        assert!(!failures.is_empty() && text.ends_with(", and 3 more"), "{text}");
    }

    #[test]
    fn an_error_of_one_team_or_command_is_no_reason_to_leave_the_others() {
        use RestErrorKind::{NotFound, RateLimited, Refused, Server, Timeout, TooLarge, Unreachable};
        for kind in [NotFound, TooLarge, Refused(400), Refused(403)] {
            assert!(!is_of_server(&kind), "{kind:?}");
        }
        for kind in [Unreachable, Timeout, Server(500), Server(502), RateLimited { retry_after: None }] {
            assert!(is_of_server(&kind), "{kind:?}");
        }
        let forbidden = |status| RegistrationError::Forbidden { what: "team crew".into(), status };
        assert!(forbidden(401).concerns_all() && !forbidden(403).concerns_all());
        assert!(!no_team(1).concerns_all());
    }
}
