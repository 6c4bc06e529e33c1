//! `matterhost state`.

use std::{
    env,
    io::{self, Write as _},
    path::PathBuf,
};

use super::dispatch::{load, print, refuse};
use super::{StateArgs, StateCommand, state_table};
use crate::host::Exit;
use crate::{
    config::StateConfig,
    store::{self, DiskError},
};

/// Does what `state` is told.
pub(super) fn run(command: &StateCommand) -> Exit {
    let (StateCommand::List { place, .. } | StateCommand::Forget { place, .. }) = command;
    let dir = match directory(place) {
        Ok(dir) => dir,
        Err(exit) => return exit,
    };
    match command {
        StateCommand::List { json, .. } => {
            let text = if *json { state_table::json } else { state_table::table };
            store::list(&dir).map_or_else(|error| failed(&error), |kept| print(text(&kept).as_bytes()))
        }
        StateCommand::Forget { account, .. } => match store::forget(&dir, account) {
            Ok(true) => {
                print(format!("{account} is forgotten: it begins anew at its next start\n").as_bytes())
            }
            Ok(false) => {
                say(&format!("nothing is kept of account {account}; `matterhost state list` shows of which"))
            }
            Err(error) => failed(&error),
        },
    }
}

/// The flag's directory, else the configuration's.
fn directory(place: &StateArgs) -> Result<PathBuf, Exit> {
    if let Some(dir) = &place.dir {
        // As a path of the configuration that is not absolute, but from here.
        return Ok(env::current_dir().map_or_else(|_| dir.clone(), |here| here.join(dir)));
    }
    match load(&place.file, Vec::new()).map_err(|error| refuse(&error))?.state {
        StateConfig::Disk { dir, .. } => Ok(dir),
        StateConfig::Memory => {
            Err(say("nothing is kept: state.store is memory; name a directory with --dir"))
        }
    }
}

fn failed(error: &DiskError) -> Exit {
    say(&error.to_string())
}

fn say(what: &str) -> Exit {
    // When even standard error is closed, the exit code still tells.
    let _ = writeln!(io::stderr().lock(), "matterhost: {what}");
    Exit::Failed
}
