//! The reasons for which a request of the server is not taken.

use super::{
    hook_request::MalformedRequest,
    service::{BUSY, FAILED},
    signer::SignatureError,
};

/// The reason why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such account, or it takes no hooks.
    #[error("there is no such account")]
    UnknownAccount,
    /// The account has no such command.
    #[error("there is no such command")]
    UnknownCommand,
    /// The token of the command is another one.
    #[error("the token is not that of the command; copy the one that Mattermost shows into its token_file")]
    WrongToken,
    /// It cannot be read.
    #[error(transparent)]
    Malformed(#[from] MalformedRequest),
    /// It is signed by no key of this host.
    #[error("it is not signed by this host")]
    Forged,
    /// It is signed, for another account, channel, post or person.
    #[error("it was signed for another {0}")]
    Elsewhere(&'static str),
    /// It is signed, and its time is over.
    #[error("it has expired")]
    Expired,
    /// The same request came before, or the dialog is done.
    #[error("it came before")]
    Replayed,
    /// A value was not offered.
    #[error("{0} is not one of the values that were offered")]
    NotOffered(String),
    /// Too many requests are being answered.
    #[error("too many requests at once")]
    Busy,
    /// No member of the cluster hosts the account at the moment.
    #[error("no member of the cluster has taken it; `matterhost cluster status` shows the members")]
    NoOwner,
    /// The member that hosts the account has not answered.
    #[error("the member that hosts the account has not answered in time, and may have taken it")]
    Unanswered,
}

impl Refusal {
    /// Returns the label in metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::UnknownAccount => "unknown_account",
            Self::UnknownCommand => "unknown_command",
            Self::WrongToken => "wrong_token",
            Self::Malformed(_) => "malformed",
            Self::Forged => "forged",
            Self::Elsewhere(_) => "elsewhere",
            Self::Expired => "expired",
            Self::Replayed => "replayed",
            Self::NotOffered(_) => "not_offered",
            Self::Busy => "busy",
            Self::NoOwner => "no_owner",
            Self::Unanswered => "unanswered",
        }
    }

    /// Returns the words for the person who waits, if the request was the server's own: then the status is 200, because
    /// the server shows no other answer.
    pub fn words(&self) -> Option<&'static str> {
        match self {
            Self::Expired => Some("This is too old. Ask the bot for a new one."),
            Self::NotOffered(_) => Some("This value was not offered."),
            Self::Busy => Some(BUSY),
            Self::NoOwner => Some(FAILED),
            Self::Unanswered => Some("The bot has not answered. It may still do what you asked."),
            Self::UnknownAccount
            | Self::UnknownCommand
            | Self::WrongToken
            | Self::Malformed(_)
            | Self::Forged
            | Self::Elsewhere(_)
            | Self::Replayed => None,
        }
    }

    /// Returns the HTTP status for a request that has no words for a person.
    pub fn status(&self) -> u16 {
        match self {
            Self::UnknownAccount | Self::UnknownCommand => 404,
            Self::WrongToken | Self::Forged | Self::Elsewhere(_) | Self::Expired => 401,
            Self::Malformed(_) => 400,
            Self::Replayed => 409,
            Self::NotOffered(_) => 422,
            Self::Busy | Self::NoOwner | Self::Unanswered => 503,
        }
    }
}

impl From<SignatureError> for Refusal {
    fn from(error: SignatureError) -> Self {
        match error {
            SignatureError::Forged => Self::Forged,
            SignatureError::Expired => Self::Expired,
        }
    }
}
