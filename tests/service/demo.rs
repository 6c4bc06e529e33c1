//! The demo, with output that is not a terminal.

use crate::program::{output, text};

#[test]
fn the_demo_brings_a_disabled_bot_back_and_says_who_heard_what() {
    let output = output(&["demo", "--seconds", "8"]);
    let stdout = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    for words in [
        "helpdesk is disabled",
        "helpdesk is enabled again",
        "posts created",
        "Every bot received every post exactly once.",
    ] {
        assert!(stdout.contains(words), "{words} in\n{stdout}");
    }
    assert!(!stdout.contains('\u{1b}'), "without a terminal there are no colors or cursor commands");
    for bot in ["helpdesk", "deploys", "oncall"] {
        assert!(
            stdout.lines().any(|line| line.trim_start().starts_with(bot) && line.contains(" ready ")),
            "{bot}"
        );
    }
}
