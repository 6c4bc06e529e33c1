//! Whether what was handed over can be kept.

use super::{CheckResult, StateRow};
use crate::{
    config::StateConfig,
    store::{FILE_NAME, Look, look},
};

/// Looks at the store, and changes nothing.
pub(super) fn inspect_store(config: &StateConfig) -> StateRow {
    let good = CheckResult { ok: Some(true), ..CheckResult::default() };
    let StateConfig::Disk { dir, .. } = config else {
        let note = "what is posted between two runs is not fetched";
        return StateRow { store: "memory", file: None, usable: good, note };
    };
    let (usable, note) = match look(dir) {
        Ok(Look::New) => (good, "new"),
        Ok(Look::Usable) => (good, ""),
        Ok(Look::InUse) => (good, "in use by a running matterhost"),
        Err(error) => {
            let problem = format!("{}: {}", error.path.display(), error.what);
            let failed = CheckResult { ok: Some(false), problem: Some(problem), ..CheckResult::default() };
            (CheckResult { remedy: Some(error.remedy), ..failed }, "")
        }
    };
    StateRow { store: "disk", file: Some(dir.join(FILE_NAME).display().to_string()), usable, note }
}

impl StateRow {
    pub(super) fn is_ok(&self) -> bool {
        self.usable.ok == Some(true)
    }
}
