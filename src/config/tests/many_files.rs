//! Configurations of several files, and directories of tokens.

use std::fs;

use super::{Dir, GOOD, SECRET, environment};
use crate::config::{Config, ConfigError, Problem, Sources};

pub(super) const SERVER: &str = "[servers.main]\nurl = 'http://chat.test'\n";

/// Returns a token that no other account has.
pub(super) fn token(n: usize) -> String {
    format!("{SECRET}{n:04}")
}

pub(super) fn account(name: &str, n: usize) -> String {
    format!("[accounts.{name}]\ntoken = '{}'\n", token(n))
}

/// Writes files, and creates the directories around them.
fn write(dir: &Dir, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = dir.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Loads `matterhost.toml`, after writing it and other files.
pub(super) fn load(dir: &Dir, text: &str, files: &[(&str, &str)]) -> Result<Config, ConfigError> {
    write(dir, files);
    Config::load(&dir.sources(text), None)
}

fn names(config: &Config) -> Vec<&str> {
    config.accounts.iter().map(|account| account.name.as_str()).collect()
}

/// Returns the problems of an invalid configuration, one line each, without the directory.
pub(super) fn refused(dir: &Dir, text: &str, files: &[(&str, &str)]) -> Vec<String> {
    lines(dir, &load(dir, text, files).unwrap_err().problems)
}

fn lines(dir: &Dir, problems: &[Problem]) -> Vec<String> {
    let root = format!("{}/", dir.0.path().display());
    problems
        .iter()
        .map(|problem| {
            let line = problem.to_string().replace(&root, "");
            assert!(!line.contains(SECRET), "the message contains the token: {line}");
            line
        })
        .collect()
}

#[test]
fn included_files_are_read_in_order_beside_the_file_that_names_them() {
    let dir = Dir::new();
    let main = format!("include = ['teams/*.toml', 'more.yaml']\n{SERVER}");
    let (one, two) = (account("one", 1), account("two", 2) + "token_file = 'x'\n");
    let two = two.replace("token = ", "# ");
    let config = load(
        &dir,
        &main,
        &[
            ("teams/b.toml", &format!("include = ['../deep/*.toml']\n{one}")),
            ("teams/a.toml", &two),
            ("teams/x", &token(3)),
            ("teams/notes.md", "not a configuration"),
            ("teams/.hidden.toml", "neither"),
            ("deep/c.toml", &account("three", 4)),
            ("more.yaml", &format!("accounts: {{four: {{token: {}}}}}\n", token(5))),
        ],
    );
    let config = config.unwrap();
    assert_eq!(names(&config), ["four", "one", "three", "two"]);
    let file = config.accounts[3].token_file.clone().unwrap();
    assert_eq!(file, dir.0.path().join("teams/x"), "a path starts at the directory of its own file");
}

#[test]
fn several_files_can_be_named() {
    let dir = Dir::new();
    write(&dir, &[("a.toml", SERVER), ("b/c.toml", &account("one", 1))]);
    let files = vec![dir.0.path().join("a.toml"), dir.0.path().join("b/c.toml")];
    let sources = Sources { files, environment: environment(&[]), ..Sources::default() };
    assert_eq!(names(&Config::load(&sources, None).unwrap()), ["one"]);
}

#[test]
fn a_mistake_is_shown_with_its_file_and_line() {
    let dir = Dir::new();
    let main = format!("include = ['d/*.toml', 'e.json']\n{SERVER}[restart]\nwithn = '1m'\n");
    let messages = refused(
        &dir,
        &main,
        &[
            ("d/a.toml", "# a bot\n[accounts.a]\ntokn = 'x'\n\n[accounts.b]\ntoken_file = 'none'\n"),
            ("e.json", r#"{"accounts": {"c": {"server": "mian", "token": "x"}}}"#),
        ],
    );
    let expected = [
        "accounts.a: there is no token; set token_file, token_env or token (d/a.toml:2)",
        "accounts.a.tokn: there is no such key; did you mean token? (d/a.toml:3)",
        "accounts.b.token_file: d/none: the file cannot be read",
        "accounts.c.server: there is no server \"mian\"; did you mean main? (e.json)",
        "restart.withn: there is no such key; did you mean within? (matterhost.toml:5)",
    ];
    for expected in expected {
        assert!(messages.iter().any(|line| line.starts_with(expected)), "{expected} in {messages:#?}");
    }
    assert!(messages.iter().any(|line| line.ends_with("(d/a.toml:6)")), "{messages:#?}");
    assert_eq!(messages.len(), 5, "{messages:#?}");
}

#[test]
fn a_key_that_is_set_in_two_files_names_both() {
    let dir = Dir::new();
    let main = format!("include = ['d/*.toml']\n{SERVER}[health]\npoll = true\n{}", account("a", 1));
    let messages = refused(
        &dir,
        &main,
        &[
            ("d/a.toml", &format!("[health]\nping = true\n\n{}", account("a", 2))),
            ("d/b.toml", "[restart]\nwithin = 5\n"),
        ],
    );
    let twice =
        "accounts.a.token: it is set in matterhost.toml:7 and in d/a.toml:5; keep one of them (d/a.toml:5)";
    assert!(messages.contains(&twice.to_owned()), "{messages:#?}");
    assert!(
        messages.iter().any(|line| line.starts_with("restart.within: ")),
        "with the others: {messages:#?}"
    );
    assert_eq!(messages.len(), 2, "tables are joined: {messages:#?}");
    let messages = refused(
        &dir,
        &format!("health = 1\n{}", main.replace("[health]\npoll = true\n", "")),
        &[("d/b.toml", "")],
    );
    assert!(messages.iter().any(|line| line.starts_with("health: it is set in ")), "{messages:#?}");
}

#[test]
fn mistakes_of_includes_are_reported_together() {
    let dir = Dir::new();
    let good = format!("{SERVER}{}", account("a", 1));
    let cases: &[(&str, &str)] = &[
        ("'no.toml'", "prints one (no.toml)"),
        ("'gone/*.toml'", "include: the directory gone cannot be read"),
        ("'d*/x.toml'", "include: d*/x.toml has a wildcard in a directory"),
        ("'d/[a.toml'", "include: d/[a.toml: "),
        (
            "'matterhost.toml'",
            "include: matterhost.toml: it includes itself; name it once (matterhost.toml:1)",
        ),
        ("'d/a.toml', 'd/a.toml'", "include: d/a.toml: it is read twice; name it once (matterhost.toml:1)"),
        ("'loop.toml'", "include: loop.toml: it includes itself; name it once (loop2.toml:1)"),
        ("'d/x.ini'", "the file name does not show the format"),
        ("7", "include: expected list of texts;"),
    ];
    write(
        &dir,
        &[
            ("d/a.toml", ""),
            ("d/x.ini", ""),
            ("loop.toml", "include = 'loop2.toml'\n"),
            ("d/broken.toml", "a = 1\nb"),
        ],
    );
    write(&dir, &[("loop2.toml", "include = 'loop.toml'\n")]);
    let messages = refused(&dir, &format!("include = ['d/broken.toml']\n{good}"), &[]);
    assert!(
        messages[0].contains("TOML parse error at line 2") && messages[0].contains("d/broken.toml"),
        "{messages:#?}"
    );
    for (include, expected) in cases {
        let messages = refused(&dir, &format!("include = [{include}]\n{good}"), &[]);
        assert!(
            messages.iter().any(|line| line.contains(expected)),
            "{include}\n{messages:#?}\nlacks {expected:?}"
        );
    }
    let all: Vec<_> = cases[..4].iter().map(|(include, _)| *include).collect();
    assert_eq!(refused(&dir, &format!("include = [{}]\n{good}", all.join(", ")), &[]).len(), 4);
}

#[test]
fn a_chain_of_includes_is_bounded_and_a_pattern_may_match_its_own_file() {
    let dir = Dir::new();
    let good = format!("{SERVER}{}", account("a", 1));
    for n in 0..12 {
        write(&dir, &[(&format!("chain/{n}.toml"), &format!("include = ['{}.toml']\n", n + 1))]);
    }
    let messages = refused(&dir, &format!("include = ['chain/0.toml']\n{good}"), &[]);
    assert!(messages[0].contains("there are more than 8 files in a chain"), "{messages:#?}");
    let config = load(&Dir::new(), &format!("include = ['*.toml']\n{good}"), &[]).unwrap();
    assert_eq!(names(&config), ["a"]);
}

#[test]
fn each_file_in_a_directory_of_tokens_is_an_account() {
    let dir = Dir::new();
    let text = format!(
        "token_dir = 'tokens'\n{SERVER}[sinks.x]\ntype = 'stdout'\n[sinks.y]\ntype = 'stdout'\n\
                        [account_defaults]\nsinks = ['x']\n[accounts.b]\nsinks = ['y']\n"
    );
    let files = [
        ("tokens/a.token", &*token(1)),
        ("tokens/b.token", &token(2)),
        ("tokens/README", "x"),
        ("tokens/.c.token", "x"),
    ];
    let config = load(&dir, &text, &files).unwrap();
    let seen: Vec<_> = config.accounts.iter().map(|it| (it.name.as_str(), &*it.sinks[0])).collect();
    assert_eq!(seen, [("a", "x"), ("b", "y")]);
    assert_eq!(config.accounts[0].token_file.as_deref(), Some(&*dir.0.path().join("tokens/a.token")));

    let pattern = text.replace("'tokens'", "'creds/tokens_*.token'");
    let config = load(&dir, &pattern, &[("creds/tokens_b.token", &token(1)), ("creds/other", "x")]).unwrap();
    assert_eq!(names(&config), ["b"], "systemd's names of the files of a directory");

    let empty = format!("token_dir = 'none-yet'\n{SERVER}");
    fs::create_dir(dir.0.path().join("none-yet")).unwrap();
    let config = load(&dir, &empty, &[]).unwrap();
    assert!(
        config.accounts.is_empty() && config.warnings[0].message == "there is no account",
        "{:?}",
        config.warnings
    );
    let messages = refused(&dir, &empty.replace("none-yet", "missing"), &[]);
    assert!(messages[0].starts_with("token_dir: the directory missing cannot be read"), "{messages:#?}");
    let variables = environment(&[("MATTERHOST__TOKEN_DIR", "tokens")]);
    let config = Config::load(&Sources { environment: variables, ..dir.sources(&empty) }, None).unwrap();
    assert_eq!(names(&config), ["a", "b"]);
}

#[test]
fn a_token_file_that_cannot_be_used_is_left_out_and_the_others_stay() {
    let dir = Dir::new();
    let text = format!("token_dir = 'tokens'\n{SERVER}{}", account("own", 9));
    let files = [
        ("tokens/good.token", &*token(1)),
        ("tokens/empty.token", ""),
        ("tokens/same.token", &token(9)),
        ("tokens/own.token", &token(3)),
        ("tokens/bad name.token", &token(4)),
    ];
    let config = load(&dir, &text, &files).unwrap();
    assert_eq!(names(&config), ["good", "own"]);
    let left_out = lines(&dir, &config.left_out);
    for expected in [
        "accounts.empty.token_file: the token is empty; the account is left out;",
        "accounts.same: it has the same token as account own; the account is left out;",
        "token_dir: tokens/own.token: accounts.own.token is set in matterhost.toml:5; the file is left out;",
        "token_dir: tokens/bad name.token: \"bad name\" is not a valid name; the file is left out;",
    ] {
        assert!(left_out.iter().any(|line| line.starts_with(expected)), "{expected} in {left_out:#?}");
    }
    assert_eq!(left_out.len(), 4, "{left_out:#?}");
    // An account that runs keeps its token.
    write(&dir, &[("tokens/good.token", "")]);
    let now = config.reload(&dir.sources(&text), None).unwrap();
    assert_eq!(names(&now), ["good", "own"]);
    assert!(now.accounts[0].token.same_as(&config.accounts[0].token));
    assert!(lines(&dir, &now.left_out).iter().any(|line| line.contains("its previous token stays in use")));
}

#[test]
fn a_new_token_file_that_lacks_a_server_or_sinks_is_left_out() {
    let dir = Dir::new();
    let more = "[servers.other]\nurl = 'http://b.test'\n[sinks.a]\ntype = 'stdout'\n[sinks.b]\ntype = 'file'\npath = 'b'\n";
    let own = format!("{}server = 'main'\nsinks = ['a']\n", account("own", 9));
    let text = format!("token_dir = 'tokens'\n{SERVER}{more}{own}");
    let config = load(&dir, &text, &[("tokens/new.token", &*token(1))]).unwrap();
    assert_eq!(names(&config), ["own"]);
    let left_out = lines(&dir, &config.left_out);
    for key in ["accounts.new.server: it is missing", "accounts.new.sinks: it is missing"] {
        let expected = format!("{key}; the account is left out;");
        assert!(left_out.iter().any(|line| line.starts_with(&expected)), "{expected} in {left_out:#?}");
    }
    // An account that runs is not removed by a mistake.
    let complete = format!("{text}[accounts.new]\nserver = 'other'\nsinks = 'b'\n");
    let running = load(&dir, &complete, &[]).unwrap();
    assert_eq!(names(&running), ["new", "own"]);
    assert!(running.reload(&dir.sources(&text), None).is_err());
}

#[test]
fn a_new_or_changed_file_with_the_token_of_another_account_displaces_none_that_runs() {
    let dir = Dir::new();
    let text = format!("token_dir = 'tokens'\n{SERVER}");
    let running =
        load(&dir, &text, &[("tokens/b.token", &*token(1)), ("tokens/c.token", &token(2))]).unwrap();
    write(&dir, &[("tokens/a.token", &token(1)), ("tokens/b.token", &token(2))]);
    let now = running.reload(&dir.sources(&text), None).unwrap();
    assert_eq!(names(&now), ["b", "c"], "a is new, and has the token that b runs with");
    let kept = |n: usize| now.accounts[n].token.same_as(&running.accounts[n].token);
    assert!(kept(0) && kept(1), "{:#?}", now.left_out);
    let left_out = lines(&dir, &now.left_out);
    for expected in [
        "accounts.b: it has the same token as account c; its previous token stays in use;",
        "accounts.a: it has the same token as account b; the account is left out;",
    ] {
        assert!(left_out.iter().any(|line| line.starts_with(expected)), "{expected} in {left_out:#?}");
    }
}

#[test]
fn files_in_directories_are_read_again_without_those_that_are_named() {
    let dir = Dir::new();
    let text = format!("include = ['d/*.toml']\ntoken_dir = 'tokens'\n{SERVER}");
    let config = load(&dir, &text, &[("d/a.toml", &account("a", 1)), ("tokens/t.token", &token(2))]).unwrap();
    assert_eq!(config.layout.current_fingerprint(), config.layout.fingerprint());
    let edited = dir.sources(&(text.clone() + "[restart]\nwithin = '7m'\n"));
    write(&dir, &[("d/b.toml", &account("b", 3)), ("tokens/u.token", &token(4))]);
    assert_ne!(config.layout.current_fingerprint(), config.layout.fingerprint());
    let now = config.reload_directories(&edited, None).unwrap();
    assert_eq!(names(&now), ["a", "b", "t", "u"]);
    assert_eq!(now.host, config.host, "the file that is named waits for a reload");
    assert_ne!(now.reload(&edited, None).unwrap().host, config.host);
}

#[test]
fn a_variable_with_one_underscore_too_few_is_reported() {
    let dir = Dir::new();
    let refused = |name: &str| {
        let sources = Sources { environment: environment(&[(name, SECRET)]), ..dir.sources(GOOD) };
        Config::load(&sources, None).map(|_| ()).map_err(|error| lines(&dir, &error.problems))
    };
    for (name, meant) in [
        ("MATTERHOST_RESTART__WITHIN", "MATTERHOST__RESTART__WITHIN"),
        ("MATTERHOST__RESTART_WITHIN", "MATTERHOST__RESTART__WITHIN"),
        ("MATTERHOST__DEAD_LETTER_DIR", "MATTERHOST__DEAD_LETTER__DIR"),
        ("MATTERHOST_ACCOUNTS__A__TOKEN", "MATTERHOST__ACCOUNTS__A__TOKEN"),
        ("MATTERHOST__ACCOUNTS_A__TOKEN", "MATTERHOST__ACCOUNTS__A__TOKEN"),
        ("MATTERHOST__ACCOUNTS__A_B_TOKEN_FILE", "MATTERHOST__ACCOUNTS__A_B__TOKEN_FILE"),
        ("MATTERHOST_SERVERS__MAIN_URL", "MATTERHOST__SERVERS__MAIN__URL"),
    ] {
        let expected = format!("the variable {name} sets no key; did you mean {meant}?");
        assert_eq!(refused(name), Err(vec![expected]));
    }
    for other in [
        "MATTERHOST_CONFIG",
        "MATTERHOST_ADMIN_TOKEN",
        "MATTERHOST_LOG",
        "MATTERHOST_SERVICE_HOST",
        "MATTERHOST_X__Y",
    ] {
        assert_eq!(refused(other), Ok(()), "{other} belongs to another program");
    }
}

#[test]
fn an_unreadable_directory_beside_a_named_file_keeps_the_admin_section_readable() {
    let dir = Dir::new();
    write(&dir, &[("d/a.toml", "broken")]);
    let sources = dir.sources(&format!("include = ['d/*.toml']\n{SERVER}[admin]\nbind = '127.0.0.1:9'\n"));
    let admin = crate::config::AdminConfig::load(&sources).unwrap();
    assert_eq!(admin.tcp().unwrap().port(), 9);
}
