//! Presidio's pattern recognisers and detect-secrets, in a virtual environment of their own, on the first part of the same
//! input: they are too slow for all of it. No language model: a blank tokenizer, as the patterns need no more.

use crate::input::Input;
use crate::{Line, honest, workspace};
use anyhow::{Context, Result};
use portcullis_tests::install;
use portcullis_tests::process::run;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// How much of an input a peer is given.
const BYTES: usize = 128 * 1024;

/// One peer.
pub struct Peer {
    name: &'static str,
    script: &'static str,
    python: PathBuf,
}

const PRESIDIO: &str = r#"
import sys, time, json
import spacy, tldextract
# The list of public suffixes that comes with the package: nothing is downloaded.
tldextract.extract = tldextract.TLDExtract(suffix_list_urls=())
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import SpacyNlpEngine
import presidio_analyzer.predefined_recognizers as known

class Blank(SpacyNlpEngine):
    def __init__(self):
        super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
        self.nlp = {"en": spacy.blank("en")}
    def load(self):
        pass

names = ["CreditCardRecognizer", "CryptoRecognizer", "EmailRecognizer", "IbanRecognizer", "IpRecognizer", "PhoneRecognizer", "UsSsnRecognizer",
         "UsItinRecognizer", "NhsRecognizer", "EsNifRecognizer", "ItFiscalCodeRecognizer", "InPanRecognizer", "PlPeselRecognizer"]
registry = RecognizerRegistry(recognizers=[getattr(known, n)() for n in names if getattr(getattr(known, n, None), "__init__", None)], supported_languages=["en"])
for r in registry.recognizers:
    r.supported_language = "en"
engine = AnalyzerEngine(registry=registry, nlp_engine=Blank(), supported_languages=["en"])
lines = sys.stdin.read().splitlines()
engine.analyze(text="warm up a@example.com", language="en")
start = time.process_time()
found = sum(len(engine.analyze(text=line, language="en")) for line in lines if line)
print(json.dumps({"seconds": time.process_time() - start, "found": found}))
"#;

const DETECT_SECRETS: &str = r#"
import sys, time, json
from detect_secrets.core.scan import scan_line
from detect_secrets.settings import default_settings
lines = sys.stdin.read().splitlines()
with default_settings():
    list(scan_line("warm = up"))
    start = time.process_time()
    found = sum(len(list(scan_line(line))) for line in lines)
    print(json.dumps({"seconds": time.process_time() - start, "found": found}))
"#;

/// The peers, installed where they are not.
pub fn all() -> Result<Vec<Peer>> {
    let python = python()?;
    let version = |package: &str| -> Result<String> {
        let code = format!("import importlib.metadata as m; print(m.version('{package}'))");
        let output = run(Command::new(&python).args(["-c", &code]))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    eprintln!(
        "presidio-analyzer {}, detect-secrets {}",
        version("presidio-analyzer")?,
        version("detect-secrets")?
    );
    Ok(vec![
        Peer {
            name: "Presidio, 13 pattern recognisers",
            script: PRESIDIO,
            python: python.clone(),
        },
        Peer {
            name: "detect-secrets, all plugins",
            script: DETECT_SECRETS,
            python,
        },
    ])
}

fn python() -> Result<PathBuf> {
    install::ensure(&[install::Need::Python])?;
    let folder = install::cache(&workspace()).join("detectors");
    let python = folder.join("bin/python");
    let mark = folder.join("installed-1");
    if !mark.is_file() {
        eprintln!(
            "  installing presidio-analyzer and detect-secrets from PyPI into {}",
            folder.display()
        );
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        run(Command::new(&python).args([
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "presidio-analyzer==2.2.*",
            "detect-secrets==1.5.*",
        ]))?;
        std::fs::write(&mark, "")?;
    }
    Ok(python)
}

impl Peer {
    /// Its line of the table.
    pub fn measure(&self, inputs: &[Input]) -> Result<Line> {
        let mut line = Line::named(self.name);
        for input in inputs {
            let (text, bytes) = input.lines(BYTES);
            let (seconds, found) = self.run(&text)?;
            line.rates.push(Some(bytes as f64 / 1e6 / seconds));
            line.found.push(found);
        }
        honest(self.name, &line.found)?;
        Ok(line)
    }

    fn run(&self, text: &str) -> Result<(f64, usize)> {
        let mut child = Command::new(&self.python)
            .args(["-W", "ignore", "-c", self.script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().context("write to the peer")?;
        let text = text.to_owned();
        let writer =
            std::thread::spawn(move || std::io::Write::write_all(&mut stdin, text.as_bytes()));
        let output = child.wait_with_output()?;
        writer
            .join()
            .map_err(|_| anyhow::anyhow!("writing to the peer failed"))??;
        let said = String::from_utf8_lossy(&output.stdout);
        let line = said.lines().last().with_context(|| {
            format!(
                "{} said nothing: {}",
                self.name,
                String::from_utf8_lossy(&output.stderr)
            )
        })?;
        let json: serde_json::Value = serde_json::from_str(line)?;
        let seconds = json["seconds"].as_f64().context("read its seconds")?;
        let found = json["found"].as_u64().context("read its finds")?;
        Ok((seconds, found as usize))
    }
}
