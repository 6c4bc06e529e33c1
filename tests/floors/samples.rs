//! Tests of the scan itself: it finds violations, but not in comments, strings and tests.

use crate::{
    code::Code,
    imports::{from_root, from_super},
    left_over,
    plan::{ACTORS, SERVICE},
    sources::Source,
};

fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

fn named(root: &str, text: &str) -> Vec<(usize, String)> {
    from_root(root, &Code::blanked(text)).into_iter().map(|import| (import.line, import.module)).collect()
}

#[test]
fn an_upward_import_is_reported_with_file_and_line() {
    let policy =
        source("actors/src/policy/supervision/budget.rs", "use std::fmt;\nuse crate::hosting::Supervisor;\n");
    let offence =
        "actors/src/policy/supervision/budget.rs:2: `policy` names `hosting`, which is not below it";
    assert_eq!(ACTORS.violations(&policy), [offence]);
    let sink = source("src/sinks/lines/stdout.rs", "use super::super::super::host;\n");
    assert_eq!(
        SERVICE.violations(&sink),
        ["src/sinks/lines/stdout.rs:1: `sinks` names `host`, which is not below it"]
    );
}

#[test]
fn downward_imports_and_those_of_the_top_are_fine() {
    let text = "use crate::{model::Event, policy::Backoff};\nuse super::super::mattermost;\n";
    assert!(ACTORS.violations(&source("actors/src/ports/api/fake.rs", text)).is_empty());
    assert!(SERVICE.violations(&source("src/host.rs", "use crate::{sinks, telemetry};")).is_empty());
    assert!(SERVICE.violations(&source("src/main.rs", "use matterhost::program::Program;")).is_empty());
}

#[test]
fn main_goes_through_the_command_line_and_a_new_module_needs_a_row() {
    assert_eq!(SERVICE.violations(&source("src/main.rs", "use matterhost::sinks;")).len(), 1);
    assert_eq!(
        SERVICE.violations(&source("src/novelty.rs", "")),
        ["src/novelty.rs:1: `novelty` is on no floor"]
    );
}

#[test]
fn braces_are_taken_apart_to_the_first_segment() {
    let text = "use crate::{\n    a::{b, c::{d}},\n    e, // crate::f\n    g::*,\n};\npub(in crate::h) fn i() { crate::j::k() }";
    let expected =
        [(2, "a"), (3, "e"), (4, "g"), (6, "h"), (6, "j")].map(|(line, name)| (line, name.to_owned()));
    assert_eq!(named("crate", text), expected);
}

#[test]
fn comments_strings_and_characters_name_nothing() {
    let text = r##"
        /// See [`crate::a`].
        /* crate::b /* crate::c */ crate::d */
        const S: &str = "crate::e \" crate::f";
        const R: &str = r#"crate::g " crate::h"#;
        const B: &[u8] = b"crate::i";
        const Q: [char; 3] = ['"', '\'', '\\'];
        const Y: u8 = b'"';
        fn of<'a>(it: &'a str) -> &'a str { crate::seen::by(it) } // crate::j
    "##;
    assert_eq!(named("crate", text), [(9, "seen".to_owned())]);
}

#[test]
fn test_code_may_import_anything() {
    let text = "#[cfg(test)]\nuse crate::{a, b};\n#[cfg(test)]\nmod c {\n    use crate::d;\n    fn e() { { } }\n}\n\
                #[cfg(test)]\n#[path = \"x\"]\nmod tests;\nuse crate::seen;\n";
    let code = Code::without_tests(text);
    let named: Vec<_> =
        from_root("crate", &code).into_iter().map(|import| (import.line, import.module)).collect();
    assert_eq!(named, [(11, "seen".to_owned())]);
    assert!(source("src/config/files/tests.rs", "").is_test());
    assert!(!source("src/config/testing.rs", "").is_test());
}

#[test]
fn super_counts_when_it_reaches_the_top() {
    let code = Code::blanked("use super::a;\nuse super::super::{b, c::d};\npub(super) fn e() {}");
    let modules: Vec<_> = from_super(2, &code).into_iter().map(|import| import.module).collect();
    assert_eq!(modules, ["b", "c"]);
    assert!(from_super(3, &code).is_empty());
}

#[test]
fn leftovers_are_found_and_text_about_them_is_not() {
    let text = format!(
        "// {}: later\nfn a() {{ todo!() }}\n#[allow(dead_code)]\nconst B: &str = \"todo!\"; // dbg!\n",
        concat!("FIX", "ME")
    );
    let expected = ["x.rs:2: todo!", "x.rs:3: #[allow", concat!("x.rs:1: FIX", "ME")];
    assert_eq!(left_over(&source("x.rs", &text)), expected);
}

#[test]
fn another_package_is_found_by_its_name_alone() {
    let text = "//! matterhost\nuse matterhost_actors::model;\nfn a() { matterhost::app::run() }\n";
    assert_eq!(source("x.rs", text).names("matterhost"), ["x.rs:3: names `matterhost`"]);
}
