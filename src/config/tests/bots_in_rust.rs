//! Sinks of bots in Rust that the program was built with.

use matterhost_actors::bots::{Bot, Schedule};

use super::*;

struct Helpdesk;

impl Bot for Helpdesk {}

struct Wrong;

impl Bot for Wrong {
    fn problems(&self) -> Vec<String> {
        vec!["the usage <env is no usage".into()]
    }
}

struct Doubled;

impl Bot for Doubled {
    fn schedules(&self) -> Vec<Schedule> {
        ["0 8 * * *", "0 9 * * *"].map(|pattern| Schedule::new("daily", pattern).unwrap()).to_vec()
    }
}

struct Panicking;

impl Bot for Panicking {
    fn schedules(&self) -> Vec<Schedule> {
        panic!("no calendar")
    }
}

fn bots() -> Bots {
    let bots = Bots::default().with("helpdesk", || Helpdesk).with("deploy", || Helpdesk);
    bots.with("wrong", || Wrong).with("doubled", || Doubled).with("panicking", || Panicking)
}

fn load(bots: Bots, text: &str) -> Result<Config, ConfigError> {
    let dir = Dir::new();
    Config::load(&Sources { bots, ..dir.sources(&format!("{GOOD}{text}")) }, None)
}

fn problems(bots: Bots, text: &str) -> Vec<String> {
    load(bots, text).unwrap_err().problems.iter().map(ToString::to_string).collect()
}

/// Returns the names of the sinks and of their bots.
fn sinks(config: &Config) -> Vec<(String, String)> {
    let sink = |sink: &SinkConfig| match &sink.kind {
        SinkKind::Bot(bot) => (sink.name.to_string(), bot.factory.name().to_owned()),
        other => panic!("{other:?}"),
    };
    config.sinks.iter().map(sink).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(sink, bot)| ((*sink).to_owned(), (*bot).to_owned())).collect()
}

#[test]
fn a_sink_names_a_bot_or_has_its_name() {
    let config = load(
        bots(),
        "sinks = ['deploy', 'desk']\n[sinks.deploy]\ntype = 'bot'\n[sinks.desk]\ntype = 'bot'\nbot = 'helpdesk'\n",
    );
    let config = config.unwrap();
    assert_eq!(sinks(&config), pairs(&[("deploy", "deploy"), ("desk", "helpdesk")]));
    let warnings: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
    let unused = "sinks: no sink has the bot wrong of this program, so it receives nothing; \
                  add [sinks.wrong] with type = \"bot\"";
    assert!(warnings.iter().any(|warning| warning.starts_with(unused)), "{warnings:?}");
    assert!(!warnings.iter().any(|warning| warning.contains("bot deploy")), "{warnings:?}");
    let by_account = "[sinks.own]\ntype = 'bot'\nbot = '{account}'\n";
    let text = format!("[accounts.helpdesk]\ntoken = 'y'\n[accounts.deploy]\ntoken = 'z'\n{by_account}");
    let named = load(bots().with("a", || Helpdesk), &text).unwrap();
    let expected = [("own@a", "a"), ("own@deploy", "deploy"), ("own@helpdesk", "helpdesk")];
    assert_eq!(sinks(&named), pairs(&expected));
    assert!(problems(bots(), &text)[0].contains("sinks.own.bot: this program has no bot \"a\""));
}

#[test]
fn a_bot_that_the_program_lacks_or_that_has_mistakes_is_refused() {
    let sink = |bot: &str| format!("[sinks.desk]\ntype = 'bot'\n{bot}\n");
    for (bot, expected) in [
        (
            "",
            "sinks.desk.bot: this program has no bot \"desk\"; write one of its bots: deploy, doubled, helpdesk,",
        ),
        ("bot = 'helpdsk'", "sinks.desk.bot: this program has no bot \"helpdsk\"; did you mean helpdesk?"),
        ("bot = 'wrong'", "sinks.desk.bot: bot wrong: the usage <env is no usage; mend it in the program"),
        (
            "bot = 'doubled'",
            "sinks.desk.bot: bot doubled: schedule daily is there twice; give one of them another",
        ),
        ("bot = 'panicking'", "sinks.desk.bot: bot panicking: the bot panicked: no calendar at"),
        ("bot = 'helpdesk'\ndeadline = '2h'", "sinks.desk.deadline: 2h is out of bounds"),
        ("bot = 'helpdesk'\nurl = 'http://a'", "sinks.desk.url: there is no such key"),
    ] {
        let refused = problems(bots(), &sink(bot));
        assert!(refused.iter().any(|line| line.contains(expected)), "{bot}: {refused:?}");
    }
    let none = problems(Bots::default(), &sink("bot = 'helpdesk'"));
    let words = "sinks.desk.bot: this program has no bots of its own; use another type, or a program that is \
                 built with bots in Rust: see docs/bots.md";
    assert!(none[0].starts_with(words), "{none:?}");
    let twice = problems(bots().with("deploy", || Helpdesk).with("a b", || Helpdesk), "");
    assert_eq!(twice[0], "this program has two bots with the name deploy; change it in the program");
    assert!(twice[1].starts_with("a bot of this program: "), "{twice:?}");
}

#[test]
fn the_same_bot_is_no_change_and_another_restarts_the_sink() {
    let with = |bot: &str| load(bots(), &format!("[sinks.desk]\ntype = 'bot'\nbot = '{bot}'\n")).unwrap();
    let (before, after) = (with("helpdesk"), with("deploy"));
    let changes = |after: &Config| {
        let changes = ConfigDiff::between(&before, after).changes.into_iter();
        changes.filter(|change| change.kind == ItemKind::Sink).collect::<Vec<_>>()
    };
    assert_eq!(changes(&with("helpdesk")), []);
    let found = changes(&after);
    assert_eq!((found.len(), found[0].effect), (1, Effect::Restart));
    assert_eq!(found[0].keys, ["bot"]);
}
