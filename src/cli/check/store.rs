//! The check of the store.

use matterhost_actors::store::{self, FILE_NAME, StoreStatus};

use super::report::{CheckResult, StateRow};
use crate::config::StateConfig;

/// Inspects the store without changing anything.
pub(super) fn check_store(config: &StateConfig) -> StateRow {
    let ok = CheckResult { ok: Some(true), ..CheckResult::default() };
    let StateConfig::Disk { dir, .. } = config else {
        let note = "posts made between two runs are not fetched";
        return StateRow { store: "memory", file: None, usable: ok, note };
    };
    let (usable, note) = match store::inspect(dir) {
        Ok(StoreStatus::New) => (ok, "new"),
        Ok(StoreStatus::Usable) => (ok, ""),
        Ok(StoreStatus::InUse) => (ok, "in use by a running matterhost"),
        Err(error) => {
            let problem = format!("{}: {}", error.path.display(), error.what);
            let failed = CheckResult { ok: Some(false), problem: Some(problem), ..CheckResult::default() };
            (CheckResult { remedy: Some(error.remedy), ..failed }, "")
        }
    };
    StateRow { store: "disk", file: Some(dir.join(FILE_NAME).display().to_string()), usable, note }
}
