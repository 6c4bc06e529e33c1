//! What a client of the API needs of the configuration, and nothing else: the tokens of accounts may be where only the
//! host can read them.

use std::path::Path;

use super::AdminConfig;
use crate::config::{
    ConfigError, Sources,
    servers::ReadContext,
    table::{Diagnostics, TableReader},
};

impl AdminConfig {
    /// Reads `[admin]` alone.
    ///
    /// # Errors
    /// What is wrong with the file as such, or with that section.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let refuse = |problems| ConfigError { file: Some(sources.file.clone()), problems };
        let mut tree = sources.collect().map_err(|problem| refuse(vec![problem]))?;
        let directory = sources.file.parent().unwrap_or(Path::new(""));
        let context = ReadContext { directory, environment: &sources.environment };
        let mut report = Diagnostics::default();
        let config = super::read(
            TableReader::new("admin".into(), "admin", tree.remove("admin"), &mut report),
            &context,
        );
        if report.problems.is_empty() { Ok(config) } else { Err(refuse(report.problems)) }
    }
}
