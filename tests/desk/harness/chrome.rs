//! A real Chromium: opened by the chromedriver of this run, closed when it is dropped.

mod keyboard;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thirtyfour::error::WebDriverErrorInner;
use thirtyfour::prelude::*;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How long a page may take: the whole suite runs beside it, and Argon2 with 64 MiB in the page.
const PATIENCE: Duration = Duration::from_secs(40);

/// Stories in browsers at the same time: each has three of them.
static STORIES: Semaphore = Semaphore::const_new(2);

/// Held by a story while its browsers are open.
pub async fn turn() -> SemaphorePermit<'static> {
    STORIES.acquire().await.unwrap()
}

/// Both widths every page must fit.
pub const WIDTHS: [u32; 2] = [1280, 390];
pub const THEMES: [&str; 2] = ["light", "dark"];

/// How somebody uses a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Way {
    #[default]
    Mouse,
    /// 390 pixels wide, touched with a finger.
    Phone,
    /// No pointer at all: Tab, arrows, Enter and blank.
    Keyboard,
    /// With a mouse, and JavaScript off in the browser's settings for every site.
    NoScript,
}

/// One browser with its own profile.
pub struct Chrome {
    driver: Option<WebDriver>,
    pub origin: String,
    way: Way,
}

impl Chrome {
    pub async fn open(origin: &str) -> Self {
        Self::open_as(origin, Way::Mouse).await
    }

    pub async fn open_as(origin: &str, way: Way) -> Self {
        let mut wishes = DesiredCapabilities::chrome();
        wishes.set_binary(&std::env::var("CHROME").unwrap()).unwrap();
        for flag in [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--lang=en",
        ] {
            wishes.add_arg(flag).unwrap();
        }
        match way {
            Way::Mouse | Way::Keyboard => {}
            Way::Phone => {
                let metrics =
                    json!({ "width": WIDTHS[1], "height": 844, "pixelRatio": 2, "touch": true, "mobile": true });
                wishes.add_experimental_option("mobileEmulation", json!({ "deviceMetrics": metrics })).unwrap();
            }
            Way::NoScript => {
                let off = json!({ "profile.default_content_setting_values.javascript": 2 });
                wishes.add_experimental_option("prefs", off).unwrap();
            }
        }
        let driver = WebDriver::new(std::env::var("CHROMEDRIVER_URL").unwrap(), wishes).await.unwrap();
        driver.set_script_timeout(PATIENCE).await.unwrap();
        let chrome = Self { driver: Some(driver), origin: origin.to_owned(), way };
        if way != Way::Phone {
            chrome.width(WIDTHS[0]).await;
        }
        chrome
    }

    fn driver(&self) -> &WebDriver {
        self.driver.as_ref().unwrap()
    }

    pub async fn goto(&self, path: &str) {
        self.driver().goto(format!("{}{path}", self.origin)).await.unwrap();
    }

    /// The path of the page that is shown.
    pub async fn path(&self) -> String {
        self.driver().current_url().await.unwrap().path().to_owned()
    }

    /// The element, when it is there.
    pub async fn find(&self, css: &str) -> WebElement {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Ok(found) = self.driver().find(By::Css(css)).await {
                return found;
            }
            self.wait(until, &format!("no {css}")).await;
        }
    }

    pub async fn has(&self, css: &str) -> bool {
        !self.driver().find_all(By::Css(css)).await.unwrap().is_empty()
    }

    pub async fn click(&self, css: &str) {
        self.does(css, async || self.activate(&self.find(css).await, css).await).await;
    }

    /// Does something with a thing of the page; again, if the page, which lives, has just put a newer part in its place.
    async fn does<T>(&self, what: &str, deed: impl AsyncFn() -> WebDriverResult<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            match deed().await {
                Ok(done) => return done,
                Err(why) if matches!(why.as_inner(), WebDriverErrorInner::StaleElementReference(_)) => {
                    self.wait(until, &format!("{what} never holds still")).await;
                }
                Err(why) => panic!("{what}: {why}"),
            }
        }
    }

    /// Clicks the button of a form that the desk answers with a page, and waits for that page: the driver may call a click
    /// done before the form is sent.
    pub async fn posts(&self, css: &str) {
        self.run("document.documentElement.dataset.before = ''").await;
        self.click(css).await;
        self.loses("[data-before]").await;
    }

    /// What a click does, in the way this browser is used.
    async fn activate(&self, element: &WebElement, what: &str) -> WebDriverResult<()> {
        if self.way == Way::Keyboard {
            return self.activate_by_keys(element, what).await;
        }
        element.scroll_into_view().await?;
        element.click().await
    }

    /// Ticks a box or chooses a button of a group, if that is not so yet.
    pub async fn tick(&self, css: &str) {
        if !self.does(css, async || self.find(css).await.is_selected().await).await {
            self.click(css).await;
        }
    }

    pub async fn fill(&self, css: &str, text: &str) {
        self.does(css, async || {
            let element = self.find(css).await;
            if self.way == Way::Keyboard {
                self.tabs_to(&element, css).await;
                self.key(Key::Control + "a").await;
                self.key(text).await;
                return Ok(());
            }
            element.scroll_into_view().await?;
            element.clear().await?;
            element.send_keys(text).await
        })
        .await;
    }

    /// Clicks the link or button with exactly these words.
    pub async fn press(&self, words: &str) {
        // What stands between groups of digits and before a unit is a blank to whoever reads.
        let path = format!(
            "//main//*[self::a or self::button][normalize-space(translate(., '\u{202f}\u{a0}', '  '))='{words}']"
        );
        self.does(words, async || {
            let until = Instant::now() + PATIENCE;
            loop {
                for found in self.driver().find_all(By::XPath(path.as_str())).await.unwrap_or_default() {
                    if found.is_displayed().await.unwrap_or(false) {
                        return self.activate(&found, words).await;
                    }
                }
                self.wait(until, &format!("nothing says {words:?}")).await;
            }
        })
        .await;
    }

    /// What the page says, or a part of it.
    pub async fn words(&self, css: &str) -> String {
        self.find(css).await;
        let value = self.run(&format!("return document.querySelector({})?.innerText ?? ''", json!(css))).await;
        value.as_str().unwrap().replace(['\u{202f}', '\u{a0}'], " ")
    }

    /// The text of the first such element, shown or not.
    pub async fn content(&self, css: &str) -> String {
        let value = self.run(&format!("return document.querySelector({}).textContent", json!(css))).await;
        value.as_str().unwrap().to_owned()
    }

    /// Waits until the page is at this path.
    pub async fn arrives(&self, path: &str) {
        let until = Instant::now() + PATIENCE;
        while self.path().await != path {
            self.wait(until, &format!("does not arrive at {path}")).await;
        }
    }

    /// Waits until the page is at another path.
    pub async fn leaves(&self, path: &str) {
        let until = Instant::now() + PATIENCE;
        while self.path().await == path {
            self.wait(until, &format!("stays at {path}")).await;
        }
    }

    /// Waits until nothing on the page is like this any more.
    pub async fn loses(&self, css: &str) {
        let until = Instant::now() + PATIENCE;
        while self.has(css).await {
            self.wait(until, &format!("keeps {css}")).await;
        }
    }

    /// Waits until the main part of the page has these words, and opens it again until then.
    pub async fn reads(&self, words: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.words("main").await.contains(words) {
            self.wait(until, &format!("never says {words:?}")).await;
            self.goto(&self.path().await).await;
        }
    }

    /// What an element of the page has for this property.
    pub async fn property(&self, css: &str, name: &str) -> String {
        self.does(css, async || self.find(css).await.prop(name).await).await.unwrap()
    }

    /// Fetches what a link on the page leads to, with this browser's cookies.
    pub async fn downloads(&self, css: &str) -> Vec<u8> {
        let link = self.property(css, "href").await;
        let cookies = self.driver().get_all_cookies().await.unwrap();
        let cookies: Vec<_> = cookies.iter().map(|one| format!("{}={}", one.name, one.value)).collect();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = http.get(&link).header("cookie", cookies.join("; ")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{link}");
        answer.bytes().await.unwrap().to_vec()
    }

    /// Chooses a file for a form.
    pub async fn chooses(&self, css: &str, file: &Path) {
        let file = file.to_str().unwrap();
        self.does(css, async || self.find(css).await.send_keys(file).await).await;
    }

    pub async fn run(&self, script: &str) -> Value {
        let done = self.driver().execute(script, Vec::new()).await;
        done.unwrap_or_else(|why| panic!("{script:.200}: {why}")).json().clone()
    }

    async fn wait(&self, until: Instant, what: &str) {
        if Instant::now() > until {
            let body = self.run("return document.body.innerText").await;
            panic!("{what} at {}:\n{}", self.path().await, body.as_str().unwrap_or_default());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    async fn tell(&self, method: &str, what: Value) -> Value {
        self.driver().cdp().send_raw(method, &what).await.unwrap()
    }

    pub async fn width(&self, width: u32) {
        let height = if width < 600 { 844 } else { 900 };
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.tell("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// As the system says: light or dark.
    pub async fn theme(&self, theme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        self.tell("Emulation.setEmulatedMedia", features).await;
    }

    /// Pages opened from now on run no script of their own, or do so again.
    pub async fn without_script(&self, without: bool) {
        self.tell("Emulation.setScriptExecutionDisabled", json!({ "value": without })).await;
    }

    /// Opens another tab and looks at that; the one that is out of sight now.
    pub async fn opens_a_tab(&self) -> thirtyfour::WindowHandle {
        let first = self.driver().window().await.unwrap();
        let other = self.driver().new_tab().await.unwrap();
        self.driver().switch_to_window(other).await.unwrap();
        first
    }

    /// Closes the tab and looks at the first again.
    pub async fn closes_the_tab(&self, first: thirtyfour::WindowHandle) {
        self.driver().close_window().await.unwrap();
        self.driver().switch_to_window(first).await.unwrap();
    }

    /// The whole page as a PNG.
    pub async fn picture(&self, file: &Path) {
        let size = self.run("return [innerWidth, Math.max(innerHeight, document.documentElement.scrollHeight)]").await;
        let clip = json!({ "x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1 });
        let shot = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let picture = self.tell("Page.captureScreenshot", shot).await;
        let bytes = data_encoding::BASE64.decode(picture["data"].as_str().unwrap().as_bytes()).unwrap();
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }

    /// What axe finds on the page as it stands: rule, element, and why, one a line.
    pub async fn faults(&self) -> Vec<String> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(&file).expect("axe-core is not installed: run the tests with script/test");
        self.run(&axe).await;
        let script = "const done = arguments[arguments.length - 1];
            axe.run(document, { resultTypes: ['violations'] }).then(
              (found) => done(found.violations.flatMap((rule) => rule.nodes.map((node) =>
                `${rule.id}: ${node.target.join(' ')}: ${node.failureSummary.replace(/\\s+/g, ' ')}`))),
              (why) => done([`axe failed: ${why}`]));";
        let found = self.driver().execute_async(script, Vec::new()).await.unwrap().json().clone();
        found.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    }

    /// Waits until a page that works by itself has come to rest.
    pub async fn settles(&self) {
        if self.has("#signer-app, #key-app").await {
            self.find("#signer-app[data-state]:not([data-state=checking]), #key-app [data-step]").await;
        }
    }

    /// How many pixels the page is wider than the window.
    pub async fn overhang(&self) -> i64 {
        let script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        self.run(script).await.as_i64().unwrap()
    }
}

impl Drop for Chrome {
    /// Ends the session by a plain request of its own: a test that fails has no runtime left to wait in.
    fn drop(&mut self) {
        let Some(driver) = self.driver.take() else { return };
        let (server, session) = (driver.server_url().clone(), driver.session_id().to_string());
        drop(driver.leak());
        let address = format!("{}:{}", server.host_str().unwrap_or_default(), server.port().unwrap_or(80));
        let request = format!("DELETE /session/{session} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        let Ok(mut line) = TcpStream::connect(&address) else { return };
        let _ = line.set_read_timeout(Some(PATIENCE));
        let _ = line.write_all(request.as_bytes());
        let _ = line.read(&mut [0; 512]);
    }
}
