//! The demo, as somebody runs it whose output is no terminal.

use crate::program::{output, text};

#[test]
fn the_demo_brings_a_disabled_bot_back_and_says_who_heard_what() {
    let output = output(&["demo", "--seconds", "8"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for words in [
        "helpdesk is disabled",
        "helpdesk is enabled again",
        "posts created",
        "Every bot received every post exactly once.",
    ] {
        assert!(said.contains(words), "{words} in\n{said}");
    }
    assert!(!said.contains('\u{1b}'), "no colours and no cursor where there is no terminal");
    for bot in ["helpdesk", "deploys", "oncall"] {
        assert!(
            said.lines().any(|line| line.trim_start().starts_with(bot) && line.contains(" ready ")),
            "{bot}"
        );
    }
}
