//! The seeds of the fuzzers.

#![expect(clippy::unwrap_used, reason = "without seeds a fuzzer finds little")]

mod seeds;

use std::{env, fs, path::Path};

/// The variable that names the folder for the seeds.
const FOLDER: &str = "MATTERHOST_FUZZ_SEEDS";

/// Writes the recorded seeds of a target.
pub fn write_recorded(target: &str) {
    write(&seeds::recorded(target));
}

/// Writes seeds into the folder that the variable names, one file each. The fuzzer reads them when it starts.
pub fn write(seeds: &[Vec<u8>]) {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    fs::create_dir_all(folder).unwrap();
    for (n, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("seed-{n}")), seed).unwrap();
    }
}
