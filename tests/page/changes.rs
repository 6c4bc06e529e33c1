//! Live updates and actions.

use fantoccini::key::Key;

use crate::{browser::Browser, harness::PageHarness};

/// Returns the names of all rows, in the order of the document.
const NAMES: &str =
    "return [...document.querySelectorAll('#spacer .row')].map(row => row.dataset.name).join()";

/// Waits until the details show this generation. They may show the end of the one before already.
async fn wait_for_generation(browser: &Browser, number: u64) {
    let shown = "[...document.querySelectorAll('#panel dt')].find(term => term.textContent === 'Generation')";
    let body = format!("return {shown}.nextElementSibling.textContent === '{number}'");
    browser.wait_for(&format!("generation {number}"), &body).await;
}

#[tokio::test]
async fn a_disabled_bot_is_unhealthy_and_first_at_once_and_recovers() {
    let harness = PageHarness::start();
    let browser = Browser::open(&harness.url).await;
    browser.wait_for_text("[data-name=oncall]", "ready").await;
    assert_eq!(browser.execute(NAMES).await, "helpdesk,oncall");

    harness.fixture.simulator.disable(&harness.oncall.user_id);
    browser.wait_for_text("[data-name=oncall]", "blocked").await;
    browser.wait_for_text("[data-name=oncall] .why", "the token is refused (401)").await;
    browser.wait_for_text("#verdict", "1 of 2 unhealthy").await;
    browser.wait_for_text("#changes", "oncall is blocked").await;
    assert_eq!(browser.execute("return document.title").await, "(1 unhealthy) matterhost");
    assert_eq!(browser.execute(NAMES).await, "oncall,helpdesk");
    let shape = "return document.querySelector('[data-name=oncall] use').getAttribute('href')";
    assert_eq!(browser.execute(shape).await, "#shape-bad");

    harness.fixture.simulator.enable(&harness.oncall.user_id);
    browser.wait_for_text("[data-name=oncall]", "ready").await;
    browser.wait_for_text("#verdict", "all 2 healthy").await;
    browser.wait_for_text("[data-name=oncall] .why", "back after").await;
    browser.assert_console_is_empty().await;
}

#[tokio::test]
async fn an_account_is_restarted_by_a_button_and_only_when_that_is_confirmed() {
    let harness = PageHarness::start();
    let browser = Browser::open(&harness.url).await;
    browser.click("[data-name=helpdesk] .name").await;
    wait_for_generation(&browser, 1).await;

    browser.click("#panel [data-act=restart]").await;
    browser.wait_for_text("#dialog", "Restart helpdesk?").await;
    browser.click("#dialog-cancel").await;
    let focus =
        "return document.activeElement.dataset.act === 'restart' && !document.getElementById('dialog').open";
    browser.wait_for("focus on the button", focus).await;

    browser.click("#panel [data-act=restart]").await;
    browser.click("#dialog-go").await;
    browser.wait_for_text("#notice", "Restart of helpdesk requested").await;
    browser.wait_for_text("#panel .endings", "restarted by an operator").await;
    wait_for_generation(&browser, 2).await;
    browser.wait_for_text("[data-name=helpdesk]", "ready").await;
    browser.assert_console_is_empty().await;
}

#[tokio::test]
async fn everything_can_be_done_by_keys() {
    let harness = PageHarness::start();
    let browser = Browser::open(&harness.url).await;
    browser.wait_for_text("[data-name=helpdesk]", "ready").await;
    browser.type_text("/").await;
    browser.wait_for("the search", "return document.activeElement.id === 'search'").await;
    browser.type_text("oncall").await;
    browser.wait_for("one row", "return document.querySelectorAll('#spacer .row').length === 1").await;
    browser.wait_for_text("#shown", "1 of 2 shown").await;
    browser.press(Key::Down).await;
    browser.wait_for("the row", "return document.activeElement.dataset.name === 'oncall'").await;
    browser.press(Key::Right).await;
    browser.wait_for("its button", "return document.activeElement.dataset.act === 'restart'").await;
    browser.press(Key::Enter).await;
    browser.wait_for_text("#dialog", "Restart oncall?").await;
    // An Enter held too long does not confirm.
    browser.wait_for("focus on Cancel", "return document.activeElement.id === 'dialog-cancel'").await;
    browser.press(Key::Tab).await;
    browser.press(Key::Enter).await;
    browser.wait_for_text("#notice", "Restart of oncall requested").await;
    browser.wait_for("the focus", "return document.activeElement.dataset.act === 'restart'").await;
    browser.press(Key::Left).await;
    browser.press(Key::Enter).await;
    browser.wait_for("the details", "return document.activeElement.id === 'panel-name'").await;
    browser.wait_for_text("#panel .endings", "restarted by an operator").await;
    browser.press(Key::Escape).await;
    browser.wait_for("the row", "return document.activeElement.dataset.name === 'oncall'").await;
    browser.assert_console_is_empty().await;
}

#[tokio::test]
async fn the_page_survives_a_restart_of_the_service() {
    let mut harness = PageHarness::start();
    let browser = Browser::open(&harness.url).await;
    browser.wait_for_text("[data-name=oncall]", "ready").await;
    browser.click("[data-name=helpdesk] .name").await;
    browser.assert_console_is_empty().await;

    harness.stop_program();
    browser.wait_for_text("#banner", "Not connected").await;
    browser.wait_for_text("#banner", "last update").await;
    // The rows stay, in the state that the service last sent: it may have had the time to tell of its stop.
    let rows = "return /ready|stopped/.test(document.querySelector('[data-name=oncall]').textContent)";
    browser.wait_for("the last state", rows).await;
    harness.start_program();
    browser.wait_for("the connection", "return document.getElementById('banner').hidden").await;
    browser.wait_for_text("#notice", "restarted").await;
    browser.wait_for_text("[data-name=oncall]", "ready").await;
    browser.wait_for("two rows", &format!("return (() => {{ {NAMES} }})() === 'helpdesk,oncall'")).await;
    browser.wait_for_text("#counts", "all 2").await;

    // Updates arrive again.
    harness.fixture.simulator.disable(&harness.oncall.user_id);
    browser.wait_for_text("[data-name=oncall]", "blocked").await;
}

#[tokio::test]
async fn the_tail_shows_facts_and_can_be_paused() {
    let harness = PageHarness::start();
    let browser = Browser::open(&harness.url).await;
    browser.wait_for_text("[data-name=oncall]", "ready").await;
    browser.click("#tail-toggle").await;
    browser.fill("#tail-account", "oncall").await;
    browser.press(Key::Enter).await;
    browser.wait_for("the stream", "return document.getElementById('tail-status').textContent === ''").await;

    // Facts of other accounts are not shown.
    harness.fixture.simulator.cycle(&harness.fixture.bot.user_id);
    browser.wait_for_text("[data-name=helpdesk] .why", "back after").await;
    harness.fixture.simulator.disable(&harness.oncall.user_id);
    browser.wait_for_text("#tail-lines", "the connection ended").await;
    browser.click("#tail-pause").await;
    harness.fixture.simulator.enable(&harness.oncall.user_id);
    browser.wait_for_text("#tail-status", "more").await;
    let ready = "return document.getElementById('tail-lines').innerText.includes('ready after')";
    assert_eq!(browser.execute(ready).await, false);
    browser.wait_for_text("[data-name=oncall]", "ready").await;
    browser.click("#tail-pause").await;
    browser.wait_for_text("#tail-lines", "ready after").await;
    let others = "return [...document.querySelectorAll('#tail-lines .subject')].filter(one => !one.innerText.startsWith('oncall#')).length";
    assert_eq!(browser.execute(others).await, 0);
    browser.assert_console_is_empty().await;
}
