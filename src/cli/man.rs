//! `matterhost man`, for those who make packages.

use std::{fs, path::PathBuf};

use clap::{Args, CommandFactory as _};

use super::{Cli, output::print_error};
use crate::host::Exit;

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// The directory for the pages; it is created
    directory: PathBuf,
}

/// Writes a man page for each command.
pub(super) fn run(args: &ManArgs) -> Exit {
    let directory = &args.directory;
    let written =
        fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(Cli::command(), directory));
    match written {
        Ok(()) => Exit::Success,
        Err(error) => print_error(format_args!("cannot write to {}: {error}", directory.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_that_is_shown_has_a_page() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(run(&ManArgs { directory: directory.path().join("man1") }), Exit::Success);
        let page = |name: &str| fs::read_to_string(directory.path().join("man1").join(name));
        for name in ["matterhost.1", "matterhost-run.1", "matterhost-config-example.1"] {
            assert!(page(name).unwrap().contains(".TH"), "{name}");
        }
        assert!(page("matterhost-bots-create.1").unwrap().contains("\\-\\-team"));
        assert!(page("matterhost-man.1").is_err() && page("matterhost-help.1").is_err());
    }
}
