//! `plugin test`: the fixtures that `cargo test` runs natively, through WebAssembly and the gateway's own loader.
//! Golden files, two instances alike, batches and streams cut everywhere, and call by call the same answers as native.
//! Refuses to pass without having compared: no fixture, no golden file and no native answer are failures.

use super::build;
use super::read;
use crate::cli::admin::block_on;
use crate::cli::{Exit, paint};
use clap::Args;
use portcullis_model::escape_line;
use portcullis_sandbox::{PluginSpec, Sandbox, Settings, Workbench};
use portcullis_sdk::testing::{
    BLESS, Examined, Fixture, TRANSCRIPTS, compare, examine, fixtures_in,
};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A test.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis plugin test                                    the crate in this folder: builds it first
  portcullis plugin test --plugin badge.wasm --fixtures ./fixtures
                                                            a component from another compiler: nothing native to compare with

Set PORTCULLIS_BLESS=1 to write the golden files instead of comparing; then look at what changed.")]
pub struct Test {
    /// The plugin's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// A component that is built already
    #[arg(long, requires = "fixtures", conflicts_with = "folder")]
    plugin: Option<PathBuf>,
    /// Its folder of traces and golden files; `fixtures` in the plugin's folder when not given
    #[arg(long)]
    fixtures: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// One promise, and how it stands.
struct Check {
    name: &'static str,
    seen: String,
    problems: Vec<String>,
}

pub(super) fn test(test: &Test) -> Result<(), Exit> {
    let (name, bytes) = match &test.plugin {
        Some(file) => (
            file.display().to_string(),
            read(&file.display().to_string())?,
        ),
        None => {
            let built = build::from_crate(&test.folder)?;
            (built.path.display().to_string(), built.bytes)
        }
    };
    let folder = test
        .fixtures
        .clone()
        .unwrap_or_else(|| test.folder.join("fixtures"));
    let fixtures = fixtures_in(&folder).map_err(Exit::refused)?;
    let mut checks = vec![loads(&name, &bytes, &fixtures)];
    if checks.iter().all(|check| check.problems.is_empty()) {
        let bench = Workbench::load(&name, &bytes).map_err(|e| Exit::refused(e.to_string()))?;
        let (examined, problems) = examined(&bench, &fixtures);
        checks.push(golden(&fixtures, &examined));
        checks.push(promises(&examined, problems));
        if test.plugin.is_none() {
            checks.push(native(&test.folder, &fixtures, &examined)?);
        }
    }
    let good = checks.iter().all(|check| check.problems.is_empty());
    match test.json {
        true => {
            let said: Vec<_> = checks
                .iter()
                .map(|c| json!({ "check": c.name, "seen": c.seen, "problems": c.problems }))
                .collect();
            paint::json(&json!({ "ok": good, "plugin": name, "checks": said }))?;
        }
        false => show(&checks)?,
    }
    match good {
        true => Ok(()),
        false => Err(Exit::Found),
    }
}

fn show(checks: &[Check]) -> std::io::Result<()> {
    for check in checks {
        let good = check.problems.is_empty();
        let word = paint::verdict(if good { "ok  " } else { "FAIL" }, good);
        paint::say(&format!("{word} {:10} {}", check.name, check.seen))?;
        for line in check.problems.iter().flat_map(|problem| problem.lines()) {
            paint::say(&format!("       {}", escape_line(line)))?;
        }
    }
    Ok(())
}

/// The gateway itself loads it, with the configuration of every fixture.
fn loads(name: &str, bytes: &[u8], fixtures: &[Fixture]) -> Check {
    let problems = block_on(async {
        let settings = Settings {
            instances: 8,
            warm: 1,
            ..Settings::new()
        };
        let sandbox = Sandbox::new(&settings).map_err(|e| Exit::refused(e.to_string()))?;
        let mut problems = Vec::new();
        for fixture in fixtures {
            let spec = PluginSpec {
                name: name.to_owned(),
                bytes: bytes.to_vec(),
                config: fixture.trace.config.clone(),
                sha256: None,
            };
            if let Err(error) = sandbox.load(vec![spec]).await {
                problems.push(format!("{}: {error}", fixture.name));
            }
        }
        Ok(problems)
    });
    Check {
        name: "load",
        seen: format!(
            "the gateway loads it with {} configurations",
            fixtures.len()
        ),
        problems: problems.unwrap_or_else(|exit| vec![exit.to_string()]),
    }
}

fn examined(bench: &Workbench, fixtures: &[Fixture]) -> (Vec<Option<Examined>>, Vec<String>) {
    let mut problems = Vec::new();
    let all = fixtures
        .iter()
        .map(
            |fixture| match examine(bench, &fixture.trace, &fixture.trace.config) {
                Ok(examined) => {
                    problems.extend(
                        examined
                            .problems
                            .iter()
                            .map(|p| format!("{}: {p}", fixture.name)),
                    );
                    Some(examined)
                }
                Err(reason) => {
                    problems.push(format!("{}: {reason}", fixture.name));
                    None
                }
            },
        )
        .collect();
    (all, problems)
}

fn golden(fixtures: &[Fixture], examined: &[Option<Examined>]) -> Check {
    let seen = fixtures.iter().zip(examined);
    let seen = seen.filter_map(|(fixture, examined)| Some((fixture, examined.as_ref()?)));
    let problems = seen
        .filter_map(|(fixture, examined)| compare(fixture, &examined.golden).err())
        .collect();
    let blessed = std::env::var_os(BLESS).is_some();
    Check {
        name: "golden",
        seen: match blessed {
            true => format!("{} golden files written", fixtures.len()),
            false => format!("{} traces through WebAssembly", fixtures.len()),
        },
        problems,
    }
}

fn promises(examined: &[Option<Examined>], problems: Vec<String>) -> Check {
    let calls: usize = examined.iter().flatten().map(|e| e.calls).sum();
    Check {
        name: "promises",
        seen: format!(
            "{calls} calls: two instances alike, cut between all cells and at every byte of streams"
        ),
        problems,
    }
}

/// Runs `cargo test`, which leaves what the plugin answered natively, and compares.
fn native(
    folder: &Path,
    fixtures: &[Fixture],
    examined: &[Option<Examined>],
) -> Result<Check, Exit> {
    let scratch = folder.join("target").join("portcullis-transcripts");
    let failed = |e: std::io::Error| Exit::refused(format!("{}: {e}", scratch.display()));
    let _ = fs::remove_dir_all(&scratch);
    fs::create_dir_all(&scratch).map_err(failed)?;
    let scratch = scratch.canonicalize().map_err(failed)?;
    let said = Command::new("cargo")
        .args(["test", "--quiet"])
        .current_dir(folder)
        .env(TRANSCRIPTS, &scratch)
        .output()
        .map_err(|e| Exit::refused(format!("cargo: {e}")))?;
    let mut problems = Vec::new();
    if !said.status.success() {
        let (out, err) = (
            String::from_utf8_lossy(&said.stdout),
            String::from_utf8_lossy(&said.stderr),
        );
        problems.push(format!("`cargo test` fails:\n{out}{err}"));
    }
    let mut answers = 0;
    for (fixture, examined) in fixtures.iter().zip(examined) {
        let Some(examined) = examined else { continue };
        let file = scratch.join(format!("{}.transcript", fixture.name));
        let Ok(native) = fs::read_to_string(&file) else {
            problems.push(format!(
                "{}: no native answers; a test must call `masker_fixtures` or `classifier_fixtures` with \"fixtures\"",
                fixture.name
            ));
            continue;
        };
        answers += examined.transcript.len();
        problems.extend(differs(&fixture.name, &native, &examined.transcript));
    }
    Ok(Check {
        name: "native",
        seen: format!("{answers} answers, native and through WebAssembly"),
        problems,
    })
}

fn differs(name: &str, native: &str, wasm: &[String]) -> Option<String> {
    let native: Vec<&str> = native.lines().collect();
    let pair = native.iter().zip(wasm).position(|(a, b)| a != b);
    let at = pair.or((native.len() != wasm.len()).then(|| native.len().min(wasm.len())))?;
    let nothing = "(nothing)";
    Some(format!(
        "{name}: answer {} differs: floats, hash order or the width of usize, most likely\n  native: {}\n  wasm:   {}",
        at + 1,
        native.get(at).unwrap_or(&nothing),
        wasm.get(at).map_or(nothing, String::as_str)
    ))
}

#[cfg(test)]
mod tests {
    use super::differs;

    #[test]
    fn the_first_difference_is_shown() {
        let wasm = |lines: &[&str]| lines.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>();
        assert_eq!(differs("x", "a\nb", &wasm(&["a", "b"])), None);
        let said = differs("x", "a\nb", &wasm(&["a", "c"])).unwrap();
        assert!(
            said.contains("answer 2") && said.contains("native: b") && said.contains("wasm:   c"),
            "{said}"
        );
        assert!(
            differs("x", "a\nb", &wasm(&["a"]))
                .unwrap()
                .contains("(nothing)")
        );
    }
}
