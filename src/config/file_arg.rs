use std::path::{Path, PathBuf};

use clap::Args;

use super::{ConfigError, Problem};

/// The file that is used if none is named.
pub const DEFAULT_FILE: &str = "matterhost.toml";

/// The variable that names the configuration file if no flag does.
pub const CONFIG_VARIABLE: &str = "MATTERHOST_CONFIG";

/// The flag that names the configuration files.
#[derive(Debug, Clone, Args)]
pub struct FileArg {
    /// Configuration file: TOML, YAML or JSON; may be given several times [default: matterhost.toml in this directory]
    #[arg(long, short, value_name = "FILE", env = CONFIG_VARIABLE, hide_env_values = true)]
    pub config: Vec<PathBuf>,
}

impl FileArg {
    /// Returns the files named by the flag or the variable, or else the default file in this directory.
    ///
    /// # Errors
    /// Returns an error if no file is named and the default file does not exist.
    pub fn find(&self) -> Result<Vec<PathBuf>, ConfigError> {
        if !self.config.is_empty() {
            return Ok(self.config.clone());
        }
        let here = Some(PathBuf::from(DEFAULT_FILE)).filter(|path| Path::exists(path));
        here.map(|file| vec![file]).ok_or_else(|| {
            let remedy = format!(
                "pass --config FILE, set {CONFIG_VARIABLE}, or start with \
                 `matterhost config example > {DEFAULT_FILE}`"
            );
            let problem = Problem::new("", format!("this directory contains no {DEFAULT_FILE}"), remedy);
            ConfigError { file: None, problems: vec![problem] }
        })
    }
}
