//! The bot that answers slowly and bit by bit: each answer is one post with its last text, also after a kill of the host.

use std::fs;

use super::Rig;

/// The last text of an answer.
const LAST: &str = "You asked: why? Let me think about that for a while.";

#[test]
fn a_slow_answer_grows_to_its_last_text_also_after_a_kill() {
    let rig = Rig::new("streaming");
    let config = fs::read_to_string(rig.dir.path().join("matterhost.toml")).unwrap();
    // Less than an answer takes.
    let config = config.replace("type = \"exec\"\n", "type = \"exec\"\nanswer_timeout = \"200ms\"\n");
    rig.dir.write("matterhost.toml", &config);
    let host = rig.start();
    rig.post("why?");
    rig.await_texts(|texts| !texts.is_empty());
    host.signal("KILL");
    host.wait_for_exit();
    let _host = rig.start();
    rig.await_texts(|texts| *texts == [LAST]);
    rig.post("why?");
    rig.await_texts(|texts| *texts == [LAST, LAST]);
}
