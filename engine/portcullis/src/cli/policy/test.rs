//! `policy test`: every rule `test_…` of packs, as OPA runs them: with coverage, for people, programs and
//! CI systems, and again whenever a file changes.

use super::candidate::Packs;
use super::watch;
use crate::cli::{Exit, paint};
use clap::Args;
use portcullis_model::escape_line;
use portcullis_policy::{Coverage, PolicySet, TestReport};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  portcullis policy test ./policies/mine --data ./data.yaml
  portcullis policy test ./mine --coverage --threshold 95
  portcullis policy test ./mine --watch
  portcullis policy test builtin:access ./mine --junit report.xml

Exit codes: 0 all passed, 1 a test failed, the packs do not load, or the coverage is below the threshold.";

/// A test run.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Test {
    #[command(flatten)]
    packs: Packs,
    /// Show the lines that no test evaluated
    #[arg(long)]
    coverage: bool,
    /// Fail when fewer lines of a hundred were evaluated
    #[arg(long)]
    threshold: Option<f64>,
    /// Only tests whose name contains this
    #[arg(long)]
    run: Option<String>,
    /// Run again whenever a file changes
    #[arg(long, conflicts_with = "junit")]
    watch: bool,
    /// Also write a JUnit report
    #[arg(long)]
    junit: Option<PathBuf>,
}

pub(super) fn test(test: &Test) -> Result<(), Exit> {
    match test.watch {
        false => once(test),
        true => {
            let packs = test
                .packs
                .packs
                .iter()
                .filter(|p| !p.starts_with("builtin:"));
            let paths: Vec<PathBuf> = packs
                .map(PathBuf::from)
                .chain(test.packs.data.clone())
                .collect();
            watch::each_change(&paths, || match once(test) {
                // Another change may set it right.
                Ok(()) | Err(Exit::Found) => Ok(()),
                Err(exit) => Err(exit),
            })
        }
    }
}

fn once(test: &Test) -> Result<(), Exit> {
    let packs = &test.packs;
    let made = packs.read()?;
    let set =
        PolicySet::load_untested(&made.sources, made.data).map_err(|found| packs.report(&found))?;
    let mut report = set.test();
    if let Some(part) = &test.run {
        report.results.retain(|result| result.name.contains(part));
    }
    if let Some(path) = &test.junit {
        write_junit(path, &report)?;
    }
    match packs.json {
        true => paint::json(&report)?,
        false => show(test, &report)?,
    }
    let enough = match (test.threshold, report.percent()) {
        (Some(wanted), Some(percent)) => percent >= wanted,
        _ => true,
    };
    if !enough && !packs.json {
        eprintln!("that is less than {}", test.threshold.unwrap_or_default());
    }
    match report.passed() && enough {
        true => Ok(()),
        false => Err(Exit::Found),
    }
}

fn show(test: &Test, report: &TestReport) -> std::io::Result<()> {
    let failed = report.results.iter().filter(|test| test.failure.is_some());
    for test in failed.clone() {
        let why = test.failure.as_deref().unwrap_or_default();
        let word = paint::verdict("FAIL", false);
        paint::say(&format!(
            "{word} {} ({}:{}): {why}",
            test.name, test.file, test.line
        ))?;
        for print in &test.prints {
            paint::say(&format!("     {}", escape_line(print)))?;
        }
    }
    let (all, failed) = (report.results.len(), failed.count());
    let word = paint::verdict(if failed == 0 { "passed" } else { "failed" }, failed == 0);
    paint::say(&format!("{} of {all} tests passed: {word}", all - failed))?;
    if let Some(percent) = report.percent() {
        paint::say(&format!("{percent:.1} % of the lines were evaluated"))?;
    }
    if test.coverage {
        for file in report.coverage.iter().filter(|c| !c.missed.is_empty()) {
            paint::say(&format!("  {:5.1} %  {}", file.percent(), file.file))?;
            paint::say(&format!("           not evaluated: {}", ranges(file)))?;
        }
    }
    Ok(())
}

/// `3-5, 9`.
fn ranges(file: &Coverage) -> String {
    let mut parts: Vec<(u32, u32)> = Vec::new();
    for &line in &file.missed {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == line => *last = line,
            _ => parts.push((line, line)),
        }
    }
    let shown: Vec<String> = parts
        .iter()
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        })
        .collect();
    shown.join(", ")
}

fn write_junit(path: &Path, report: &TestReport) -> Result<(), Exit> {
    std::fs::write(path, junit(report))
        .map_err(|error| Exit::refused(format!("{}: {error}", path.display())))
}

/// The form that CI systems read.
fn junit(report: &TestReport) -> String {
    let failures = report
        .results
        .iter()
        .filter(|r| r.failure.is_some())
        .count();
    let seconds: f64 = report.results.iter().map(|r| r.seconds).sum();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"portcullis policy test\" tests=\"{}\" failures=\"{failures}\" time=\"{seconds:.6}\">\n",
        report.results.len()
    );
    for result in &report.results {
        let (package, name) = result.name.rsplit_once('.').unwrap_or(("", &result.name));
        let _ = write!(
            out,
            "  <testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{}\" time=\"{:.6}\"",
            xml(package),
            xml(name),
            xml(&result.file),
            result.line,
            result.seconds
        );
        match &result.failure {
            None => out.push_str("/>\n"),
            Some(why) => {
                let prints = xml(&result.prints.join("\n"));
                let _ = writeln!(
                    out,
                    ">\n    <failure message=\"{}\">{prints}</failure>\n  </testcase>",
                    xml(why)
                );
            }
        }
    }
    out.push_str("</testsuite>\n");
    out
}

fn xml(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            // XML 1.0 has no other control characters, escaped or not.
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod unit {
    use super::*;
    use portcullis_policy::TestResult;

    #[test]
    fn junit_is_xml_whatever_a_test_says() {
        let report = TestReport {
            results: vec![TestResult {
                name: "data.a_test.test_x".to_owned(),
                file: "a<b>.rego".to_owned(),
                line: 3,
                failure: Some("it is \"no\" & \u{1b}[31m".to_owned()),
                prints: vec!["<script>".to_owned()],
                seconds: 0.25,
            }],
            coverage: Vec::new(),
        };
        let text = junit(&report);
        assert!(
            text.contains("classname=\"data.a_test\" name=\"test_x\""),
            "{text}"
        );
        assert!(text.contains("failures=\"1\" time=\"0.250000\""), "{text}");
        assert!(
            text.contains("it is &quot;no&quot; &amp; \u{fffd}[31m"),
            "{text}"
        );
        assert!(
            text.contains("&lt;script&gt;") && !text.contains('\u{1b}'),
            "{text}"
        );
    }

    #[test]
    fn lines_in_a_row_are_one_range() {
        let file = Coverage {
            file: "a".to_owned(),
            covered: 1,
            missed: vec![3, 4, 5, 9, 11, 12],
        };
        assert_eq!(ranges(&file), "3-5, 9, 11-12");
    }
}
