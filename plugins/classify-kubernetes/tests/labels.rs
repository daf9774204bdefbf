//! One table of labels for everybody: `plugins/labels.json` is what the code says, each example has its label, and
//! the table in `plugins/README.md` is the same again. `PORTCULLIS_BLESS=1` writes the table anew.

use portcullis_plugin_classify_kubernetes::{ClassifyKubernetes, labels as requests};
use portcullis_plugin_classify_shell::labels::Label;
use portcullis_plugin_classify_shell::{command_line, labels as commands};
use portcullis_sdk::testing::classifier;
use portcullis_sdk::{Protocol, Stage};
use serde::Deserialize;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::PathBuf;

const SHELL: &str = "classify-shell";
const KUBERNETES: &str = "classify-kubernetes";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    severity: String,
    plugins: Vec<String>,
    meaning: String,
    #[serde(default)]
    example: Option<String>,
}

fn entries() -> Vec<Entry> {
    serde_json::from_str(include_str!("../../labels.json")).unwrap()
}

fn of(plugin: &str) -> impl Iterator<Item = Entry> {
    let plugin = plugin.to_owned();
    entries()
        .into_iter()
        .filter(move |entry| entry.plugins.contains(&plugin))
}

fn matches_code(plugin: &str, code: &[&Label]) {
    let told: Vec<(String, String)> = of(plugin).map(|e| (e.name, e.severity)).collect();
    let mut said: Vec<(String, String)> = code
        .iter()
        .map(|l| (l.name.to_owned(), format!("{:?}", l.risk).to_lowercase()))
        .collect();
    said.sort();
    assert_eq!(told, said, "labels.json (left) and the code of {plugin}");
}

#[test]
fn the_table_is_what_the_code_says() {
    matches_code(SHELL, commands::ALL);
    let own: Vec<&Label> = requests::OWN
        .iter()
        .chain(requests::SHARED)
        .copied()
        .collect();
    matches_code(KUBERNETES, &own);
    let names: Vec<String> = entries().into_iter().map(|e| e.name).collect();
    assert!(names.is_sorted(), "sort it by name");
    let mut once = names.clone();
    once.dedup();
    assert_eq!(names, once);
}

#[test]
fn every_example_has_its_label() {
    let request = |text: &str| {
        classifier::<ClassifyKubernetes>(Value::Null)
            .protocol(Protocol::Kubernetes)
            .stage(Stage::Request)
            .opinion(text)
    };
    let mut missed = Vec::new();
    for entry in entries() {
        let Some(example) = &entry.example else {
            assert_eq!(
                entry.plugins,
                ["classify-sql"],
                "{}: give an example",
                entry.name
            );
            continue;
        };
        let labels = match entry.plugins.as_slice() {
            [only] if only == KUBERNETES => request(example).labels,
            plugins
                if plugins.iter().any(|p| p == SHELL)
                    && !plugins.iter().any(|p| p == "classify-sql") =>
            {
                command_line(example).labels
            }
            _ => continue,
        };
        if !labels.contains(&entry.name) {
            missed.push(format!("{}: {example}: {labels:?}", entry.name));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

fn table() -> String {
    let mut text = String::from(
        "| label | severity | what it means | said by | example |\n|---|---|---|---|---|\n",
    );
    for e in entries() {
        let example = e.example.map_or_else(String::new, |x| {
            let shown: String = x
                .chars()
                .filter(|c| !('\u{202a}'..='\u{202e}').contains(c))
                .collect();
            format!("`` {} ``", shown.replace('|', "\\|"))
        });
        let by: Vec<&str> = e
            .plugins
            .iter()
            .map(|p| p.trim_start_matches("classify-"))
            .collect();
        let by = by.join(", ");
        writeln!(
            text,
            "| `{}` | {} | {} | {by} | {example} |",
            e.name, e.severity, e.meaning
        )
        .unwrap();
    }
    text
}

#[test]
fn the_readme_shows_the_table() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (
        "<!-- labels: made by the tests of classify-kubernetes -->\n",
        "<!-- end of labels -->",
    );
    let (before, rest) = readme
        .split_once(begin)
        .expect("the mark where the table begins");
    let (shown, after) = rest.split_once(end).expect("the mark where the table ends");
    let want = table();
    if std::env::var_os("PORTCULLIS_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{begin}{want}{end}{after}")).unwrap();
        return;
    }
    assert_eq!(shown, want, "run the test with PORTCULLIS_BLESS=1");
}
