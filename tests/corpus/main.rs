//! The labelled corpora through the components that ship: WebAssembly must answer word for word what the same code
//! answers natively, and keeps the bar by itself. The corpora of the classifiers are in here too. It refuses to pass
//! without the components: `cargo xtask plugins` builds them.

use portcullis_plugin_classify_kubernetes::ClassifyKubernetes;
use portcullis_plugin_classify_shell::ClassifyShell;
use portcullis_plugin_mask_pii::MaskPii;
use portcullis_plugin_mask_secrets::MaskSecrets;
use portcullis_sandbox::Workbench;
use portcullis_sdk::glue::{ClassifierGlue, FlatColumn, Lifecycle as _, MaskerGlue};
use portcullis_sdk::testing::{Instance, Masked, Subject as _, stream_labels, ways};
use portcullis_sdk::{Classifier, Masker, Protocol, Stage};
use portcullis_tests::corpus::judge::{self, Bar, Finds};
use portcullis_tests::corpus::{Corpus, personal, secrets};
use std::path::PathBuf;

/// Kind `rows` of a batch (`wit/portcullis.wit`).
const ROWS: u32 = 0;
const SHAPE: u32 = 1;

fn shipped(name: &str) -> Workbench {
    let folder = std::env::var_os("PORTCULLIS_PLUGINS_DIR").map_or_else(
        || portcullis_tests::world::workspace().join("target/plugins"),
        PathBuf::from,
    );
    let file = folder.join(format!("{name}.wasm"));
    let bytes = std::fs::read(&file)
        .unwrap_or_else(|e| panic!("{}: {e}; `cargo xtask plugins` builds it", file.display()));
    Workbench::load(name, &bytes).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Cells as a plugin gets them.
#[derive(Default)]
struct Call {
    columns: Vec<FlatColumn>,
    names: Vec<u8>,
    cells: Vec<u32>,
    data: Vec<u8>,
}

impl Call {
    /// Each cell in a column of its own.
    fn of(cells: &[(String, String)]) -> Self {
        let mut call = Self::default();
        for (column, (name, text)) in (0_u32..).zip(cells) {
            let name_start = call.names.len() as u32;
            call.names.extend_from_slice(name.as_bytes());
            call.columns.push(FlatColumn {
                name_start,
                name_end: call.names.len() as u32,
                type_oid: 25,
                table_oid: 0,
                attnum: 0,
                binary: 0,
            });
            let start = call.data.len() as u32;
            call.data.extend_from_slice(text.as_bytes());
            call.cells.extend([column, start, call.data.len() as u32]);
            call.data.push(0);
        }
        call
    }

    fn ask(&self, instance: &mut dyn Instance) -> Masked {
        instance
            .schema(SHAPE, &self.columns, &self.names)
            .expect("it is told its columns");
        instance
            .mask(ROWS, SHAPE, &self.cells, &self.data)
            .expect("it answers")
    }
}

/// What a masker finds in cells, natively and in WebAssembly alike.
fn masker<M: Masker>(bench: &Workbench) -> impl FnMut(&[(String, String)]) -> Vec<Finds> + '_ {
    let mut native = MaskerGlue::<M>::configure(b"{}").expect("it is configured");
    native.open(&stream_labels());
    let mut wasm = bench.start(b"{}").expect("it starts");
    let entity = |rule: u16| {
        let rules = &bench.inspection().manifest.rules;
        let found = rules.iter().find(|r| r.id == rule);
        found
            .and_then(|r| r.entity.clone())
            .expect("a rule of its own")
    };
    move |cells| {
        let call = Call::of(cells);
        let answer = call.ask(&mut *wasm);
        assert_eq!(answer, call.ask(&mut native), "WebAssembly says otherwise");
        let mut finds: Vec<Finds> = vec![Vec::new(); cells.len()];
        for report in answer.reports {
            let text = &cells[report.cell as usize].1;
            let text = &text.as_bytes()[report.start as usize..report.end as usize];
            let found = (
                entity(report.rule),
                String::from_utf8_lossy(text).into_owned(),
            );
            finds[report.cell as usize].push(found);
        }
        finds
    }
}

fn corpora_hold<M: Masker>(name: &str, corpus: &Corpus, by_kind: bool) {
    let bench = shipped(name);
    let bar = Bar { recall: 0.98 };
    let title = format!("{name}, wasm");
    let mut detect = masker::<M>(&bench);
    judge::hold(&title, corpus, by_kind, bar, &mut detect);
    judge::hold_clean(&title, &mut detect);
}

#[test]
fn corpus_of_personal_data_reads_the_same_in_wasm() {
    corpora_hold::<MaskPii>("mask-pii", &personal(), false);
}

#[test]
fn corpus_of_secrets_reads_the_same_in_wasm() {
    corpora_hold::<MaskSecrets>("mask-secrets", &secrets::corpus(), true);
}

/// Each looks at what is meant for the other: what is clean to one may be full of finds to the other.
#[test]
fn corpora_of_the_other_masker_read_the_same_in_wasm() {
    let (pii, secret) = (shipped("mask-pii"), shipped("mask-secrets"));
    let mut pii = masker::<MaskPii>(&pii);
    let mut secret = masker::<MaskSecrets>(&secret);
    let bar = Bar { recall: 0.0 };
    let (_, _) = judge::corpus("other", &secrets::corpus(), true, bar, &mut pii);
    let (_, _) = judge::corpus("other", &personal(), false, bar, &mut secret);
}

/// Opinions on every text, natively and in WebAssembly alike; how many were asked for.
fn classifier<C: Classifier>(name: &str, texts: &[(Protocol, Stage, String)]) -> usize {
    let bench = shipped(name);
    let mut wasm = bench.start(b"{}").expect("it starts");
    let mut native = ClassifierGlue::<C>::configure(b"{}").expect("it is configured");
    native.open(&stream_labels());
    let facts = br#"{"parse": "Ok", "statements": [], "secrets": []}"#;
    for (protocol, stage, text) in texts {
        let ask = |instance: &mut dyn Instance| {
            instance
                .classify(*protocol as u32, *stage as u32, text.as_bytes(), facts)
                .expect("it answers")
        };
        assert_eq!(ask(&mut *wasm), ask(&mut native), "{text}");
    }
    println!("{name}, wasm: {} texts read the same", texts.len());
    texts.len()
}

/// The messages of a list, without the labels in front.
fn messages(list: &str) -> Vec<String> {
    let message = |line: String| match line.split_once('\t') {
        Some((_, message)) => message.to_owned(),
        None => line,
    };
    ways::lines(list)
        .into_iter()
        .map(|(_, line)| message(line))
        .collect()
}

#[test]
fn corpus_of_commands_reads_the_same_in_wasm() {
    let harm = include_str!("../bypass/shell.txt");
    let ordinary = include_str!("../../plugins/classify-shell/corpus/clean.txt");
    let mut texts = Vec::new();
    for text in [messages(harm), messages(ordinary)].concat() {
        for stage in [Stage::Exec, Stage::ShellLine] {
            texts.push((Protocol::Ssh, stage, text.clone()));
        }
    }
    assert!(classifier::<ClassifyShell>("classify-shell", &texts) > 2000);
}

#[test]
fn corpus_of_requests_reads_the_same_in_wasm() {
    let harm = include_str!("../bypass/kubernetes.txt");
    let ordinary = include_str!("../../plugins/classify-kubernetes/corpus/clean.txt");
    let stage = |text: &str| match text.starts_with('[') {
        true => Stage::PodExec,
        false => Stage::Request,
    };
    let texts: Vec<_> = [messages(harm), messages(ordinary)]
        .concat()
        .into_iter()
        .map(|text| (Protocol::Kubernetes, stage(&text), text))
        .collect();
    assert!(classifier::<ClassifyKubernetes>("classify-kubernetes", &texts) > 250);
}
