//! Logins, logouts and read-only access.

use fantoccini::key::Key;
use matterhost_simulator::TOKEN_PREFIX;

use crate::{
    browser::Browser,
    harness::{PageHarness, full_token, read_only_token},
};

/// The browser's own console message for the 401 that leads to a login.
const REFUSED: &str = "401 (Unauthorized)";

/// Returns everything that the tab stores.
const STORED: &str = "return JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie])";

async fn log_in(browser: &Browser, token: &str) {
    browser.fill("#token", token).await;
    browser.press(Key::Enter).await;
}

/// Checks that the console contains refused tokens and nothing else.
async fn assert_only_refusals(browser: &Browser) {
    let console = browser.console().await;
    assert!(console.iter().all(|line| line.contains(REFUSED)), "{console:#?}");
}

#[tokio::test]
async fn logging_in_needs_a_token() {
    let harness = PageHarness::start();
    let browser = Browser::open(&harness.url).await;
    browser.wait_for_text("[data-name=helpdesk]", "ready").await;
    browser.wait_for_text("[data-name=oncall]", "ready").await;
    browser.wait_for_text("#verdict", "all 2 healthy").await;
    assert_eq!(browser.execute("return document.getElementById('logout').hidden").await, true);
    browser.assert_console_is_empty().await;
}

#[tokio::test]
async fn a_token_is_asked_for_kept_in_the_tab_and_forgotten() {
    let harness = PageHarness::with_tokens();
    let browser = Browser::open(&harness.url).await;
    browser.wait_for_text("#login", "A token is required").await;
    for wrong in ["not the token at all", "wrong-token-of-the-tests", "tökén"] {
        log_in(&browser, wrong).await;
        browser.wait_for_text("#login-error", "That token is wrong").await;
        assert_eq!(browser.execute(STORED).await, r#"[{},{},""]"#);
        browser.execute("document.getElementById('login-error').textContent = ''").await;
    }
    log_in(&browser, &full_token()).await;
    browser.wait_for_text("[data-name=helpdesk]", "ready").await;
    browser.reload().await;
    browser.wait_for_text("[data-name=helpdesk]", "ready").await;
    let shown = browser.execute("return location.href + document.documentElement.outerHTML").await;
    assert!(!shown.as_str().unwrap().contains(TOKEN_PREFIX), "the page or its URL contains the token");
    browser.click("#logout").await;
    browser.wait_for_text("#login", "logged out").await;
    assert_eq!(browser.execute(STORED).await, r#"[{},{},""]"#);
    let left = browser.execute("return document.documentElement.textContent.includes('helpdesk')").await;
    assert_eq!(left, false, "the page still contains data after the logout");
    browser.reload().await;
    browser.wait_for_text("#login", "A token is required").await;
    assert_only_refusals(&browser).await;
}

#[tokio::test]
async fn a_link_signs_in_once_and_leaves_no_trace() {
    let harness = PageHarness::closed();
    let browser = Browser::open(&harness.url).await;
    browser.wait_for_text("#login", "A token is required").await;
    let link = harness.sign_in_link();
    // A tab that already shows the page follows the link, too.
    browser.execute(&format!("location.href = '{link}'")).await;
    browser.wait_for_text("[data-name=helpdesk]", "ready").await;
    let address = browser.execute("return location.href").await;
    assert!(!address.as_str().unwrap().contains("sign-in"), "{address}");
    browser.reload().await;
    browser.wait_for_text("[data-name=helpdesk]", "ready").await;
    browser.click("#logout").await;
    browser.wait_for_text("#login", "logged out").await;
    browser.goto("about:blank").await;
    browser.goto(&link).await;
    browser.wait_for_text("#login-error", "The link did not work: the link was used before").await;
    assert_eq!(browser.execute(STORED).await, r#"[{},{},""]"#);
    assert_only_refusals(&browser).await;
}

#[tokio::test]
async fn a_token_that_was_revoked_leads_back_to_the_login() {
    let harness = PageHarness::with_tokens();
    let browser = Browser::open(&harness.url).await;
    browser.execute("sessionStorage.setItem('matterhost.token', 'an-old-token-of-the-tests')").await;
    browser.reload().await;
    browser.wait_for_text("#login", "no longer valid").await;
    assert_only_refusals(&browser).await;
}

#[tokio::test]
async fn a_read_token_can_change_nothing_and_the_page_shows_it() {
    let harness = PageHarness::with_tokens();
    let browser = Browser::open(&harness.url).await;
    log_in(&browser, &read_only_token()).await;
    browser.wait_for_text("[data-name=helpdesk]", "ready").await;
    browser.wait_for_text(".tools", "read-only").await;
    browser.click("[data-name=helpdesk] .name").await;
    browser.wait_for_text("#panel", "This token is read-only").await;
    let enabled = "return [...document.querySelectorAll('[data-act]')].filter(one => one.ariaDisabled !== 'true').length";
    browser.wait_for("details", "return document.querySelectorAll('#panel [data-act]').length === 4").await;
    assert_eq!(browser.execute(enabled).await, 0);
    browser.click("#panel [data-act=restart]").await;
    browser.wait_for_text("#notice", "read-only").await;
    assert_eq!(browser.execute("return document.getElementById('dialog').open").await, false);
    assert_only_refusals(&browser).await;
}
