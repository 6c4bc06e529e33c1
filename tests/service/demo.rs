//! The demo, with output that is not a terminal.

use std::net::TcpListener;

use crate::{
    admin::host::free_address,
    program::{output, text},
};

#[test]
fn the_demo_brings_bots_and_a_handler_back_and_counts_the_posts() {
    let address = free_address().to_string();
    let output = output(&["demo", "--seconds", "9", "--admin", &address]);
    let stdout = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{stdout}{}", text(&output.stderr));
    assert!(stdout.contains(&format!("\nhttp://{address}/#sign-in=")), "{stdout}");
    for words in [
        "All bots are connected.",
        "An administrator disables helpdesk.",
        "helpdesk: the server no longer knows this socket.",
        "The administrator enables helpdesk again.",
        "helpdesk hears again after ",
        "A post arrives that crashes helpdesk's handler.",
        "helpdesk's handler crashed (",
        "helpdesk's handler runs again and has its posts.",
        "Every bot received every post by the others exactly once.",
    ] {
        assert!(stdout.contains(words), "{words} in\n{stdout}");
    }
    let without_time = |line: &str| line.split_once(" s  ").map_or(line, |(_, rest)| rest).to_owned();
    let mut lines: Vec<_> = stdout.lines().filter(|line| !line.is_empty()).map(without_time).collect();
    let told = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), told, "no line comes twice in\n{stdout}");
    for jargon in ["generation", "update_at", "os error", "app_error", "\u{1b}"] {
        assert!(!stdout.contains(jargon), "{jargon:?} in\n{stdout}");
    }
    for bot in ["helpdesk", "deploys", "oncall"] {
        let is_ready = |line: &str| line.trim_start().starts_with(bot) && line.contains(" ready ");
        assert!(stdout.lines().any(is_ready), "{bot} in\n{stdout}");
    }
}

#[test]
fn an_address_that_cannot_be_used_is_named() {
    let output = output(&["demo", "--seconds", "1", "--admin", "nowhere"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{stderr}");
    assert!(stderr.starts_with("matterhost: --admin: \"nowhere\" is not an address"), "{stderr}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = crate::program::output(&["demo", "--seconds", "1", "--admin", &address]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(&address) && stderr.contains("--admin"), "{stderr}");
}
