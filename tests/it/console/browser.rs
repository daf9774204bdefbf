//! A real browser without a screen: Chromium, driven over the WebDriver protocol (W3C) through its own driver.

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_tests::Scratch;
use portcullis_tests::process::{Server, free_port};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The name of an element in answers (WebDriver section 12).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Alt, in its table of keys (section 17.4.2).
const ALT: &str = "\u{e00a}";
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser with one window.
pub(crate) struct Browser {
    port: u16,
    session: String,
    // Ended, then removed.
    _driver: Server,
    _folder: Scratch,
}

impl Browser {
    /// With nothing in it.
    pub(crate) fn start() -> Result<Self> {
        let folder = Scratch::new("browser")?;
        let port = free_port()?;
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}"));
        let log = folder.path().join("driver.log");
        let mut driver = Server::start("chromedriver", command, &log, "TERM")?;
        driver.wait_for_port(port, PATIENCE)?;
        let data = folder.path().join("data");
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1360,900",
            &format!("--user-data-dir={}", data.display()),
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "acceptInsecureCerts": true,
            "goog:chromeOptions": {"binary": "/usr/bin/chromium", "args": arguments},
        }}});
        let answer = ask(port, "POST", "/session", Some(&wanted))?;
        let session = answer["sessionId"]
            .as_str()
            .context("a session")?
            .to_owned();
        Ok(Self {
            port,
            session,
            _driver: driver,
            _folder: folder,
        })
    }

    fn command(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let path = format!("/session/{}{path}", self.session);
        ask(self.port, method, &path, body)
    }

    /// Goes to an address, and waits until it is there.
    pub(crate) fn go(&self, url: &str) -> Result<()> {
        self.command("POST", "/url", Some(&json!({"url": url})))
            .map(drop)
    }

    /// Where it is.
    pub(crate) fn at(&self) -> Result<String> {
        let url = self.command("GET", "/url", None)?;
        Ok(url.as_str().unwrap_or_default().to_owned())
    }

    fn find(&self, css: &str) -> Result<String> {
        let wanted = json!({"using": "css selector", "value": css});
        let found = self.command("POST", "/element", Some(&wanted))?;
        let id = found[ELEMENT]
            .as_str()
            .with_context(|| format!("an element {css}"))?;
        Ok(id.to_owned())
    }

    /// Clicks on what the selector finds.
    pub(crate) fn click(&self, css: &str) -> Result<()> {
        self.on(css, "click", &json!({}))
    }

    /// Types into what the selector finds.
    pub(crate) fn write(&self, css: &str, text: &str) -> Result<()> {
        self.on(css, "value", &json!({"text": text}))
    }

    /// Does something to what the selector finds. A page that keeps itself up to date may have replaced it in between.
    fn on(&self, css: &str, what: &str, body: &Value) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let element = self.find(css)?;
            let path = format!("/element/{element}/{what}");
            match self.command("POST", &path, Some(body)) {
                Ok(_) => return Ok(()),
                Err(error) => ensure!(
                    error.to_string().contains("stale element reference") && Instant::now() < until,
                    "{what} on {css}: {error}"
                ),
            }
        }
    }

    /// Presses keys one after another, wherever the typing goes.
    pub(crate) fn press(&self, keys: &[&str]) -> Result<()> {
        let strokes = keys
            .iter()
            .flat_map(|key| [stroke(true, key), stroke(false, key)]);
        self.strokes(strokes.collect())
    }

    /// Presses a key while Alt is held: an access key, in this browser.
    pub(crate) fn press_with_alt(&self, key: &str) -> Result<()> {
        let strokes = [
            stroke(true, ALT),
            stroke(true, key),
            stroke(false, key),
            stroke(false, ALT),
        ];
        self.strokes(strokes.to_vec())
    }

    fn strokes(&self, strokes: Vec<Value>) -> Result<()> {
        let body = json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]});
        self.command("POST", "/actions", Some(&body)).map(drop)
    }

    /// Has the typing go to what the selector finds.
    pub(crate) fn focus_on(&self, css: &str) -> Result<()> {
        let element = self.find(css)?;
        let focus = "arguments[0].focus()";
        let body = json!({"script": focus, "args": [{ELEMENT: element}]});
        self.command("POST", "/execute/sync", Some(&body)).map(drop)
    }

    /// Waits until it is at this path.
    pub(crate) fn arrives_at(&self, path: &str) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while !self.at()?.ends_with(path) {
            ensure!(
                Instant::now() < until,
                "it is at {}, not at {path}",
                self.at()?
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// What a script gives.
    pub(crate) fn run(&self, script: &str) -> Result<Value> {
        let body = json!({"script": script, "args": []});
        self.command("POST", "/execute/sync", Some(&body))
    }

    /// The text of the page, as a person sees it.
    pub(crate) fn text(&self) -> Result<String> {
        let text = self.run("return document.body.innerText")?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until the page shows this.
    pub(crate) fn sees(&self, text: &str) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let shown = self.text().unwrap_or_default();
            if shown.contains(text) {
                return Ok(());
            }
            ensure!(
                Instant::now() < until,
                "{text:?} is not on {}:\n{shown}",
                self.at()?
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The same, of a page that has to be asked for again until it does.
    pub(crate) fn sees_again(&self, text: &str) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while !self.text().unwrap_or_default().contains(text) {
            ensure!(Instant::now() < until, "{text:?} is not on {}", self.at()?);
            std::thread::sleep(Duration::from_millis(200));
            self.command("POST", "/refresh", Some(&json!({})))?;
        }
        Ok(())
    }

    /// Light or dark, as somebody would set it.
    pub(crate) fn prefers(&self, scheme: &str) -> Result<()> {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let body = json!({"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}});
        self.command("POST", "/goog/cdp/execute", Some(&body))
            .map(drop)
    }

    /// Scripts are run, or not.
    pub(crate) fn scripts(&self, run: bool) -> Result<()> {
        let params = json!({"value": !run});
        let body = json!({"cmd": "Emulation.setScriptExecutionDisabled", "params": params});
        self.command("POST", "/goog/cdp/execute", Some(&body))
            .map(drop)
    }

    /// What the console of the browser has complained about.
    pub(crate) fn complaints(&self) -> Result<Vec<String>> {
        let log = self.command("POST", "/se/log", Some(&json!({"type": "browser"})))?;
        let lines = log.as_array().into_iter().flatten();
        // Pages that say "log in" or "not for you" are no complaint.
        let refusal = |text: &str| text.contains("status of 401") || text.contains("status of 403");
        let bad = lines.filter(|l| l["level"] == "SEVERE");
        let bad = bad.map(|l| l["message"].to_string());
        Ok(bad.filter(|text| !refusal(text)).collect())
    }

    /// A picture of the page, light and dark, where `PORTCULLIS_SCREENSHOTS` names a folder.
    pub(crate) fn picture(&self, name: &str) -> Result<()> {
        let Some(folder) = std::env::var_os("PORTCULLIS_SCREENSHOTS").map(PathBuf::from) else {
            return Ok(());
        };
        std::fs::create_dir_all(&folder)?;
        for scheme in ["dark", "light"] {
            self.prefers(scheme)?;
            self.save(&folder.join(format!("{name}-{scheme}.png")))?;
        }
        Ok(())
    }

    fn save(&self, path: &Path) -> Result<()> {
        let picture = self.command("GET", "/screenshot", None)?;
        let bytes = STANDARD.decode(picture.as_str().context("a picture")?)?;
        Ok(std::fs::write(path, bytes)?)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ended = self.command("DELETE", "", None);
    }
}

fn stroke(down: bool, key: &str) -> Value {
    let kind = if down { "keyDown" } else { "keyUp" };
    json!({"type": kind, "value": key})
}

/// One request to the driver, and the value of its answer.
fn ask(port: u16, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(90)))?;
    let body = body.map(Value::to_string).unwrap_or_default();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    let mut part = [0; 64 * 1024];
    loop {
        let read = stream.read(&mut part)?;
        answer.extend_from_slice(part.get(..read).unwrap_or_default());
        if read == 0 || whole(&answer) {
            break;
        }
    }
    let text = String::from_utf8_lossy(&answer);
    let (_, body) = text
        .split_once("\r\n\r\n")
        .context("an answer with a body")?;
    let mut answer: Value =
        serde_json::from_str(body).with_context(|| format!("{method} {path}: {text}"))?;
    if let Some(error) = answer["value"]["error"].as_str() {
        bail!("{method} {path}: {error}: {}", answer["value"]["message"]);
    }
    Ok(answer["value"].take())
}

/// True once as much has come as the head says.
fn whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let mut lines = head.lines().filter_map(|l| l.split_once(':'));
    let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|(_, n)| n.trim().parse::<usize>().ok());
    length.is_some_and(|length| body.len() >= length)
}
