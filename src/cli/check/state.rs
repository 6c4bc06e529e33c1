//! Whether what was handed over can be kept.

use super::{Finding, StateRow};
use crate::{
    config::StateConfig,
    store::{FILE_NAME, Look, look},
};

/// Looks at the store, and changes nothing.
pub(super) fn look_at(config: &StateConfig) -> StateRow {
    let good = Finding { ok: Some(true), ..Finding::default() };
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
            let failed = Finding { ok: Some(false), problem: Some(problem), ..Finding::default() };
            (Finding { remedy: Some(error.remedy), ..failed }, "")
        }
    };
    StateRow { store: "disk", file: Some(dir.join(FILE_NAME).display().to_string()), usable, note }
}

impl StateRow {
    pub(super) fn is_well(&self) -> bool {
        self.usable.ok == Some(true)
    }
}
