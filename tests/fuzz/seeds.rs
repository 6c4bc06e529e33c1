//! The first inputs of the fuzzers, taken from the recordings of real servers.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// The longest seed: short ones are changed faster.
const LONGEST: usize = 8 * 1024;

/// The first byte of a text frame.
const TEXT: u8 = 0x81;

/// Returns the seed in a line of a recording.
type Seed = fn(&Value) -> Option<Vec<u8>>;

/// The targets with recorded seeds.
const SEEDS: [(&str, Seed); 5] =
    [("frames", frame), ("events", event), ("posts", posts), ("channels", channels), ("users", user)];

/// Returns the recorded seeds of a target, each once.
pub(crate) fn recorded(target: &str) -> Vec<Vec<u8>> {
    let (_, seed) = SEEDS.iter().find(|(name, _)| *name == target).unwrap();
    let mut seeds: Vec<_> = recordings()
        .into_iter()
        .flat_map(|file| fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|line| seed(&serde_json::from_str(&line).unwrap()))
        .filter(|seed| seed.len() <= LONGEST)
        .collect();
    seeds.sort();
    seeds.dedup();
    assert!(!seeds.is_empty(), "no seed for {target}");
    seeds
}

/// Returns the files of the recordings. The package is the repository's own, or a folder of it.
fn recordings() -> Vec<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let wire =
        package.ancestors().map(|folder| folder.join("tests/fixtures/wire")).find(|wire| wire.is_dir());
    let wire = wire.unwrap();
    let entries =
        [wire.clone(), wire.join("11.1")].into_iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}

fn event(line: &Value) -> Option<Vec<u8>> {
    Some(line["recv"].as_str()?.into())
}

fn frame(line: &Value) -> Option<Vec<u8>> {
    let text = event(line)?;
    let length = u16::try_from(text.len()).ok()?;
    let header = if length < 126 {
        vec![TEXT, length.to_le_bytes()[0]]
    } else {
        [&[TEXT, 126], &length.to_be_bytes()[..]].concat()
    };
    Some([header, text].concat())
}

fn posts(line: &Value) -> Option<Vec<u8>> {
    answer(line, |path, answer| path.contains("/posts") && answer["order"].is_array())
}

/// Lists of channels, and the error that stands for an empty one.
fn channels(line: &Value) -> Option<Vec<u8>> {
    answer(line, |path, _| path.split('?').next().is_some_and(|path| path.ends_with("/channels")))
}

/// Accounts and errors.
fn user(line: &Value) -> Option<Vec<u8>> {
    answer(line, |path, answer| path.ends_with("/users/me") || answer["status_code"].is_number())
}

fn answer(line: &Value, is_wanted: impl Fn(&str, &Value) -> bool) -> Option<Vec<u8>> {
    let (path, answer) = (line["rest"]["path"].as_str()?, &line["rest"]["answer"]);
    is_wanted(path, answer).then(|| answer.to_string().into())
}
