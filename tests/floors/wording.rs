//! The wording of comments and names: plain English, and one word for one thing.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    assert_none,
    code::{Code, Word},
    plan::{ACTORS, SERVICE},
    program,
    sources::{Source, all_sources},
};

/// First words that open a relative clause instead of saying what an item is or does.
const RELATIVE_OPENINGS: [&str; 10] =
    ["What", "Whatever", "Whether", "Who", "Whoever", "Whom", "Whose", "Which", "So", "That"];

/// Words for people and speech that say nothing of what a program does.
const RETIRED_WORDS: [&str; 6] = ["somebody", "nobody", "whoever", "whosoever", "a double", "is told"];

/// Names that the glossary replaced, each with what to write instead.
const RETIRED_NAMES: [(&str, &str); 23] = [
    ("Around", "a name that ends in Deps or Context"),
    ("Book", "ReplayState"),
    ("Claim", "ExclusiveResource"),
    ("Desk", "ReplyClient"),
    ("Doors", "ReloadTriggers"),
    ("Heard", "a noun for what was received"),
    ("Knocking", "ServerProbe"),
    ("Lanes", "KeyedQueue"),
    ("Lately", "RecentPosts"),
    ("Leaf", "PostPage"),
    ("Look", "a query named after its answer"),
    ("Made", "RunningSink"),
    ("Means", "a name that ends in Deps"),
    ("Pace", "TokenBucket"),
    ("Place", "Endpoint, PageCursor or ArbiterSlot"),
    ("Says", "EventBuilder"),
    ("Shares", "FairQueue"),
    ("Standing", "SendPermission"),
    ("Supplies", "HandlerDeps"),
    ("Tally", "a noun for what is counted"),
    ("Tenure", "InFlightGuard"),
    ("Voice", "Poster"),
    ("Weather", "ServerStatus"),
];

/// The only meaning of each module name that stands in more than one folder.
const SHARED_MODULE_NAMES: [(&str, &str); 48] = [
    ("account", "a hosted bot account"),
    ("accounts", "the accounts of a host"),
    ("admin", "the admin API"),
    ("audit", "the comparison of posts with the server's"),
    ("catch_up", "fetching what was missed"),
    ("channel", "a channel's missed posts"),
    ("client", "a client of an HTTP API"),
    ("cluster", "the members that share accounts"),
    ("config", "the program's configuration"),
    ("context", "the surroundings of a bot's handler"),
    ("dead_letter", "events that a handler refused for good"),
    ("delivery", "handing events to a sink"),
    ("error", "the errors of its folder"),
    ("event", "an event of the server"),
    ("exec", "the sink that runs a child process"),
    ("file", "the sink that writes files"),
    ("filter", "a sink's choice of events"),
    ("fuzzing", "the targets of the fuzzers"),
    ("health", "the health of an account or of the host"),
    ("hooks", "slash commands, buttons and dialogs"),
    ("host", "the process that hosts accounts"),
    ("lib", "the root of a package"),
    ("metrics", "the Prometheus metrics"),
    ("nats", "NATS: the connection, the stores of a cluster in it, and the sink that publishes"),
    ("permissions", "what the roles of an account permit"),
    ("ping", "the in-band ping"),
    ("reconfigure", "changes to a running actor"),
    ("reload", "reading the configuration again"),
    ("replies", "posting as an account"),
    ("reply", "a post of an account"),
    ("restart", "restarts of an account"),
    ("server", "a server and its parts"),
    ("server_limits", "the sizes that a server takes"),
    ("servers", "the Mattermost servers"),
    ("settings", "the settings of a host"),
    ("shutdown", "the shutdown of the host"),
    ("sign_in", "links that open the page without a token"),
    ("sink", "a destination of events"),
    ("sinks", "the destinations of events"),
    ("sse", "server-sent events"),
    ("state", "the state on disk"),
    ("status", "what `status` shows"),
    ("store", "the store on disk"),
    ("table", "a table on a terminal"),
    ("tail", "the live stream of facts"),
    ("tls", "TLS settings"),
    ("token", "a secret token"),
    ("webhook", "the sink that posts to a URL"),
];

/// The text of a line's doc comment, if it has one.
fn doc_comment(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let text = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))?;
    Some(text.trim())
}

/// The doc comments of a file that open badly: the first line of each block counts.
fn bad_openings(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside = false;
    for (at, line) in source.text.lines().enumerate() {
        let comment = doc_comment(line);
        let first = comment.filter(|_| !inside).and_then(|text| text.split([' ', ',', '\'']).next());
        if let Some(word) = first.filter(|word| RELATIVE_OPENINGS.contains(word)) {
            found.push(format!("{}:{}: begins with `{word}`", source.path, at + 1));
        }
        inside = comment.is_some_and(|text| !text.is_empty());
    }
    found
}

#[test]
fn doc_comments_say_what_an_item_is_or_does() {
    let violations: Vec<String> = all_sources().iter().flat_map(bad_openings).collect();
    assert_none(
        &violations,
        "Begin with a noun phrase (types) or a verb in the third person (functions); `True if …` for booleans.",
    );
}

/// Comments of a line that use a retired word.
fn retired_words(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (at, line) in source.text.lines().enumerate() {
        let Some((_, comment)) = line.split_once("//") else { continue };
        let comment = comment.to_lowercase();
        for word in RETIRED_WORDS.into_iter().filter(|word| comment.contains(word)) {
            found.push(format!("{}:{}: `{word}`", source.path, at + 1));
        }
    }
    found
}

#[test]
fn comments_name_the_actor_or_the_thing() {
    let programs = [program(ACTORS.root), program(SERVICE.root)].concat();
    let violations: Vec<String> = programs.iter().flat_map(retired_words).collect();
    assert_none(&violations, "Name the part of the program, the server, the operator or the handler.");
}

/// Types, traits and modules of a file whose name is retired.
fn retired_names(source: &Source) -> Vec<String> {
    let code = Code::blanked(&source.text);
    let words = code.words();
    let defined = |pair: &[Word<'_>]| {
        let is_definition = matches!(pair[0].text, "struct" | "enum" | "trait" | "type");
        let (name, instead) =
            *RETIRED_NAMES.iter().find(|(name, _)| is_definition && *name == pair[1].text)?;
        Some(format!("{}:{}: `{name}`; write {instead}", source.path, pair[1].line))
    };
    words.windows(2).filter_map(defined).collect()
}

#[test]
fn names_come_from_the_glossary() {
    let violations: Vec<String> = all_sources().iter().flat_map(retired_names).collect();
    assert_none(&violations, "One word for one thing, over the whole workspace.");
}

#[test]
fn a_module_name_means_one_thing() {
    let mut folders: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in [program(ACTORS.root), program(SERVICE.root)].concat() {
        let (folder, file) = source.path.rsplit_once('/').unwrap();
        folders.entry(file.trim_end_matches(".rs").to_owned()).or_default().insert(folder.to_owned());
    }
    let known: BTreeSet<&str> = SHARED_MODULE_NAMES.iter().map(|(name, _)| *name).collect();
    let several =
        folders.iter().filter(|(name, folders)| folders.len() > 1 && !known.contains(name.as_str()));
    let violations: Vec<String> = several.map(|(name, folders)| format!("`{name}` in {folders:?}")).collect();
    assert_none(
        &violations,
        "Rename one of them, or, if all name the same subject, enter it with that subject in SHARED_MODULE_NAMES.",
    );
}

#[test]
fn the_rules_find_each_violation() {
    let text = "/// What it is.\n/// So it goes on.\nstruct Book;\n\n/// A list.\n///\n/// Whether it helps.\nfn a() {} // Nobody asks.\n";
    let source = Source { path: "x.rs".into(), text: text.into() };
    assert_eq!(bad_openings(&source), ["x.rs:1: begins with `What`", "x.rs:7: begins with `Whether`"]);
    assert_eq!(retired_words(&source), ["x.rs:8: `nobody`"]);
    assert_eq!(retired_names(&source), ["x.rs:3: `Book`; write ReplayState"]);
}
