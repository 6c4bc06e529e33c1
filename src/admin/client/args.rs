//! The flags that name a running host.

use std::path::PathBuf;

use clap::Args;

use crate::config::FileArg;

/// The variable that says where the running host is.
pub const ADMIN_VARIABLE: &str = "MATTERHOST_ADMIN";

/// The variable that holds the token of the admin API.
pub const TOKEN_VARIABLE: &str = "MATTERHOST_ADMIN_TOKEN";

/// Which running host.
#[derive(Debug, Clone, Args)]
pub struct AdminArgs {
    /// The configuration that it runs by.
    #[command(flatten)]
    pub file: FileArg,
    /// Where its admin API is: an address, a URL, or unix:PATH [default: what the configuration says]
    #[arg(long, value_name = "ADDRESS", env = ADMIN_VARIABLE, hide_env_values = true)]
    pub admin: Option<String>,
    /// The file with its token [default: what `MATTERHOST_ADMIN_TOKEN` holds, or what the configuration says]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// A certificate authority to trust besides the system's (PEM)
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}
