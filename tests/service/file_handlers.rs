//! The handlers of docs/files.md, which answer with files.

use std::{
    fs,
    net::TcpListener,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use matterhost_simulator::Post;

use crate::{
    admin::{host::Api, http_client::Response},
    program::{ConfigDir, DEADLINE, Fixture, RunningProgram},
    sinks::{Handler, sink},
};

/// Waits for the bot's first post with a file.
fn await_file(fixture: &Fixture) -> Post {
    let end = Instant::now() + DEADLINE;
    loop {
        let posts = fixture.simulator.posts_in(&fixture.channel).into_iter();
        let mut posts = posts.filter(|post| post.user_id == fixture.bot.user_id && !post.file_ids.is_empty());
        if let Some(post) = posts.next() {
            return post;
        }
        assert!(Instant::now() < end, "no file in {:?}", fixture.bot_posts());
        thread::sleep(Duration::from_millis(5));
    }
}

/// Returns the text of a file, asked of the server as the bot.
fn text_of(fixture: &Fixture, file: &str) -> String {
    let token: &'static str = fixture.bot.token.clone().leak();
    let server = Api { address: fixture.simulator.address(), token: Some(token) };
    let Response { body, .. } = server.get(&format!("/api/v4/files/{file}"));
    String::from_utf8(body).unwrap()
}

#[test]
fn a_child_answers_with_a_file_of_its_directory() {
    let fixture = Fixture::new();
    let handler = fs::canonicalize("docs/handlers/python/files_child.py").unwrap();
    let child = format!(
        "[sinks.child]\ntype = \"exec\"\ncommand = [\"python3\", \"{}\"]\ndir = \".\"\n",
        handler.display()
    );
    let dir = ConfigDir::with(&(fixture.config() + &child));
    let _running = RunningProgram::ready(&fixture, &dir);
    fixture.post("two words");
    fixture.post("report");
    let post = await_file(&fixture);
    assert_eq!(post.message, "Here is the report.");
    let report = text_of(&fixture, &post.file_ids[0]);
    assert_eq!(report, format!("person,words\r\n{},3\r\n", fixture.person.user_id));
}

#[test]
fn a_child_reads_the_files_of_a_post_in_its_directory() {
    let fixture = Fixture::new();
    let handler = fs::canonicalize("docs/handlers/python/saved_files.py").unwrap();
    let child = format!(
        "[sinks.child]\ntype = \"exec\"\ncommand = [\"python3\", \"{}\"]\ndir = \"files\"\n",
        handler.display()
    );
    let dir = ConfigDir::with(&(fixture.config() + &child));
    let files = dir.path().join("files");
    fs::create_dir(&files).unwrap();
    let _running = RunningProgram::ready(&fixture, &dir);
    let long = "a line\n".repeat(100_000);
    let (person, channel) = (&fixture.person.user_id, &fixture.channel);
    fixture.simulator.post_file(person, channel, "count", ("../long.txt", long.as_bytes()));
    fixture.await_post("../long.txt has 100000 lines.");
    let left: Vec<_> = fs::read_dir(&files).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_webhook_reads_a_file_and_answers_with_another() {
    let fixture = Fixture::new();
    let api = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = Command::new("node");
    command.args(["docs/handlers/javascript/files_webhook.mjs", "0", &format!("http://{api}")]);
    let handler = Handler::start(command, "");
    let admin = format!("[admin]\nbind = \"{api}\"\n");
    let dir = ConfigDir::with(&(fixture.config() + &sink(handler.port) + &admin));
    let _running = RunningProgram::ready(&fixture, &dir);
    let long = "a line\n".repeat(100_000);
    let (person, channel) = (&fixture.person.user_id, &fixture.channel);
    fixture.simulator.post_file(person, channel, "count", ("long.txt", long.as_bytes()));
    let post = await_file(&fixture);
    assert_eq!((&*post.message, post.file_ids.len()), ("I counted the lines.", 1));
    assert_eq!(text_of(&fixture, &post.file_ids[0]), "file,lines\nlong.txt,100000\n");
}
