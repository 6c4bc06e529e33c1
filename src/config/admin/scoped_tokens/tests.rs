use std::path::Path;

use super::*;
use crate::config::{Bots, admin, problem::Problem, sources::Locations};

const TOKENS: [&str; 3] = ["mustnotshow-one-abcdef", "mustnotshow-two-abcdef", "mustnotshow-three-abcdef"];

/// Reads `[admin]` from TOML.
fn read_admin(text: &str) -> (AdminConfig, Vec<Problem>) {
    let value = ::config::Config::builder()
        .add_source(::config::File::from_str(text, ::config::FileFormat::Toml))
        .build()
        .and_then(|built| built.get::<Value>("admin"))
        .unwrap();
    let (places, environment) = (Locations::default(), std::collections::HashMap::new());
    let context = ReadContext {
        directory: Path::new("/nowhere"),
        places: &places,
        environment: &environment,
        bots: &Bots::default(),
    };
    let mut report = Diagnostics::default();
    let config = admin::read(TableReader::new("admin".into(), "admin", Some(value), &mut report), &context);
    (config, report.problems)
}

/// Returns the key and the message of each problem.
fn problems(text: &str) -> Vec<(String, String)> {
    read_admin(text).1.into_iter().map(|problem| (problem.key, problem.message)).collect()
}

#[test]
fn each_scope_is_read() {
    let [one, two, three] = TOKENS;
    let (config, problems) = read_admin(&format!(
        "[admin.tokens.cron]\nscope = 'act'\naccounts = ['a', 'b']\ntoken = '{one}'\n\
         [admin.tokens.graphs]\nscope = 'read'\ntoken = '{two}'\n[admin.tokens.ops]\nscope = 'full'\ntoken = '{three}'\n"
    ));
    assert!(problems.is_empty(), "{problems:?}");
    let read: Vec<_> =
        config.scoped_tokens.iter().map(|token| (token.name.as_str(), token.scope.to_string())).collect();
    assert_eq!(read, [("cron", "act (a, b)".to_owned()), ("graphs", "read".into()), ("ops", "full".into())]);
    assert!(config.scoped_tokens[0].token.matches(one));
    assert!(!format!("{config:?}").contains("mustnotshow"));
}

#[test]
fn all_mistakes_are_reported_at_once_without_the_token() {
    let [one, two, _] = TOKENS;
    let found = problems(&format!(
        "[admin]\ntoken = '{one}'\n[admin.tokens.same]\nscope = 'read'\ntoken = '{one}'\n\
         [admin.tokens.twin]\nscope = 'read'\ntoken = '{two}'\n[admin.tokens.twin2]\nscope = 'full'\ntoken = '{two}'\n\
         [admin.tokens.none]\n[admin.tokens.short]\nscope = 'read'\ntoken = 'short'\n\
         [admin.tokens.other]\nscope = '{two}'\ntoken_file = '/nowhere/token'\n\
         [admin.tokens.bare]\nscope = 'act'\ntoken = 'mustnotshow-four-abcdef'\n\
         [admin.tokens.empty]\nscope = 'act'\naccounts = []\ntoken = 'mustnotshow-five-abcdef'\n\
         [admin.tokens.wide]\nscope = 'full'\naccounts = ['a']\ntoken = 'mustnotshow-six-abcdef'\n\
         [admin.tokens.odd]\nscope = 'act'\naccounts = ['a b']\nrights = 'all'\ntoken = 'mustnotshow-seven-abcdef'\n\
         [admin.tokens.'a b']\nscope = 'read'\ntoken = 'mustnotshow-eight-abcdef'\n"
    ));
    for (key, message) in [
        ("admin.tokens.same", "the same token as admin.token"),
        ("admin.tokens.twin2", "the same token as admin.tokens.twin"),
        ("admin.tokens.none", "there is no scope"),
        ("admin.tokens.none", "there is no token"),
        ("admin.tokens.short.token", "5 characters"),
        ("admin.tokens.other.scope", "there is no such scope"),
        ("admin.tokens.other.token_file", "/nowhere/token"),
        ("admin.tokens.bare", "needs accounts"),
        ("admin.tokens.empty.accounts", "empty"),
        ("admin.tokens.wide.accounts", "not limited to accounts"),
        ("admin.tokens.odd.accounts", "not a valid name"),
        ("admin.tokens.odd.rights", "no such key"),
        ("admin.tokens.a b", "not a valid name"),
    ] {
        let is_found = found.iter().any(|(at, what)| at == key && what.contains(message));
        assert!(is_found, "{key}: {message}: {found:#?}");
    }
    assert_eq!(found.len(), 13, "{found:#?}");
    assert!(!format!("{found:?}").contains("mustnotshow"));
}

#[test]
fn open_access_excludes_them_and_their_number_is_bounded() {
    let token =
        |n: usize| format!("[admin.tokens.t{n}]\nscope = 'read'\ntoken = 'mustnotshow-number-{n:05}'\n");
    let open = problems(&format!("[admin]\nallow_anonymous = true\n{}", token(0)));
    assert_eq!(open.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), ["admin.allow_anonymous"]);
    let many: String = (0..=MOST_TOKENS).map(token).collect();
    let [(key, message)] = &problems(&many)[..] else { panic!() };
    assert!(key == "admin.tokens" && message.contains("257"), "{message}");
}

#[test]
fn a_changed_scope_or_token_is_a_change() {
    let token = |text: &str| read_admin(text).0.scoped_tokens.pop().unwrap();
    let [one, two, _] = TOKENS;
    let of = |scope: &str, secret| token(&format!("[admin.tokens.a]\nscope = {scope}\ntoken = '{secret}'\n"));
    let first = of("'act'\naccounts = ['a']", one);
    assert!(first.same_as(&of("'act'\naccounts = ['a']", one)));
    for other in [of("'act'\naccounts = ['b']", one), of("'act'\naccounts = ['a']", two), of("'full'", one)] {
        assert!(!first.same_as(&other), "{other:?}");
    }
}
