//! The demo, with output that is not a terminal.

use crate::program::{output, text};

#[test]
fn the_demo_brings_a_disabled_bot_back_and_counts_the_events() {
    let output = output(&["demo", "--seconds", "8"]);
    let stdout = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    // Without the default address, which another process may use, there is no page.
    let link = stdout.lines().next().filter(|line| line.contains("This link opens the page, once: "));
    assert!(link.is_none_or(|line| line.contains("http://127.0.0.1:8466/#sign-in=")), "{stdout}");
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
