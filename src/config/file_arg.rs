//! The flag that names the configuration file.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{ConfigError, Problem};

/// Where the configuration is looked for when nothing names it.
pub const DEFAULT_FILE: &str = "matterhost.toml";

/// The variable that names the configuration when no flag does.
pub const CONFIG_VARIABLE: &str = "MATTERHOST_CONFIG";

/// Where the configuration is.
#[derive(Debug, Clone, Args)]
pub struct FileArg {
    /// The configuration: TOML, YAML or JSON [default: matterhost.toml in this directory]
    #[arg(long, short, value_name = "FILE", env = CONFIG_VARIABLE, hide_env_values = true)]
    pub config: Option<PathBuf>,
}

impl FileArg {
    /// The file that the flag names, else the variable, else the one that lies here.
    ///
    /// # Errors
    /// When nothing names one and none lies here.
    pub fn find(&self) -> Result<PathBuf, ConfigError> {
        let here = || Some(PathBuf::from(DEFAULT_FILE)).filter(|path| Path::exists(path));
        self.config.clone().or_else(here).ok_or_else(|| {
            let remedy = format!(
                "give --config FILE, set {CONFIG_VARIABLE}, or begin with \
                 `matterhost config example > {DEFAULT_FILE}`"
            );
            let problem = Problem::new("", format!("there is no {DEFAULT_FILE} in this directory"), remedy);
            ConfigError { file: None, problems: vec![problem] }
        })
    }
}
