//! The flags that select a running host.

use std::path::PathBuf;

use clap::Args;

use crate::config::FileArg;

/// The environment variable with the address of the running host.
pub const ADMIN_VARIABLE: &str = "MATTERHOST_ADMIN";

/// The environment variable with the token for the admin API.
pub const TOKEN_VARIABLE: &str = "MATTERHOST_ADMIN_TOKEN";

/// The flags that select a running host.
#[derive(Debug, Clone, Args)]
pub struct AdminArgs {
    /// The configuration of the host.
    #[command(flatten)]
    pub file: FileArg,
    /// Address of the running host's admin API: HOST:PORT, a URL, or unix:PATH [default: from the configuration]
    #[arg(long, value_name = "ADDRESS", env = ADMIN_VARIABLE, hide_env_values = true)]
    pub admin: Option<String>,
    /// File with the token of the admin API [default: `MATTERHOST_ADMIN_TOKEN`, or from the configuration]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// File with a certificate authority to trust in addition to the system's (PEM)
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}
