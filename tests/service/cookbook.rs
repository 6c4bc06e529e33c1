//! The handlers of docs/cookbook.md: each is run with the event of the page, and writes what the page says.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::code_blocks::{Block, blocks};

const PAGE: &str = "docs/cookbook.md";

/// Returns what a handler writes for a line of input.
fn output(handler: &Block, event: &str) -> String {
    let mut command = Command::new("python3");
    command.args(["-c", &handler.text]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{event}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", handler.text);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn each_handler_answers_the_event_as_its_page_says() {
    let blocks = blocks(Path::new(PAGE));
    let event = blocks.iter().find(|block| block.language == "json").unwrap();
    let event: Value = serde_json::from_str(&event.text).unwrap();
    let handlers: Vec<_> = blocks.windows(2).filter(|pair| pair[0].language == "python").collect();
    assert!(handlers.len() >= 5, "{} handlers were found", handlers.len());
    for pair in handlers {
        let (handler, expected) = (&pair[0], &pair[1]);
        assert_eq!(expected.language, "text", "the output of a handler follows it:\n{}", handler.text);
        assert_eq!(output(handler, &event.to_string()), expected.text, "{}", handler.text);
        let last: Value = serde_json::from_str(expected.text.lines().last().unwrap()).unwrap();
        let answers = ["ack", "retry", "reject"];
        assert!(
            answers.iter().any(|answer| last[answer] == event["id"]),
            "the event is not answered: {last}"
        );
    }
}

#[test]
fn the_index_lists_every_example() {
    let page = fs::read_to_string(PAGE).unwrap();
    let folders = fs::read_dir("docs/handlers").unwrap().map(|folder| folder.unwrap().path());
    for file in folders.flat_map(|folder| fs::read_dir(folder).unwrap()) {
        let path = file.unwrap().path();
        let link = format!("]({})", path.strip_prefix("docs").unwrap().display());
        assert!(page.contains(&link), "{PAGE} does not list {}", path.display());
    }
}
