use std::{fs, path::Path};

use tempfile::TempDir;

use super::*;
use crate::config::Sources;

const TOKENS: [&str; 3] =
    ["aaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbb", "cccccccccccccccccccccccccc"];

fn write(dir: &Path, name: &str, text: &str) {
    fs::write(dir.join(name), text).unwrap();
}

fn config(dir: &Path) -> Config {
    write(dir, "one.token", TOKENS[0]);
    write(dir, "two.token", TOKENS[1]);
    write(dir, "secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    write(dir, "ca.pem", &authority());
    write(
        dir,
        "matterhost.toml",
        "[servers.main]\nurl = 'https://chat.test'\nca_file = 'ca.pem'\n\
         [accounts.one]\ntoken_file = 'one.token'\n[accounts.two]\ntoken_file = 'two.token'\n\
         [sinks.hook]\ntype = 'webhook'\nurl = 'https://127.0.0.1:1/x'\nsecret_file = 'secret'\nca_file = 'ca.pem'\n",
    );
    let environment = [("HOME".to_owned(), "/nonexistent".to_owned())].into();
    Config::load(
        &Sources { files: vec![dir.join("matterhost.toml")], environment, ..Sources::default() },
        None,
    )
    .unwrap()
}

fn authority() -> String {
    rcgen::generate_simple_self_signed(["ca.test".to_owned()]).unwrap().cert.pem()
}

fn changed(before: &Config, now: &Config) -> Vec<String> {
    let difference = crate::config::ConfigDiff::between(before, now);
    difference
        .changes
        .into_iter()
        .flat_map(|change| change.keys.into_iter().map(move |key| format!("{}.{key}", change.name)))
        .collect()
}

#[test]
fn only_changed_files_are_read_again() {
    let dir = TempDir::new().unwrap();
    let before = config(dir.path());
    assert_eq!(before.files().len(), 4);
    let (same, problems) = before.reread_files();
    assert_eq!((changed(&before, &same), problems), (Vec::new(), Vec::new()));
    write(dir.path(), "two.token", &format!("{}\n", TOKENS[2]));
    write(dir.path(), "secret", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    write(dir.path(), "ca.pem", &authority());
    let (now, problems) = before.reread_files();
    assert_eq!(
        (changed(&before, &now), problems),
        (
            ["main.ca_file", "hook.secret", "hook.ca_file", "two.token"].map(str::to_owned).to_vec(),
            Vec::new()
        )
    );
}

#[test]
fn an_unusable_file_keeps_its_old_value_and_is_reported() {
    for (file, text, key, message) in [
        ("one.token", "", "accounts.one.token_file", "the token is empty"),
        ("one.token", "half a\ntok", "accounts.one.token_file", "the token holds white space"),
        ("one.token", TOKENS[1], "accounts.one.token_file", "it has the same token as another account"),
        ("secret", "whsec_", "sinks.hook.secret_file", "the key has 0 bytes"),
        (
            "ca.pem",
            "-----BEGIN CERTIFICATE-----\nMII",
            "servers.main.ca_file",
            "the CA file is not valid PEM",
        ),
    ] {
        let dir = TempDir::new().unwrap();
        let before = config(dir.path());
        write(dir.path(), file, text);
        let (now, problems) = before.reread_files();
        assert_eq!(changed(&before, &now), [""; 0], "{file}");
        let problem = &problems[0];
        assert!(problem.key == key && problem.message.contains(message), "{problem}");
        assert!(
            problems.iter().all(|problem| !TOKENS.iter().any(|token| problem.to_string().contains(token)))
        );
    }
    let dir = TempDir::new().unwrap();
    let before = config(dir.path());
    for file in before.files() {
        fs::remove_file(file).unwrap();
    }
    let (now, problems) = before.reread_files();
    assert_eq!((changed(&before, &now).len(), problems.len()), (0, 5), "{problems:#?}");
    assert!(
        problems.iter().all(|problem| problem.message.contains("the file cannot be read")),
        "{problems:#?}"
    );
}

#[test]
fn two_accounts_may_change_their_tokens_with_each_other() {
    let dir = TempDir::new().unwrap();
    let before = config(dir.path());
    write(dir.path(), "one.token", TOKENS[1]);
    write(dir.path(), "two.token", TOKENS[0]);
    let (now, problems) = before.reread_files();
    assert_eq!(
        (changed(&before, &now), problems),
        (vec!["one.token".to_owned(), "two.token".to_owned()], Vec::new())
    );
}

#[cfg(feature = "cluster")]
#[test]
fn a_changed_secret_for_nats_is_read_again() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), "nats.token", TOKENS[0]);
    write(dir.path(), "nats.pem", &authority());
    let text = "[servers.main]\nurl = 'https://chat.test'\n[accounts.one]\ntoken = 'x'\n[state]\nstore = 'memory'\n\
                [sinks.stream]\ntype = 'nats'\nservers = 'nats://n:4222'\ntoken_file = 'nats.token'\nca_file = 'nats.pem'\n";
    write(dir.path(), "matterhost.toml", text);
    let files = vec![dir.path().join("matterhost.toml")];
    let before = Config::load(&Sources { files, ..Sources::default() }, None).unwrap();
    assert_eq!(before.files().len(), 2);
    write(dir.path(), "nats.token", TOKENS[1]);
    let (now, problems) = before.reread_files();
    assert_eq!((changed(&before, &now), problems), (vec!["stream.credentials".to_owned()], Vec::new()));
    write(dir.path(), "nats.token", "\n");
    let (kept, problems) = now.reread_files();
    assert_eq!(changed(&now, &kept), Vec::<String>::new());
    assert!(problems[0].to_string().contains("sinks.stream.token_file"), "{}", problems[0]);
}
