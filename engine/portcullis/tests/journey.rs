//! The author's journey, word for word as `sdk/README.md` tells it, in a folder outside this repository: whoever copies
//! the lines gets what the table promises. Needs a toolchain for WebAssembly, and says so instead of passing without it.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_portcullis");

/// An author's shell.
struct Shell {
    at: PathBuf,
}

impl Shell {
    /// A command, without anything that cargo tells the tests of this repository.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let folder = Path::new(PROGRAM).parent().expect("a folder");
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .current_dir(&self.at)
            .env("PATH", format!("{}:{path}", folder.display()))
            .env("CARGO_NET_OFFLINE", "true")
            .env("NO_COLOR", "1");
        let told = std::env::vars_os().map(|(name, _)| name);
        for name in told.filter(|n| {
            let name = n.to_string_lossy();
            name == "CARGO"
                || name.starts_with("CARGO_") && name != "CARGO_HOME" && name != "CARGO_NET_OFFLINE"
        }) {
            command.env_remove(name);
        }
        command.env_remove("PORTCULLIS_SDK").env_remove("RUSTFLAGS");
        command
    }

    fn run(&self, line: &str) -> Output {
        let mut shell = self.command("sh");
        shell.args(["-c", line]).output().expect("a shell")
    }

    /// What a line prints; it must succeed.
    fn out(&self, line: &str) -> String {
        let done = self.run(line);
        let out = String::from_utf8_lossy(&done.stdout).into_owned();
        let err = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{line}\n{out}{err}");
        out
    }

    fn json(&self, line: &str) -> Value {
        let out = self.out(line);
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{line}: {e}\n{out}"))
    }

    /// What a line that must fail says.
    fn refused(&self, line: &str) -> String {
        let done = self.run(line);
        let said = [done.stdout, done.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert_eq!(done.status.code(), Some(1), "{line}\n{said}");
        said
    }
}

/// The lines of the first shell block under the journey's heading.
fn lines() -> Vec<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/README.md");
    let text = fs::read_to_string(readme).expect("the SDK has a README");
    let (_, journey) = text
        .split_once("## The author's journey")
        .expect("the heading");
    let (_, block) = journey.split_once("```sh\n").expect("a block");
    let (block, _) = block.split_once("```").expect("its end");
    block.lines().map(str::to_owned).collect()
}

#[test]
fn the_journey_goes_as_the_readme_tells_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut shell = Shell {
        at: folder.path().to_owned(),
    };
    let mut said = Vec::new();
    for line in lines() {
        match line.strip_prefix("cd ") {
            Some(to) => shell.at.push(to),
            None => said.push((line.clone(), shell.out(&line))),
        }
    }
    let of = |part: &str| {
        &said
            .iter()
            .find(|(line, _)| line.contains(part))
            .expect(part)
            .1
    };
    assert!(
        of("cargo test").contains("4 passed"),
        "{}",
        of("cargo test")
    );
    for word in ["plugin", "size", "imports", "sha256"] {
        assert!(of("plugin build").contains(word));
    }
    for check in ["load", "golden", "promises", "native"] {
        assert!(
            of("plugin test").contains(&format!("ok   {check}")),
            "{}",
            of("plugin test")
        );
    }
    let run = of("plugin run");
    assert!(
        run.contains("- took over from B-1234567")
            && run.contains("+ took over from [pc-masked:badge]"),
        "{run}"
    );
    assert!(
        of("plugin bench").contains("KiB") && of("plugin verify").contains("was signed by acme")
    );
    assert!(of("plugin pin").contains("sha256: "));

    same_bytes_elsewhere(&shell, folder.path());
    numbers_compare(&shell);
    what_was_changed_is_refused(&shell);
    mistakes_are_explained(&shell);
    broken_promises_are_found(&shell);
}

/// The folder's name is no part of a plugin.
fn same_bytes_elsewhere(shell: &Shell, root: &Path) {
    let first = shell.json("portcullis plugin build --json");
    let other = root.join("some where else");
    fs::create_dir(&other).expect("made");
    shell.out(&format!(
        "cp -r src Cargo.* plugin.json vendor '{}'",
        other.display()
    ));
    let second = Shell { at: other }.json("portcullis plugin build --json");
    assert_eq!(first["sha256"], second["sha256"]);
    assert_eq!(
        first["imports"],
        serde_json::json!(["portcullis:plugin/types@0.1.0"])
    );
    let inspected = shell.json("portcullis plugin inspect target/badge_mask.wasm --json");
    assert_eq!(inspected["sha256"], first["sha256"]);
}

/// Fuel is counted, not timed.
fn numbers_compare(shell: &Shell) {
    let bench = || shell.json("portcullis plugin bench --milliseconds 1 --json");
    let (first, second) = (bench(), bench());
    assert!(
        first["fuel_per_kib"]
            .as_u64()
            .is_some_and(|fuel| fuel > 1000),
        "{first}"
    );
    assert_eq!(first["fuel_per_kib"], second["fuel_per_kib"]);
    assert!(first["memory_used_bytes"].as_u64() > Some(65_536));
    for size in first["sizes"].as_array().expect("sizes") {
        assert!(
            size["mb_per_s"].as_f64() > Some(0.0)
                && size["p99_us"].as_f64() >= size["p50_us"].as_f64()
        );
    }
}

fn what_was_changed_is_refused(shell: &Shell) {
    let wasm = shell.at.join("target/badge_mask.wasm");
    let good = fs::read(&wasm).expect("built");
    let mut changed = good.clone();
    let at = changed.len() / 2;
    changed[at] ^= 1;
    fs::write(&wasm, changed).expect("written");
    shell.refused("portcullis plugin verify target/badge_mask.wasm --key acme.key.pub");
    fs::write(&wasm, good).expect("written");
    shell.out("portcullis plugin verify target/badge_mask.wasm --key acme.key.pub");
    shell.out("portcullis plugin keygen other.key --name acme");
    let said = shell.refused("portcullis plugin verify target/badge_mask.wasm --key other.key.pub");
    assert!(said.contains("none of these keys is trusted"), "{said}");
    let said = shell.refused("portcullis plugin keygen other.key --name acme");
    assert!(said.contains("is there already"), "{said}");
    shell.out("chmod 644 other.key");
    let said = shell.refused("portcullis plugin sign target/badge_mask.wasm --key other.key");
    assert!(said.contains("chmod 600"), "{said}");
}

fn mistakes_are_explained(shell: &Shell) {
    let write = |name: &str, text: &str| fs::write(shell.at.join(name), text).expect(name);
    write("wrong.yaml", "# mine\nprefix: B-\nprefx: B-\n");
    let said = shell.refused("portcullis plugin run target/badge_mask.wasm --trace fixtures/badges.trace --config wrong.yaml");
    assert!(
        said.contains("wrong.yaml:3:1: prefx: /prefx is not known; there are prefix"),
        "{said}"
    );
    write("wrong.yaml", "prefix: ''\n");
    let said = shell.refused("portcullis plugin run target/badge_mask.wasm --trace fixtures/badges.trace --config wrong.yaml");
    assert!(
        said.contains("/prefix has 0 characters, and needs 1 at least"),
        "{said}"
    );
    let said = shell.refused("portcullis plugin inspect Cargo.toml");
    assert!(said.contains("not a WASM component"), "{said}");
    let said = shell.refused("portcullis plugin new badge-mask --world masker --path vendor");
    assert!(said.contains("is there already"), "{said}");
    let good = fs::read_to_string(shell.at.join("plugin.json")).expect("a manifest");
    write("plugin.json", &good.replace("\"interest\"", "\"intrest\""));
    let said = shell.refused("portcullis plugin build");
    assert!(
        said.contains("plugin.json") && said.contains("unknown field `intrest`"),
        "{said}"
    );
    write("plugin.json", &good.replace("\"rows\"", "\"raws\""));
    let said = shell.refused("portcullis plugin build");
    assert!(said.contains("`raws` is no kind"), "{said}");
    write("plugin.json", &good);
}

/// One that forgets what a stream's next piece may finish, and answers otherwise where `usize` is narrow.
fn broken_promises_are_found(shell: &Shell) {
    let source = shell.at.join("src/lib.rs");
    let good = fs::read_to_string(&source).expect("the template");
    let forgets = good.replace("longest.min(text.len())", "0 * longest.min(text.len())");
    let broken = forgets.replace("&& !word(", "&& (usize::BITS == 32 || !word(");
    let broken = broken.replace("checked_sub(1))\n", "checked_sub(1)))\n");
    assert!(forgets != good && broken != forgets);
    fs::write(&source, broken).expect("written");
    let said = shell.refused("portcullis plugin test");
    for finding in [
        "FAIL golden",
        "badges.golden, line 5 differs",
        "FAIL promises",
        "cut at byte",
        "FAIL native",
        "width of usize",
    ] {
        assert!(said.contains(finding), "{finding} is not in\n{said}");
    }
}
