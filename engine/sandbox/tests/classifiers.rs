//! The first-party classifiers as real WebAssembly: every known way round stays closed through the sandbox too,
//! nesting ends in an answer and not in a trap, and what a call costs. Needs the target
//! `wasm32-unknown-unknown`, and says so instead of passing without it.

mod guests;

use guests::*;
use portcullis_gate::Classify;
use portcullis_model::{Class, Effect, Facts, Parse, Protocol, Session, Stage};
use portcullis_sandbox::PluginSpec;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
}

/// Builds a plugin of the workspace.
fn plugin(name: &str) -> Vec<u8> {
    let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let package = format!("portcullis-plugin-{name}");
    let built = Command::new(env!("CARGO"))
        .current_dir(workspace())
        .args(["build", "--quiet", "--lib", "--package", &package])
        .args(["--profile", "plugin", "--target", "wasm32-unknown-unknown"])
        .arg("--target-dir")
        .arg(&scratch)
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+simd128")
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "this test needs `rustup target add wasm32-unknown-unknown`:\n{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let module = scratch
        .join("wasm32-unknown-unknown/plugin")
        .join(format!("{}.wasm", package.replace('-', "_")));
    let manifest = workspace().join("plugins").join(name).join("plugin.json");
    let module = std::fs::read(module).unwrap();
    let manifest = std::fs::read_to_string(manifest).unwrap();
    portcullis_sdk::build::component(&module, &manifest).unwrap()
}

struct Asked {
    classify: Box<dyn Classify>,
    who: Session,
}

impl Asked {
    async fn of(name: &str, protocol: Protocol) -> Self {
        let sandbox = sandbox();
        let spec: PluginSpec = spec(name, plugin(name));
        let set = sandbox.load(vec![spec]).await.unwrap();
        sandbox.serve(set.clone());
        let who = session("ana", "web-1");
        let (classify, _) = set.stream(&who, protocol);
        Self { classify, who }
    }

    /// The class, or what the gate makes of a missed deadline: the request is refused.
    async fn closed(&mut self, stage: Stage, text: &str) -> Class {
        let answer = self.answer(stage, text).await;
        answer.unwrap_or_else(|_| Class::unknown("refused"))
    }

    async fn class(&mut self, stage: Stage, text: &str) -> Class {
        let answer = self.answer(stage, text).await;
        answer.unwrap_or_else(|e| panic!("{text:.200?}: {e:?}"))
    }

    async fn answer(&mut self, stage: Stage, text: &str) -> Result<Class, portcullis_model::Fault> {
        let none = Facts {
            parse: Parse::Ok,
            statements: Vec::new(),
            secrets: Vec::new(),
        };
        let class = self.classify.classify(&self.who, stage, text, &none).await;
        class.map(Option::unwrap)
    }

    /// Lines of a corpus of ways round; those that are open.
    async fn open(&mut self, stage: fn(&str) -> Stage, corpus: &str) -> Vec<String> {
        let file = workspace().join("tests/bypass").join(corpus);
        let text = std::fs::read_to_string(file).unwrap();
        let mut open = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (labels, request) = line.split_once('\t').unwrap();
            let request = request.replace('⏎', "\n");
            let class = self.class(stage(&request), &request).await;
            let said = |label: &str| match label {
                "unknown" => class.effect == Effect::Unknown,
                label => class.labels.contains(label),
            };
            if !labels.split(',').all(said) {
                open.push(format!("{number}: {labels}: {request}: {class:?}"));
            }
        }
        open
    }
}

#[tokio::test]
async fn commands_are_classified_through_the_sandbox() {
    let mut shell = Asked::of("classify-shell", Protocol::Ssh).await;
    let open = shell.open(|_| Stage::Exec, "shell.txt").await;
    assert!(open.is_empty(), "{}", open.join("\n"));
    // As deep as it goes, on the stack that a plugin has.
    for opener in [
        "(",
        "$(",
        "`$(",
        "${a:-",
        "((",
        "$((",
        "{ ",
        "if ",
        "while ",
        "case x in x) ",
        "\"$(",
        "<(",
        "f() {",
        "a[",
        "$[",
        "@(",
        "[[ (",
        "!",
        "{a,",
        "echo $((1+(",
        "~",
        "-",
        "/../",
        "xargs ",
        "sudo ",
        "eval ",
    ] {
        for count in [20, 40, 60, 5_000] {
            let text = format!("{}chmod 777 x", opener.repeat(count));
            let class = shell.closed(Stage::Exec, &text).await;
            let plain =
                matches!(opener, "{a," | "~" | "-" | "/../" | "!") && class.effect != Effect::Read;
            assert!(
                class.effect >= Effect::Escalate || plain,
                "{opener:?} x {count}: {class:?}"
            );
        }
    }
    let mut inner = "chmod 777 x".to_owned();
    for _ in 0..30 {
        let quoted = inner.replace('\'', "'\\''");
        if quoted.len() > 20_000 {
            break;
        }
        inner = format!("sh -c '{quoted}'");
        let class = shell.class(Stage::Exec, &inner).await;
        assert!(class.effect >= Effect::Escalate, "{class:?}");
    }
    for text in [
        "ls -la /srv",
        "sh -c 'cd /srv && git pull --rebase' && echo done | tee -a log",
    ] {
        let started = Instant::now();
        for _ in 0..200 {
            shell.class(Stage::Exec, text).await;
        }
        eprintln!(
            "classify-shell, wasm: {:.1} us for {text:?}",
            started.elapsed().as_secs_f64() * 5e3
        );
    }
}

#[tokio::test]
async fn requests_are_classified_through_the_sandbox() {
    let mut kubernetes = Asked::of("classify-kubernetes", Protocol::Kubernetes).await;
    let stage = |request: &str| match request.starts_with('[') {
        true => Stage::PodExec,
        false => Stage::Request,
    };
    let open = kubernetes.open(stage, "kubernetes.txt").await;
    assert!(open.is_empty(), "{}", open.join("\n"));
}
