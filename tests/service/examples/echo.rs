//! The echo bot.

use super::Rig;

#[test]
fn an_echo_bot_answers_for_each_account_of_its_sink() {
    let rig = Rig::new("echo");
    let _host = rig.start();
    rig.post("hello there");
    rig.await_texts(|texts| *texts == ["You said: hello there"]);
    let posts = rig.variants.iter().flat_map(|variant| rig.simulator.posts_in(&variant.channel));
    let answers: Vec<_> = posts.filter(|post| post.message.starts_with("You said")).collect();
    assert!(answers.iter().all(|answer| !answer.root_id.is_empty()), "in the thread: {answers:?}");
}
