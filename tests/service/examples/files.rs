//! The file bot.

use super::{Rig, names_in};
use crate::{admin::host::Api, program::wait_until_complete};

/// The names of the files of the post.
const NAMES: [&str; 6] = ["../long.txt", "1.txt", "2.txt", "3.txt", "4.txt", "5.txt"];

/// More files than an account may download at once, for two accounts.
#[test]
fn a_file_bot_reads_six_files_of_a_post_and_answers_with_a_table_for_each_account() {
    let rig = Rig::new("files");
    let _host = rig.start();
    let contents: Vec<_> =
        (0..NAMES.len()).map(|n| "a line\n".repeat(if n == 0 { 100_000 } else { n })).collect();
    let files: Vec<_> = NAMES.into_iter().zip(contents.iter().map(String::as_bytes)).collect();
    for variant in &rig.variants {
        rig.simulator.post_files(&rig.person.user_id, &variant.channel, "count", &files);
    }
    rig.await_texts(|texts| *texts == ["I counted the lines."]);
    let rows =
        NAMES.iter().zip(&contents).map(|(name, content)| format!("{name},{}\n", content.lines().count()));
    let expected = "file,lines\n".to_owned() + &rows.collect::<String>();
    for variant in &rig.variants {
        for bot in &variant.bots {
            let post = rig.posts(variant, bot).pop().unwrap();
            let [file] = &post.file_ids[..] else { panic!("{}: {post:?}", variant.name) };
            let server = Api { address: rig.simulator.address(), token: Some(bot.token.clone().leak()) };
            let info = server.get(&format!("/api/v4/files/{file}/info")).json();
            assert_eq!(info["name"], "lines.csv", "{}", variant.name);
            let table = server.get(&format!("/api/v4/files/{file}")).text();
            assert_eq!(table.replace(['\r', '"'], ""), expected, "{}", variant.name);
        }
        let dir = rig.dir.path().join(&variant.name);
        if dir.exists() {
            wait_until_complete(|| names_in(&dir)).unwrap();
        }
    }
}
