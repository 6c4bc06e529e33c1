//! Browsers that tests use one after the other: to start one takes two seconds of a core.

use std::{sync::Mutex, thread};

use fantoccini::{Client, ClientBuilder, wd::TimeoutConfiguration};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{driver::Chromedriver, program::DEADLINE};

/// The browsers at a time: each keeps a core busy. With six on two cores, the tests take longer and a quarter more processor time.
static BROWSERS: Semaphore = Semaphore::const_new(2);

/// The browsers that tests leave to each other.
static POOL: Mutex<Pool> = Mutex::new(Pool { waiting: 0, idle: Vec::new() });

struct Pool {
    /// The tests that wait for their turn.
    waiting: usize,
    /// Idle browsers, at most one for each waiting test: nothing would close more at the end.
    idle: Vec<StartedBrowser>,
}

/// A browser with its session of `WebDriver`.
struct StartedBrowser {
    driver: Chromedriver,
    session: String,
}

/// The use of a browser by one test. On drop the browser is left to a test that waits, or closed.
pub(crate) struct BrowserTurn {
    browser: Option<StartedBrowser>,
    _permit: SemaphorePermit<'static>,
}

impl BrowserTurn {
    /// Waits for a browser, and returns it with one empty tab. Tests do not meet in its storage: each page has a port of its
    /// own, and sets no cookies. The wait must not be cancelled.
    pub(crate) async fn take() -> (Self, Client) {
        POOL.lock().unwrap().waiting += 1;
        let permit = BROWSERS.acquire().await.unwrap();
        let idle = {
            let mut pool = POOL.lock().unwrap();
            pool.waiting -= 1;
            pool.idle.pop()
        };
        let mut turn = Self { browser: None, _permit: permit };
        let client = match idle {
            Some(browser) => turn.go_on_with(browser).await,
            None => turn.start().await,
        };
        (turn, client)
    }

    async fn start(&mut self) -> Client {
        let driver = Chromedriver::start();
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(driver.capabilities());
        let client = builder.connect(&driver.url()).await.unwrap();
        // The session outlives this client, whose runtime ends with the test.
        client.persist().await.unwrap();
        let session = client.session_id().await.unwrap().unwrap();
        self.browser = Some(StartedBrowser { driver, session });
        // Longer than the deadline in the page, whose failure message says more.
        let timeouts = TimeoutConfiguration::new(Some(2 * DEADLINE), Some(2 * DEADLINE), None);
        client.update_timeouts(timeouts).await.unwrap();
        client
    }

    /// Replaces the tab of the test before.
    async fn go_on_with(&mut self, browser: StartedBrowser) -> Client {
        let StartedBrowser { driver, session } = self.browser.insert(browser);
        let client =
            Client::with_existing_session(&driver.url(), session, HttpConnector::new()).await.unwrap();
        client.persist().await.unwrap();
        let before = client.windows().await.unwrap();
        let tab = client.new_window(true).await.unwrap();
        for window in before {
            client.switch_to_window(window).await.unwrap();
            client.close_window().await.unwrap();
        }
        client.switch_to_window(tab.handle).await.unwrap();
        client
    }
}

impl Drop for BrowserTurn {
    fn drop(&mut self) {
        let mut closed = Vec::from_iter(self.browser.take());
        if let Ok(mut pool) = POOL.lock()
            && pool.waiting > pool.idle.len()
            && !thread::panicking()
        {
            pool.idle.append(&mut closed);
        }
        // Without the lock, because it takes seconds.
        drop(closed);
    }
}
