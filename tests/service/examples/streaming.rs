//! The bot that answers slowly and bit by bit: each answer is one post with its last text, also after a kill of the host.

use std::fs;

use super::{Example, Rig};

/// The last text of an answer.
const LAST: &str = "You asked: why? Let me think about that for a while.";

/// The pauses of the models, in both languages, and longer ones: an answer takes 1.6 s.
const PAUSES: [(&str, &str); 2] = [("sleep(0.05)", "sleep(0.15)"), ("sleep(50)", "sleep(150)")];

/// Writes an example whose model is slower.
fn slowed(rig: &Rig, example: &Example) -> Example {
    let mut text = fs::read_to_string(&example.path).unwrap();
    assert_eq!(PAUSES.iter().map(|(pause, _)| text.matches(pause).count()).sum::<usize>(), 1);
    for (pause, longer) in PAUSES {
        text = text.replace(pause, longer);
    }
    let path = rig.dir.write(example.path.file_name().unwrap().to_str().unwrap(), &text);
    Example { path, ..*example }
}

#[test]
fn a_slow_answer_grows_to_its_last_text_also_after_a_kill() {
    let mut rig = Rig::empty();
    for example in ["child", "webhook"].iter().flat_map(|door| Example::of("streaming", door)) {
        let slowed = slowed(&rig, &example);
        rig.add(&slowed, 2);
    }
    let config = fs::read_to_string(rig.dir.path().join("matterhost.toml")).unwrap();
    // Less than an answer takes, and more than an interpreter needs to start on a busy machine.
    let config = config.replace("type = \"exec\"\n", "type = \"exec\"\nanswer_timeout = \"1s\"\n");
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
