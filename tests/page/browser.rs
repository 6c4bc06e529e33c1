//! A browser that shows the page, driven as a person would.

use std::{env, fs, path::PathBuf};

use fantoccini::{Client, Locator, key::Key};
use serde_json::{Value, json};

use crate::{browser_pool::BrowserTurn, chrome_commands::ChromeCommand, program::DEADLINE};

/// The environment variable with the folder for screenshots; without it none are taken.
const SHOTS: &str = "MATTERHOST_SHOTS";

/// The size of a desktop window.
pub(crate) const WIDE: (u32, u32) = (1400, 900);
/// The size of a phone window.
pub(crate) const NARROW: (u32, u32) = (420, 800);

/// Polls in the page until `holds()` returns a true value or the deadline passes; returns the value, or the text shown.
/// `holds` is defined in front of it, because the page's policy forbids turning text into a function.
const UNTIL: &str = "
    const [deadline, done] = arguments;
    const end = performance.now() + deadline;
    (function poll() {
        let value;
        try { value = holds(); } catch (error) { value = null; }
        if (value) { done({ value }); }
        else if (performance.now() > end) { done({ text: document.body.innerText }); }
        else { setTimeout(poll, 20); }
    })();";

/// A browser that this test has for itself.
pub(crate) struct Browser {
    client: Client,
    _turn: BrowserTurn,
}

impl Browser {
    /// Opens the page in a new tab, wide and light.
    pub(crate) async fn open(url: &str) -> Self {
        let (turn, client) = BrowserTurn::take().await;
        let browser = Self { client, _turn: turn };
        // Discards the console lines of the previous test.
        browser.console().await;
        browser.resize(WIDE).await;
        browser.set_dark_mode(false).await;
        browser.goto(url).await;
        browser
    }

    pub(crate) async fn goto(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    pub(crate) async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }

    /// Runs the body of a function in the page and returns its result.
    pub(crate) async fn execute(&self, body: &str) -> Value {
        self.client.execute(body, Vec::new()).await.unwrap_or_else(|error| panic!("{body}: {error}"))
    }

    /// Runs the body of an asynchronous function, which calls its last argument with the result.
    pub(crate) async fn execute_async(&self, body: &str, arguments: Vec<Value>) -> Value {
        self.client.execute_async(body, arguments).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Waits until the body of a function returns a true value, and returns it.
    pub(crate) async fn wait_for(&self, what: &str, body: &str) -> Value {
        let deadline = u64::try_from(DEADLINE.as_millis()).unwrap();
        let script = format!("const holds = () => {{ {body} }};\n{UNTIL}");
        let mut result = self.execute_async(&script, vec![json!(deadline)]).await;
        if result["value"].is_null() {
            let console = self.console().await;
            panic!("no {what} in time; the page shows:\n{}\nthe console: {console:#?}", result["text"]);
        }
        result["value"].take()
    }

    /// Waits until an element is shown and its text contains these words, with any white space between them. A hidden
    /// element has an `innerText`, too.
    pub(crate) async fn wait_for_text(&self, css: &str, words: &str) {
        let (css, words) = (json!(css), json!(words));
        let body = format!(
            "const element = document.querySelector({css});
            return element.checkVisibility() && element.innerText.replace(/\\s+/g, ' ').includes({words})"
        );
        self.wait_for(&format!("{words} in {css}"), &body).await;
    }

    /// Waits for an element and clicks it. The element must be visible and not covered.
    pub(crate) async fn click(&self, css: &str) {
        let element = self.client.wait().for_element(Locator::Css(css)).await.unwrap();
        element.click().await.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Types into a field.
    pub(crate) async fn fill(&self, css: &str, text: &str) {
        let element = self.client.wait().for_element(Locator::Css(css)).await.unwrap();
        element.clear().await.unwrap();
        element.send_keys(text).await.unwrap();
    }

    /// Presses a key in the focused element.
    pub(crate) async fn press(&self, key: Key) {
        self.type_text(&char::from(key).to_string()).await;
    }

    /// Types in the focused element.
    pub(crate) async fn type_text(&self, text: &str) {
        self.client.active_element().await.unwrap().send_keys(text).await.unwrap();
    }

    /// Sets the size of the window.
    pub(crate) async fn resize(&self, (width, height): (u32, u32)) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.tools("Emulation.setDeviceMetricsOverride", &size).await;
    }

    /// Sets the preferred colour scheme.
    pub(crate) async fn set_dark_mode(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.tools("Emulation.setEmulatedMedia", &features).await;
    }

    async fn tools(&self, command: &str, parameters: &Value) {
        self.client.issue_cmd(ChromeCommand::tools(command, parameters)).await.unwrap();
    }

    /// Returns the errors and warnings of the console since the last call.
    pub(crate) async fn console(&self) -> Vec<String> {
        let lines = self.client.issue_cmd(ChromeCommand::log()).await.unwrap();
        let lines = lines.as_array().unwrap().iter();
        let bad = lines.filter(|line| line["level"] == "SEVERE" || line["level"] == "WARNING");
        bad.map(|line| line["message"].as_str().unwrap().to_owned()).collect()
    }

    /// Checks that the console has no errors, such as policy violations, script errors and missing files.
    pub(crate) async fn assert_console_is_empty(&self) {
        let console = self.console().await;
        assert!(console.is_empty(), "{console:#?}");
    }

    /// Takes a screenshot, if a folder for them is set.
    pub(crate) async fn screenshot(&self, name: &str) {
        let Some(folder) = env::var_os(SHOTS).map(PathBuf::from) else { return };
        fs::create_dir_all(&folder).unwrap();
        // Recent changes are drawn after two frames.
        self.execute_async("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))", Vec::new())
            .await;
        let picture = self.client.screenshot().await.unwrap();
        fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }
}
