//! Accounts by the admin API: put, kept, read again, and refused.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use matterhost_actors::model::AccountName;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{
    Dir, GOOD, SECRET,
    many_files::{SERVER, token},
};
use crate::config::{
    AccountRefused, AccountSource, Config, ConfigDiff, NewAccount, PlannedChange, Problem, Sources,
    StateConfig,
};

/// A configuration that keeps its state in its directory.
struct Kept {
    dir: Dir,
    sources: Sources,
}

fn name(name: &str) -> AccountName {
    AccountName::new(name).unwrap()
}

fn new(settings: &Value, token: Option<&str>) -> NewAccount {
    NewAccount {
        settings: settings.as_object().unwrap().clone(),
        token: token.map(|text| SecretString::from(text.to_owned())),
    }
}

impl Kept {
    fn new(text: &str) -> Self {
        let dir = Dir::new();
        let sources = dir.sources(text);
        let kept = Self { dir, sources };
        kept.rewrite(text);
        kept
    }

    fn rewrite(&self, text: &str) {
        self.dir.file("matterhost.toml", &format!("{text}\n[state]\ndir = 'kept'\n"));
    }

    fn load(&self) -> Config {
        Config::load(&self.sources, None).unwrap()
    }

    fn put(&self, config: &Config, account: &str, settings: &Value, token: &str) -> Config {
        let planned = config.plan_put(&self.sources, &name(account), new(settings, Some(token)), None);
        written(planned.unwrap().unwrap())
    }

    fn refused(&self, config: &Config, account: &str, settings: &Value, token: Option<&str>) -> Vec<String> {
        match config.plan_put(&self.sources, &name(account), new(settings, token), None) {
            Err(AccountRefused::Invalid(problems)) => lines(&problems),
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("{account} is not refused"),
        }
    }

    fn conflict(&self, config: &Config, account: &str) -> String {
        match config.plan_put(&self.sources, &name(account), new(&json!({}), Some(&token(7))), None) {
            Err(AccountRefused::Conflict(detail)) => detail,
            _ => panic!("{account} is no conflict"),
        }
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.dir.0.path().join("kept/accounts").join(file)
    }
}

fn written(planned: PlannedChange) -> Config {
    planned.write_files().unwrap();
    planned.config
}

fn lines(problems: &[Problem]) -> Vec<String> {
    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert!(!lines.concat().contains(SECRET), "{lines:#?}");
    lines
}

fn sources(config: &Config) -> Vec<(&str, String)> {
    let source = |source: &AccountSource| match source {
        AccountSource::File(path) => path.file_name().unwrap().to_str().unwrap().to_owned(),
        other => other.to_string(),
    };
    config.accounts.iter().map(|account| (account.name.as_str(), source(&account.source))).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn an_account_is_there_after_a_restart_and_a_reload_and_shows_its_source() {
    let kept = Kept::new(GOOD);
    let before = kept.load();
    let settings = json!({ "server": "main", "health": { "poll_interval": "9s" } });
    let config = kept.put(&before, "0-first.of", &settings, &token(1));
    assert_eq!(sources(&config), [("0-first.of", "api".to_owned()), ("a", "matterhost.toml".to_owned())]);
    assert_eq!(config.accounts[0].settings.as_ref().unwrap().health.poll_interval.as_secs(), 9);
    let diff = ConfigDiff::between(&before, &config).to_string();
    assert_eq!(diff, "account 0-first.of is added");

    for again in [kept.load(), config.reload(&kept.sources, None).unwrap()] {
        assert_eq!(ConfigDiff::between(&config, &again).to_string(), "nothing has changed");
        assert_eq!(sources(&again), sources(&config));
    }
    let files = [kept.path("0-first.of.json"), kept.path("0-first.of.token")];
    assert_eq!(files.clone().map(|file| mode(&file)), [0o600, 0o600]);
    assert_eq!(mode(&kept.path("")), 0o700);
    assert_eq!(fs::read_to_string(&files[1]).unwrap(), token(1));
    let shown = format!("{config:?}{}", fs::read_to_string(&files[0]).unwrap());
    assert!(!shown.contains(SECRET), "{shown}");

    let config = written(config.plan_removal(&kept.sources, &name("0-first.of")).unwrap());
    assert_eq!(sources(&config), [("a", "matterhost.toml".to_owned())]);
    assert!(!files.iter().any(|file| file.exists()));
    assert_eq!(ConfigDiff::between(&before, &config).to_string(), "nothing has changed");
}

#[test]
fn the_same_account_again_changes_nothing_and_a_token_that_is_left_out_stays() {
    let kept = Kept::new(GOOD);
    let same = json!({ "health": { "poll": true } });
    let config = kept.put(&kept.load(), "b", &same, &token(1));
    let plan = |settings: &Value, token: Option<&str>| {
        config.plan_put(&kept.sources, &name("b"), new(settings, token), None).unwrap()
    };
    assert!(plan(&same, None).is_none() && plan(&same, Some(&format!("{}\n", token(1)))).is_none());
    let changed = |settings: &Value, token: Option<&str>| {
        ConfigDiff::between(&config, &plan(settings, token).unwrap().config).to_string()
    };
    assert_eq!(changed(&same, Some(&token(2))), "account b: token changed; its connection restarts");
    assert_eq!(changed(&json!({ "health": { "poll_interval": "50s" } }), None), "account b: health changed");
    let in_words = json!({ "server": "main", "health": { "poll": true } });
    assert_eq!(changed(&in_words, None), "nothing has changed", "the default, in words");
}

#[test]
fn mistakes_are_refused_together_in_the_words_of_the_configuration() {
    let kept = Kept::new(&format!("{GOOD}[sinks.hook]\ntype = 'stdout'\n"));
    let config = kept.load();
    let settings = json!({
        "server": "mian", "sinks": ["hok"], "restart": { "whithin": "1s" }, "health": { "timeout": 5 },
    });
    let problems = kept.refused(&config, "b", &settings, Some(&token(1)));
    let by_file = format!(
        "[accounts.b]\nserver = 'mian'\nsinks = ['hok']\ntoken = '{}'\nrestart.whithin = '1s'\nhealth.timeout = 5\n",
        token(1)
    );
    kept.rewrite(&format!("{GOOD}[sinks.hook]\ntype = 'stdout'\n{by_file}"));
    let by_file = Config::load(&kept.sources, None).unwrap_err().problems;
    let by_file: Vec<_> = by_file.into_iter().map(|problem| Problem { place: None, ..problem }).collect();
    assert_eq!(problems, lines(&by_file));
    assert_eq!(problems.len(), 4, "{problems:#?}");
    assert_eq!(problems[0], "accounts.b.server: there is no server \"mian\"; did you mean main?");

    let none = "accounts.b.token: there is no token; add \"token\" with the bot's access token";
    let sink = "accounts.b.sinks: there is no sink \"hok\"; did you mean hook?";
    assert_eq!(kept.refused(&config, "b", &json!({ "sinks": ["hok"] }), None), [none, sink]);
    let bad = kept.refused(&config, "b", &json!({}), Some(&format!("{SECRET} and more")));
    assert!(bad.len() == 1 && bad[0].starts_with("accounts.b.token: "), "{bad:?}");
    let same = kept.refused(&config, "b", &json!({}), Some(SECRET));
    assert!(same[0].starts_with("accounts.b: it has the same token as account a"), "{same:?}");
    assert!(!kept.path("").exists(), "nothing is written");
}

#[test]
fn an_account_of_the_file_is_not_the_apis_to_change() {
    let kept = Kept::new(GOOD);
    let config = kept.load();
    let detail = kept.conflict(&config, "a");
    assert!(detail.contains("matterhost.toml; change it there and reload"), "{detail}");
    let removal = |account: &str| config.plan_removal(&kept.sources, &name(account)).err().unwrap();
    assert!(matches!(removal("a"), AccountRefused::Conflict(detail) if detail.contains("matterhost.toml")));
    assert!(matches!(removal("b"), AccountRefused::Unknown(detail) if detail == "there is no account b"));

    // Later it comes into the file: the one that runs stays until somebody decides.
    let config = kept.put(&config, "b", &json!({}), &token(1));
    kept.rewrite(&format!("{GOOD}[accounts.b]\ntoken = '{}'\n", token(2)));
    let problems = lines(&config.reload(&kept.sources, None).unwrap_err().problems);
    assert!(
        problems[0].starts_with("accounts.b: an account by the admin API has this name, too"),
        "{problems:?}"
    );
    let config = kept.load();
    assert_eq!(sources(&config).last().unwrap().1, "matterhost.toml");
    assert!(config.left_out[0].message.ends_with("; the account is left out"), "{:?}", config.left_out);
}

#[test]
fn an_account_that_the_file_no_longer_fits_refuses_a_reload_and_is_left_out_at_a_start() {
    let more = "[servers.two]\nurl = 'http://two.test'\n";
    let kept = Kept::new(&format!("{GOOD}server = 'main'\n{more}"));
    let config = kept.put(&kept.load(), "b", &json!({ "server": "two" }), &token(1));
    kept.rewrite(GOOD);
    let place = kept.path("b.json").display().to_string();
    let problems = config.reload(&kept.sources, None).unwrap_err().problems;
    assert_eq!((&*problems[0].key, problems[0].place.as_ref()), ("accounts.b.server", Some(&place)));
    let config = kept.load();
    assert_eq!((config.accounts.len(), config.left_out.len()), (1, 1));
    assert_eq!(config.left_out[0].place.as_ref(), Some(&place));
    // It is mended, or deleted, by the API.
    let mended = kept.put(&config, "b", &json!({}), &token(1));
    assert_eq!(ConfigDiff::between(&config, &mended).to_string(), "account b is added");
    kept.put(&config, "c", &json!({}), &token(3));
    fs::write(kept.path("c.json"), "{").unwrap();
    let config = kept.load();
    assert!(config.left_out[0].key == "accounts.c", "{:?}", config.left_out);
    written(config.plan_removal(&kept.sources, &name("c")).unwrap());
    assert!(!kept.path("c.token").exists() && kept.load().left_out.is_empty());
}

#[test]
fn each_account_gets_its_own_instance_of_a_sink_and_takes_it_along() {
    let sink = "[sinks.log]\ntype = 'file'\npath = '{account}.jsonl'\n";
    let kept = Kept::new(&format!("{SERVER}[accounts]\n{sink}"));
    let empty = kept.load();
    let instances = |config: &Config| {
        let names = config.sinks.iter().map(|sink| sink.name.to_string());
        names.collect::<Vec<_>>()
    };
    assert_eq!(instances(&empty), ["log"]);
    let one = kept.put(&empty, "x", &json!({}), &token(1));
    let both = kept.put(&one, "y", &json!({}), &token(2));
    assert_eq!(instances(&both), ["log@x", "log@y"]);
    assert_eq!(ConfigDiff::between(&both, &kept.load()).to_string(), "nothing has changed");
    let one = written(both.plan_removal(&kept.sources, &name("x")).unwrap());
    assert_eq!(instances(&one), ["log@y"]);
    let none = written(one.plan_removal(&kept.sources, &name("y")).unwrap());
    assert_eq!(ConfigDiff::between(&none, &empty).to_string(), "nothing has changed");
    assert_eq!(ConfigDiff::between(&none, &kept.load()).to_string(), "nothing has changed");
}

#[test]
fn without_a_directory_nothing_is_kept() {
    let dir = Dir::new();
    let sources = dir.sources(&format!("{GOOD}[state]\nstore = 'memory'\n"));
    let config = Config::load(&sources, None).unwrap();
    assert_eq!(config.state, StateConfig::Memory);
    let detail = Kept { dir, sources }.conflict(&config, "b");
    assert!(detail.contains("set state.store = \"disk\" and state.dir"), "{detail}");
}

#[test]
fn a_host_may_begin_without_an_account_if_the_file_says_so() {
    let kept = Kept::new(&format!("{SERVER}[accounts]\n"));
    let config = kept.load();
    assert!(config.accounts.is_empty() && config.warnings[0].message == "there is no account");
    let config = kept.put(&config, "b", &json!({}), &token(1));
    kept.rewrite(SERVER);
    assert_eq!(sources(&kept.load()), sources(&config), "those of the API are accounts as well");
}

#[test]
fn a_limit_of_open_files_holds_for_them_too() {
    let kept = Kept::new(GOOD);
    let config = kept.load();
    let put = config.plan_put(&kept.sources, &name("b"), new(&json!({}), Some(&token(1))), Some(10));
    let Err(AccountRefused::Invalid(problems)) = put else { panic!("it is not refused") };
    assert!(problems[0].message.starts_with("2 accounts need "), "{problems:?}");
    kept.put(&config, "b", &json!({}), &token(1));
    let problems = Config::load(&kept.sources, Some(10)).unwrap_err().problems;
    assert!(problems[0].message.starts_with("2 accounts need "), "{problems:?}");
}
