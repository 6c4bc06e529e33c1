use std::collections::HashMap;

use config::{Map, Value};

use super::*;
use crate::config::sources::Places;

/// Reads the section from these keys and returns the problems as key and message.
fn problems(keys: &[(&str, Value)]) -> Vec<(String, String)> {
    let mut report = Diagnostics::default();
    let values: Map<String, Value> = keys.iter().map(|(key, value)| ((*key).into(), value.clone())).collect();
    let (places, environment) = (Places::default(), HashMap::new());
    let context =
        ReadContext { directory: Path::new("/nowhere"), places: &places, environment: &environment };
    read(TableReader::new("admin".into(), "admin", Some(values.into()), &mut report), &context);
    report.problems.into_iter().map(|problem| (problem.key, problem.message)).collect()
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
    // A read token alone would leave full access open to everyone.
    let reader = ("read_token", Value::from(TOKEN));
    assert_eq!(problems(&[("bind", "10.0.0.1:1".into()), reader, ("allow_plaintext", true.into())]).len(), 1);
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
