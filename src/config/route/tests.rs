use std::fs;

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use crate::config::{Config, ConfigError, SinkKind, Sources};

const TOKEN: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A configuration with these lines for its server, whose files are in `dir`.
fn load(dir: &TempDir, server: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let text = format!(
        "[servers.main]\nurl = 'https://chat.test'\n{server}\n[accounts.a]\ntoken = '{TOKEN}'\n\
         [sinks.hook]\ntype = 'webhook'\nsecret = '{SECRET}'\nurl = 'https://hook.test/x'\n"
    );
    let file = dir.path().join("matterhost.toml");
    fs::write(&file, text).unwrap();
    let mut all: std::collections::HashMap<_, _> =
        environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    all.insert("HOME".to_owned(), "/nonexistent".to_owned());
    Config::load(&Sources { files: vec![file], environment: all, ..Sources::default() }, None)
}

fn refused(dir: &TempDir, server: &str) -> String {
    load(dir, server, &[]).unwrap_err().to_string()
}

fn write(dir: &TempDir, name: &str, text: &str) {
    fs::write(dir.path().join(name), text).unwrap();
}

/// Writes a certificate and its key.
fn write_identity(dir: &TempDir) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["us".to_owned()]).unwrap().self_signed(&key).unwrap();
    write(dir, "us.pem", &certificate.pem());
    write(dir, "us.key", &key.serialize_pem());
}

#[test]
fn a_proxy_comes_from_the_configuration_before_the_environment() {
    let dir = TempDir::new().unwrap();
    let environment = [("HTTPS_PROXY", "http://me:hidden@env.test:3128"), ("NO_PROXY", "hook.test")];
    let config = load(&dir, "", &environment).unwrap();
    assert_eq!(config.servers[0].way(), "http://env.test:3128 (HTTPS_PROXY)");
    assert!(config.servers[0].client.proxy().unwrap().has_credentials());
    let SinkKind::Webhook(hook) = &config.sinks[0].kind else { panic!("no webhook") };
    assert_eq!(hook.client.proxy(), None, "NO_PROXY lists it");
    let config = load(&dir, "proxy = 'socks5://own.test'", &environment).unwrap();
    assert_eq!(config.servers[0].way(), "socks5://own.test:1080");
    let config = load(&dir, "proxy = 'none'", &environment[..1]).unwrap();
    assert_eq!(config.servers[0].way(), "direct");
    let SinkKind::Webhook(hook) = &config.sinks[0].kind else { panic!("no webhook") };
    assert_eq!(hook.client.proxy().unwrap().to_string(), "http://env.test:3128");
    assert!(!format!("{config:?}").contains("hidden"));
}

#[test]
fn mistakes_about_the_route_are_reported_without_secrets() {
    let dir = TempDir::new().unwrap();
    write(&dir, "auth", "hidden");
    write_identity(&dir);
    write(&dir, "other.key", &KeyPair::generate().unwrap().serialize_pem());
    for (server, expected) in [
        (
            "proxy = 'http://me:hidden@p'",
            "servers.main.proxy: there are credentials in the URL; put user:password",
        ),
        ("proxy = 'ftp://p'", "servers.main.proxy: the scheme is not http, https or socks5"),
        ("proxy = 'http://p'\nproxy_auth_file = 'auth'", "servers.main.proxy_auth_file: "),
        ("cert_file = 'us.pem'", "servers.main.cert_file: its key is missing; set key_file, too"),
        ("key_file = 'us.key'", "servers.main.key_file: its certificate is missing"),
        ("cert_file = 'us.pem'\nkey_file = 'auth'", "servers.main.key_file: there is no key"),
        (
            "cert_file = 'us.key'\nkey_file = 'us.key'",
            "servers.main.cert_file: there is no client certificate",
        ),
        ("cert_file = 'us.pem'\nkey_file = 'other.key'", "cannot be used together"),
        ("headers = ['Authorization: hidden']", "servers.main.headers: authorization cannot be set"),
        ("headers = ['hidden']", "servers.main.headers: this is not a header"),
    ] {
        let message = refused(&dir, server);
        assert!(message.contains(expected) && !message.contains("hidden"), "{server}: {message}");
    }
}

#[test]
fn the_files_are_read_again_when_they_change() {
    let dir = TempDir::new().unwrap();
    write_identity(&dir);
    write(&dir, "auth", "me:one");
    let server = "cert_file = 'us.pem'\nkey_file = 'us.key'\nproxy = 'http://p'\nproxy_auth_file = 'auth'\n\
                  headers = ['X-Team: bots']";
    let before = load(&dir, server, &[]).unwrap();
    assert_eq!(before.files().len(), 3);
    let keys = |now: &Config| {
        let changes = crate::config::ConfigDiff::between(&before, now).changes;
        changes.into_iter().flat_map(|change| change.keys).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(keys(&before.reread_files().0), "");
    write(&dir, "auth", "me:two");
    let (now, problems) = before.reread_files();
    assert_eq!((keys(&now), problems), ("proxy".to_owned(), Vec::new()));
    write_identity(&dir);
    let (now, problems) = before.reread_files();
    assert_eq!((keys(&now), problems), ("cert_file proxy".to_owned(), Vec::new()));
    assert_eq!(now.servers[0].client.headers(), before.servers[0].client.headers());
    // Halfway through a change nothing is taken.
    write(&dir, "us.key", &KeyPair::generate().unwrap().serialize_pem());
    let (now, problems) = before.reread_files();
    assert_eq!((&*keys(&now), problems.len()), ("", 1));
    assert!(problems[0].to_string().contains("us.pem"), "{problems:?}");
}

#[test]
fn a_proxy_over_tls_is_trusted_as_the_server_is() {
    let dir = TempDir::new().unwrap();
    let text = format!(
        "[servers.main]\nurl = 'http://chat.test'\nproxy = 'https://p'\nca_file = 'none.pem'\n\
         [accounts.a]\ntoken = '{TOKEN}'\n"
    );
    let file = dir.path().join("matterhost.toml");
    fs::write(&file, text).unwrap();
    let sources = Sources { files: vec![file], ..Sources::default() };
    let message = Config::load(&sources, None).unwrap_err().to_string();
    assert!(message.contains("none.pem"), "{message}");
}
