//! Who may see the page's data, and who may change something.

use fantoccini::key::Key;
use matterhost_simulator::TOKEN_MARK;

use crate::{
    browser::Browser,
    scene::{Scene, full_token, read_token},
};

/// What the browser itself says of an answer that a login begins with.
const REFUSED: &str = "401 (Unauthorized)";

/// Everything that a tab keeps.
const KEPT: &str = "return JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie])";

async fn log_in(browser: &Browser, token: &str) {
    browser.fill("#token", token).await;
    browser.press(Key::Enter).await;
}

/// The console holds refusals of tokens, and nothing else.
async fn only_refusals(browser: &Browser) {
    let console = browser.console().await;
    assert!(console.iter().all(|line| line.contains(REFUSED)), "{console:#?}");
}

#[tokio::test]
async fn without_a_token_nobody_logs_in() {
    let scene = Scene::start();
    let browser = Browser::open(&scene.url).await;
    browser.sees("[data-name=helpdesk]", "ready").await;
    browser.sees("[data-name=oncall]", "ready").await;
    browser.sees("#verdict", "all 2 well").await;
    assert_eq!(browser.run("return document.getElementById('logout').hidden").await, true);
    browser.is_silent().await;
}

#[tokio::test]
async fn a_token_is_asked_for_kept_in_the_tab_and_forgotten() {
    let scene = Scene::guarded();
    let browser = Browser::open(&scene.url).await;
    browser.sees("#login", "asks for a token").await;
    for wrong in ["not the token at all", "wrong-token-of-the-tests", "tökén"] {
        log_in(&browser, wrong).await;
        browser.sees("#login-error", "That token is wrong").await;
        assert_eq!(browser.run(KEPT).await, r#"[{},{},""]"#);
        browser.run("document.getElementById('login-error').textContent = ''").await;
    }
    log_in(&browser, &full_token()).await;
    browser.sees("[data-name=helpdesk]", "ready").await;
    browser.reload().await;
    browser.sees("[data-name=helpdesk]", "ready").await;
    let shown = browser.run("return location.href + document.documentElement.outerHTML").await;
    assert!(!shown.as_str().unwrap().contains(TOKEN_MARK), "the token stands in the page or its address");
    browser.click("#logout").await;
    browser.sees("#login", "logged out").await;
    assert_eq!(browser.run(KEPT).await, r#"[{},{},""]"#);
    let left = browser.run("return document.documentElement.textContent.includes('helpdesk')").await;
    assert_eq!(left, false, "what was shown is still in the page");
    browser.reload().await;
    browser.sees("#login", "asks for a token").await;
    only_refusals(&browser).await;
}

#[tokio::test]
async fn a_token_that_is_taken_no_more_leads_back_to_the_login() {
    let scene = Scene::guarded();
    let browser = Browser::open(&scene.url).await;
    browser.run("sessionStorage.setItem('matterhost.token', 'an-old-token-of-the-tests')").await;
    browser.reload().await;
    browser.sees("#login", "not taken any more").await;
    only_refusals(&browser).await;
}

#[tokio::test]
async fn a_token_that_may_look_changes_nothing_and_says_so() {
    let scene = Scene::guarded();
    let browser = Browser::open(&scene.url).await;
    log_in(&browser, &read_token()).await;
    browser.sees("[data-name=helpdesk]", "ready").await;
    browser.sees(".tools", "looking only").await;
    browser.click("[data-name=helpdesk] .name").await;
    browser.sees("#panel", "This token may only look").await;
    let enabled = "return [...document.querySelectorAll('[data-act]')].filter(one => one.ariaDisabled !== 'true').length";
    browser.until("details", "return document.querySelectorAll('#panel [data-act]').length === 4").await;
    assert_eq!(browser.run(enabled).await, 0);
    browser.click("#panel [data-act=restart]").await;
    browser.sees("#said", "may only look").await;
    assert_eq!(browser.run("return document.getElementById('dialog').open").await, false);
    only_refusals(&browser).await;
}
