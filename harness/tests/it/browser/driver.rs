//! One Chromium for all tests of this process, driven by Debian's `chromedriver`.
//!
//! No test knows that it is the last one. So the driver is the child of a shell that waits for the end of this process: the pipe to it
//! closes, however that comes, and the shell ends the driver and the browser, and removes their folder.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, OnceLock};

use base64::Engine as _;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, OnceCell};

/// Ends the driver and its browser, which are in the group of the shell, with this process. A browser that ends still writes.
const WAIT: &str = r#"chromedriver --port=0 & driver=$!
cat >/dev/null
trap '' TERM
kill -TERM 0
wait $driver
for try in 1 2 3 4 5 6 7 8 9; do
    rm -rf "$TMPDIR" && break
    sleep 0.3
done"#;

/// All rules of axe-core, but contrast, which takes most of the time, only for one element of each style: the colours of a page follow
/// from tags and classes.
const AXE: &str = r#"const done = arguments[arguments.length - 1];
const seen = new Set(), some = [];
for (const one of document.querySelectorAll("body *")) {
    if (![...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim())) continue;
    let path = "";
    for (let at = one; at; at = at.parentElement) path += at.tagName + "." + (at.getAttribute("class") || "") + " ";
    if (seen.has(path) || !one.checkVisibility()) continue;
    seen.add(path);
    some.push(one);
}
const text = (found) => found.violations.map((one) =>
    one.id + ": " + one.help + ": " + one.nodes.slice(0, 3).map((node) => node.html + " " + node.failureSummary).join("; "));
const only = { resultTypes: ["violations"], selectors: false };
const run = async () => {
    const all = await axe.run(document, { ...only, rules: { "color-contrast": { enabled: false } } });
    if (!some.length) return text(all);
    const contrast = await axe.run({ include: some }, { ...only, runOnly: ["color-contrast"] });
    return [...text(all), ...text(contrast)];
};
run().then(done, (error) => done(["axe: " + error]));"#;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
});

static BROWSER: OnceCell<Mutex<Browser>> = OnceCell::const_new();

/// A browser with one window.
pub struct Browser {
    client: Client,
    /// The folder of the pages; the shell removes it.
    pages: PathBuf,
}

/// How a page is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub width: u32,
    pub height: u32,
    pub dark: bool,
    pub script: bool,
}

pub const DESKTOP: Look = Look {
    width: 1200,
    height: 900,
    dark: false,
    script: true,
};
pub const DARK: Look = Look {
    dark: true,
    ..DESKTOP
};
pub const PHONE: Look = Look {
    width: 360,
    height: 740,
    ..DESKTOP
};
pub const NO_SCRIPT: Look = Look {
    script: false,
    ..DESKTOP
};

/// What a page did that it should not.
pub struct Seen {
    /// Messages of its console, among them those of its policy.
    pub console: Vec<String>,
    /// Addresses that were asked for, but for the page itself and data in it.
    pub requests: Vec<String>,
}

/// Lets a test use the browser, alone; the first one starts it.
pub fn with(test: impl AsyncFnOnce(&Browser)) {
    RUNTIME.block_on(async {
        let browser = BROWSER
            .get_or_init(async || Mutex::new(start().await))
            .await;
        test(&*browser.lock().await).await;
    });
}

async fn start() -> Browser {
    static WAITING: OnceLock<Child> = OnceLock::new();
    // What the driver and the browser write; the shell removes it.
    let own = TempDir::with_prefix_in("chromium.", env!("CARGO_TARGET_TMPDIR")).unwrap();
    let own = own.keep();
    let pages = own.join("pages");
    std::fs::create_dir(&pages).unwrap();
    let mut waiting = Command::new("sh")
        .args(["-c", WAIT])
        .env("TMPDIR", &own)
        .env("HOME", &own)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(waiting.stdout.take().unwrap()).lines();
    let port = lines.find_map(|line| {
        let line = line.unwrap();
        let port = line.split_once("successfully on port ")?.1;
        Some(port.trim_end_matches('.').parse::<u16>().unwrap())
    });
    let port = port.expect("chromedriver: apt-get install chromium-driver");
    // Its further messages have a reader, so that it never waits for one.
    std::thread::spawn(move || lines.count());
    let _ = WAITING.set(waiting);
    let capabilities = json!({
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        "goog:chromeOptions": {"args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
        ]},
    });
    let Value::Object(capabilities) = capabilities else {
        unreachable!("it is one");
    };
    let client = ClientBuilder::new(HttpConnector::new())
        .capabilities(capabilities)
        .connect(&format!("http://127.0.0.1:{port}"))
        .await
        .unwrap();
    let axe = std::env::var("REDRILL_AXE")
        .expect("REDRILL_AXE: the path of axe.min.js, as `need_browser` of ci/setup.sh sets it");
    let axe = std::fs::read_to_string(axe).unwrap();
    let browser = Browser { client, pages };
    // Of a machine that does much else.
    let timeouts = json!({ "script": 300_000, "pageLoad": 300_000 });
    let waiting = Raw("timeouts", timeouts);
    browser.client.issue_cmd(waiting).await.unwrap();
    // Once, not with each page: it is half a megabyte.
    let script = json!({ "source": axe });
    browser
        .ask("Page.addScriptToEvaluateOnNewDocument", script)
        .await;
    browser
}

/// A command that fantoccini has no name for.
#[derive(Debug)]
struct Raw(&'static str, Value);

impl WebDriverCompatibleCommand for Raw {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base.join(&format!(
            "session/{}/{}",
            session.unwrap_or_default(),
            self.0
        ))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.1.to_string()))
    }
}

impl Browser {
    /// Opens a page from a file.
    pub async fn open(&self, page: &str, look: Look) {
        let path = self.pages.join("page.html");
        std::fs::write(&path, page).unwrap();
        self.open_file(&path, look).await;
    }

    /// Opens a file.
    pub async fn open_file(&self, path: &Path, look: Look) {
        let scheme = if look.dark { "dark" } else { "light" };
        self.ask(
            "Emulation.setEmulatedMedia",
            json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        )
        .await;
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": look.width, "height": look.height, "deviceScaleFactor": 1, "mobile": look.width < 500}),
        )
        .await;
        self.ask(
            "Emulation.setScriptExecutionDisabled",
            json!({"value": !look.script}),
        )
        .await;
        // What another page did is not of this one.
        self.log("browser").await;
        self.log("performance").await;
        let address = url::Url::from_file_path(path).unwrap();
        self.client.goto(address.as_str()).await.unwrap();
    }

    /// A command of Chromium's own protocol.
    pub async fn ask(&self, command: &str, parameters: Value) -> Value {
        let raw = Raw(
            "goog/cdp/execute",
            json!({"cmd": command, "params": parameters}),
        );
        self.client.issue_cmd(raw).await.unwrap()
    }

    /// Evaluates an expression in the page, also one without scripts of its own.
    pub async fn value(&self, script: &str) -> Value {
        self.client
            .execute(&format!("return {script}"), Vec::new())
            .await
            .unwrap()
    }

    /// Runs a script that calls its last argument.
    pub async fn called(&self, script: &str) -> Value {
        self.client.execute_async(script, Vec::new()).await.unwrap()
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        let log = self
            .client
            .issue_cmd(Raw("se/log", json!({"type": kind})))
            .await
            .unwrap();
        log.as_array().unwrap().clone()
    }

    /// What the page did since it was opened.
    pub async fn seen(&self) -> Seen {
        let console = self.log("browser").await;
        let console = console
            .iter()
            .map(|line| line["message"].as_str().unwrap().to_owned());
        let mut requests = Vec::new();
        for line in self.log("performance").await {
            let message: Value = serde_json::from_str(line["message"].as_str().unwrap()).unwrap();
            let message = &message["message"];
            if message["method"] == "Network.requestWillBeSent" {
                let address = message["params"]["request"]["url"]
                    .as_str()
                    .unwrap()
                    .to_owned();
                if message["params"]["type"] != "Document" && !address.starts_with("data:") {
                    requests.push(address);
                }
            }
        }
        Seen {
            console: console.collect(),
            requests,
        }
    }

    /// What axe-core finds, one line each.
    pub async fn axe(&self) -> Vec<String> {
        let found = self.called(AXE).await;
        let found = found.as_array().unwrap();
        found
            .iter()
            .map(|line| line.as_str().unwrap().to_owned())
            .collect()
    }

    /// The text of each page on paper.
    pub async fn printed(&self) -> Vec<String> {
        let printed = self
            .ask(
                "Page.printToPDF",
                json!({"preferCSSPageSize": true, "printBackground": false}),
            )
            .await;
        let pdf =
            base64::engine::general_purpose::STANDARD.decode(printed["data"].as_str().unwrap());
        let path: PathBuf = self.pages.join("page.pdf");
        std::fs::write(&path, pdf.unwrap()).unwrap();
        let text = Command::new("pdftotext")
            .args(["-layout", "-enc", "UTF-8"])
            .arg(&path)
            .arg("-")
            .output()
            .expect("pdftotext: apt-get install poppler-utils");
        let text = String::from_utf8(text.stdout).unwrap();
        text.split('\u{c}').map(str::to_owned).collect()
    }

    /// A picture of the window.
    pub async fn picture(&self) -> Vec<u8> {
        self.client.screenshot().await.unwrap()
    }
}
