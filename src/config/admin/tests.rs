use std::collections::HashMap;

use config::{Map, Value};

use super::*;
use crate::config::{Bots, sources::Locations};

/// Reads the section from these keys.
fn diagnose(keys: &[(&str, Value)]) -> Diagnostics {
    let mut report = Diagnostics::default();
    let values: Map<String, Value> = keys.iter().map(|(key, value)| ((*key).into(), value.clone())).collect();
    let (places, environment) = (Locations::default(), HashMap::new());
    let context = ReadContext {
        directory: Path::new("/nowhere"),
        places: &places,
        environment: &environment,
        bots: &Bots::default(),
    };
    read(TableReader::new("admin".into(), "admin", Some(values.into()), &mut report), &context);
    report
}

/// Returns the problems of these keys as key and message.
fn problems(keys: &[(&str, Value)]) -> Vec<(String, String)> {
    diagnose(keys).problems.into_iter().map(|problem| (problem.key, problem.message)).collect()
}

const TOKEN: &str = "mustnotshowabcdef";

#[test]
fn a_public_address_needs_a_token_and_tls() {
    let open = ("bind", Value::from("0.0.0.0:8466"));
    let token = ("token", Value::from(TOKEN));
    let plain = ("allow_plaintext", Value::from(true));
    assert_eq!(problems(&[]), []);
    assert_eq!(problems(std::slice::from_ref(&open)).len(), 2);
    let [(key, message)] = &problems(&[open.clone(), token.clone()])[..] else { panic!() };
    assert!(key == "admin.bind" && message.contains("in the clear"), "{message}");
    let [(key, message)] = &problems(&[open.clone(), plain.clone()])[..] else { panic!() };
    assert!(key == "admin.bind" && message.contains("there is no token"), "{message}");
    assert_eq!(problems(&[open, token, plain]), []);
    assert_eq!(problems(&[("bind", "[::1]:1".into())]), []);
    // A client elsewhere cannot read the token that the host would generate.
    let reader = ("read_token", Value::from(TOKEN));
    assert_eq!(problems(&[("bind", "10.0.0.1:1".into()), reader, ("allow_plaintext", true.into())]).len(), 1);
}

/// Returns the keys that are warned of.
fn warnings(keys: &[(&str, Value)]) -> Vec<String> {
    diagnose(keys).warnings.into_iter().map(|problem| problem.key).collect()
}

#[test]
fn open_access_is_warned_of_and_excludes_tokens_and_other_machines() {
    let open = ("allow_anonymous", Value::from(true));
    assert_eq!(warnings(std::slice::from_ref(&open)), ["admin.allow_anonymous"]);
    assert_eq!(warnings(&[("allow_anonymous", false.into())]), [""; 0]);
    assert_eq!(problems(&[open.clone(), ("unix", "a.sock".into())]), []);
    for keys in [&["token"][..], &["read_token"], &["token_file"], &["read_token_env"]] {
        let mut given: Vec<_> = keys.iter().map(|key| (*key, Value::from(TOKEN))).collect();
        given.push(open.clone());
        let found = problems(&given);
        assert!(found.iter().any(|(key, _)| key == "admin.allow_anonymous"), "{found:?}");
    }
    let remote = [open, ("bind", "10.0.0.1:1".into()), ("allow_plaintext", true.into())];
    let [(key, message)] = &problems(&remote)[..] else { panic!() };
    assert!(key == "admin.bind" && message.contains("there is no token"), "{message}");
}

#[test]
fn invalid_settings_are_refused() {
    for (keys, key) in [
        (vec![("bind", Value::from("example.com:80"))], "admin.bind"),
        (vec![("bind", Value::from("127.0.0.1"))], "admin.bind"),
        (vec![("bind", Value::from("127.0.0.1:1")), ("unix", "a.sock".into())], "admin.unix"),
        (vec![("unix", Value::from("x".repeat(200)))], "admin.unix"),
        (vec![("token", Value::from("short"))], "admin.token"),
        (vec![("token", Value::from(TOKEN)), ("token_env", "A".into())], "admin"),
        (vec![("tls_cert_file", Value::from("cert.pem"))], "admin.tls_cert_file"),
        (vec![("tls_key_file", Value::from("key.pem"))], "admin.tls_key_file"),
        (vec![("ready", Value::from("some"))], "admin.ready"),
        (vec![("max_streams", Value::from(512_i64))], "admin.max_streams"),
        (vec![("port", Value::from(1_i64))], "admin.port"),
    ] {
        let found = problems(&keys);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, key, "{found:?}");
        assert!(!format!("{found:?}").contains(TOKEN));
    }
}
