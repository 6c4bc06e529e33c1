//! The target of the fuzzer that writes configurations.

#![expect(clippy::panic, reason = "a failed check is what a fuzzer looks for")]

use std::{path::Path, sync::Arc};

use super::{Config, ConfigDiff, EXAMPLE, Problem, Sources, read, sources::NamedTexts};

/// The formats, as endings of the file's name.
const FORMATS: [&str; 3] = ["toml", "yaml", "json"];

/// The environment; the example takes its token from it.
const VARIABLES: [(&str, &str); 2] =
    [("HOME", "/nonexistent"), ("HELPDESK_TOKEN", "mustnotshow7dqm4q6zj3h5s9e")];

/// Reads a configuration in a format that the first byte chooses, and checks that it is refused with reasons or is the same
/// when it is read again.
pub fn configuration(input: &[u8]) {
    let Some((format, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let format = FORMATS[usize::from(*format) % FORMATS.len()];
    let file = Path::new("/nonexistent/matterhost").with_extension(format);
    let variable = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let environment = VARIABLES.into_iter().map(variable).collect();
    let pinned = NamedTexts::from([(file.clone(), Arc::new(text.to_owned().into()))]);
    let sources = Sources { files: vec![file], environment, ..Sources::default() };
    let load = || read::config(&sources, None, None, &pinned);
    match load() {
        Ok(config) => assert_unchanged(&config, load()),
        Err(problems) => {
            assert!(!problems.is_empty());
            assert!(problems.iter().all(|problem| !problem.message.is_empty() && !problem.remedy.is_empty()));
        }
    }
}

fn assert_unchanged(config: &Config, again: Result<Config, Vec<Problem>>) {
    let again = again.unwrap_or_else(|problems| panic!("accepted once only: {problems:?}"));
    assert_eq!(ConfigDiff::between(config, &again), ConfigDiff::default());
}

/// Returns configurations in each format.
pub fn seeds() -> Vec<Vec<u8>> {
    let [toml, yaml, json] = [0, 1, 2];
    let least =
        "[servers.main]\nurl = 'http://chat.test'\n[accounts.a]\ntoken = 'mustnotshow7dqm4q6zj3h5s9e'\n";
    [
        (toml, EXAMPLE),
        (toml, least),
        (yaml, "servers: {main: {url: http://chat.test}}\naccounts: {a: {token: mustnotshow7dqm4q6zj3h5s9e}}\n"),
        (json, r#"{"servers":{"main":{"url":"http://chat.test"}},"accounts":{"a":{"token":"mustnotshow7dqm4q6zj3h5s9e"}}}"#),
    ]
    .map(|(format, text)| [&[format], text.as_bytes()].concat())
    .into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::mutated::mutated;

    proptest! {
        #[test]
        fn changed_configurations_are_read(input in mutated(super::seeds())) {
            super::configuration(&input);
        }
    }
}
