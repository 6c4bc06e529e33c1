//! What changes is seen as it changes, and what is asked for is done.

use fantoccini::key::Key;

use crate::{browser::Browser, scene::Scene};

/// The names of all rows, in the order of the document.
const NAMES: &str =
    "return [...document.querySelectorAll('#spacer .row')].map(row => row.dataset.name).join()";

/// The number of the connection that the details show.
const GENERATION: &str = "
    const terms = [...document.querySelectorAll('#panel dt')];
    return terms.find(term => term.textContent === 'Generation').nextElementSibling.textContent";

async fn generation(browser: &Browser) -> u64 {
    let text = browser.until("the generation", GENERATION).await;
    text.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_bot_that_is_disabled_is_ill_at_once_and_first_and_well_again_later() {
    let scene = Scene::start();
    let browser = Browser::open(&scene.url).await;
    browser.sees("[data-name=oncall]", "ready").await;
    assert_eq!(browser.run(NAMES).await, "helpdesk,oncall");

    scene.world.simulator.disable(&scene.oncall.user_id);
    browser.sees("[data-name=oncall]", "blocked").await;
    browser.sees("[data-name=oncall] .why", "the token is refused (401)").await;
    browser.sees("#verdict", "1 of 2 ill").await;
    browser.sees("#changes", "oncall is blocked").await;
    assert_eq!(browser.run("return document.title").await, "(1 ill) matterhost");
    assert_eq!(browser.run(NAMES).await, "oncall,helpdesk");
    let shape = "return document.querySelector('[data-name=oncall] use').getAttribute('href')";
    assert_eq!(browser.run(shape).await, "#shape-bad");

    scene.world.simulator.enable(&scene.oncall.user_id);
    browser.sees("[data-name=oncall]", "ready").await;
    browser.sees("#verdict", "all 2 well").await;
    browser.sees("[data-name=oncall] .why", "back after").await;
    browser.is_silent().await;
}

#[tokio::test]
async fn an_account_is_restarted_by_a_button_and_only_when_that_is_confirmed() {
    let scene = Scene::start();
    let browser = Browser::open(&scene.url).await;
    browser.click("[data-name=helpdesk] .name").await;
    assert_eq!(generation(&browser).await, 1);

    browser.click("#panel [data-act=restart]").await;
    browser.sees("#dialog", "Restart helpdesk?").await;
    browser.click("#dialog-cancel").await;
    let back =
        "return document.activeElement.dataset.act === 'restart' && !document.getElementById('dialog').open";
    browser.until("the focus back on the button", back).await;

    browser.click("#panel [data-act=restart]").await;
    browser.click("#dialog-go").await;
    browser.sees("#said", "Restart of helpdesk is asked for").await;
    browser.sees("#panel .endings", "restarted by an operator").await;
    assert_eq!(generation(&browser).await, 2);
    browser.sees("[data-name=helpdesk]", "ready").await;
    browser.is_silent().await;
}

#[tokio::test]
async fn everything_can_be_done_by_keys() {
    let scene = Scene::start();
    let browser = Browser::open(&scene.url).await;
    browser.sees("[data-name=helpdesk]", "ready").await;
    browser.types("/").await;
    browser.until("the search", "return document.activeElement.id === 'search'").await;
    browser.types("oncall").await;
    browser.until("one row", "return document.querySelectorAll('#spacer .row').length === 1").await;
    browser.sees("#shown", "1 of 2 shown").await;
    browser.press(Key::Down).await;
    browser.until("the row", "return document.activeElement.dataset.name === 'oncall'").await;
    browser.press(Key::Right).await;
    browser.until("its button", "return document.activeElement.dataset.act === 'restart'").await;
    browser.press(Key::Enter).await;
    browser.sees("#dialog", "Restart oncall?").await;
    // An Enter that was held too long confirms nothing.
    browser.until("caution", "return document.activeElement.id === 'dialog-cancel'").await;
    browser.press(Key::Tab).await;
    browser.press(Key::Enter).await;
    browser.sees("#said", "Restart of oncall is asked for").await;
    browser.until("the focus", "return document.activeElement.dataset.act === 'restart'").await;
    browser.press(Key::Left).await;
    browser.press(Key::Enter).await;
    browser.until("the details", "return document.activeElement.id === 'panel-name'").await;
    browser.sees("#panel .endings", "restarted by an operator").await;
    browser.press(Key::Escape).await;
    browser.until("the row", "return document.activeElement.dataset.name === 'oncall'").await;
    browser.is_silent().await;
}

#[tokio::test]
async fn a_restart_of_the_service_is_survived() {
    let mut scene = Scene::start();
    let browser = Browser::open(&scene.url).await;
    browser.sees("[data-name=oncall]", "ready").await;
    browser.click("[data-name=helpdesk] .name").await;
    browser.is_silent().await;

    scene.end();
    browser.sees("#banner", "Not connected").await;
    browser.sees("#banner", "last heard").await;
    browser.sees("[data-name=oncall]", "ready").await;
    scene.begin();
    browser.until("the connection", "return document.getElementById('banner').hidden").await;
    browser.sees("#said", "started again").await;
    browser.sees("[data-name=oncall]", "ready").await;
    browser.until("two rows", &format!("return (() => {{ {NAMES} }})() === 'helpdesk,oncall'")).await;
    browser.sees("#counts", "all 2").await;

    // It is live again.
    scene.world.simulator.disable(&scene.oncall.user_id);
    browser.sees("[data-name=oncall]", "blocked").await;
}

#[tokio::test]
async fn the_tail_tells_what_happens_and_can_be_held() {
    let scene = Scene::start();
    let browser = Browser::open(&scene.url).await;
    browser.sees("[data-name=oncall]", "ready").await;
    browser.click("#tail-toggle").await;
    browser.fill("#tail-account", "oncall").await;
    browser.press(Key::Enter).await;
    browser.until("the stream", "return document.getElementById('tail-said').textContent === ''").await;

    // What happens to another is left out.
    scene.world.simulator.cycle(&scene.world.bot.user_id);
    browser.sees("[data-name=helpdesk] .why", "back after").await;
    scene.world.simulator.disable(&scene.oncall.user_id);
    browser.sees("#tail-lines", "the connection ended").await;
    browser.click("#tail-pause").await;
    scene.world.simulator.enable(&scene.oncall.user_id);
    browser.sees("#tail-said", "more").await;
    let ready = "return document.getElementById('tail-lines').innerText.includes('ready after')";
    assert_eq!(browser.run(ready).await, false);
    browser.sees("[data-name=oncall]", "ready").await;
    browser.click("#tail-pause").await;
    browser.sees("#tail-lines", "ready after").await;
    let others = "return [...document.querySelectorAll('#tail-lines .subject')].filter(one => !one.innerText.startsWith('oncall#')).length";
    assert_eq!(browser.run(others).await, 0);
    browser.is_silent().await;
}
