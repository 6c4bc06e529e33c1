//! The labels of series that belong to an account or a server.

use std::fmt;

use matterhost_actors::model::{AccountName, ServerName};
use prometheus_client::encoding::{EncodeLabel as _, EncodeLabelSet, LabelSetEncoder};

/// An account, or all accounts of a server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CountsKey {
    pub(super) account: Option<AccountName>,
    pub(super) server: ServerName,
}

/// The labels of a [`CountsKey`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Labels<'a> {
    pub(super) account: Option<&'a str>,
    pub(super) server: &'a str,
}

impl CountsKey {
    pub(super) fn labels(&self) -> Labels<'_> {
        Labels { account: self.account.as_ref().map(AccountName::as_str), server: self.server.as_str() }
    }
}

impl EncodeLabelSet for Labels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), fmt::Error> {
        if let Some(account) = self.account {
            ("account", account).encode(encoder.encode_label())?;
        }
        ("server", self.server).encode(encoder.encode_label())
    }
}
