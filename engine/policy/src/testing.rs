//! Runs the tests of packs as OPA does: every rule `test_…` of a `*_test.rego` has to be true. A test
//! that is undefined, false, late or an error has failed. It refuses to run anything else: a rule named
//! `todo_test_…` is no test.

use crate::diagnostic::pointed;
use crate::load::{Contents, Module};

use crate::set::timer;
use portcullis_model::limits;
use regorus::{Engine, Value};
use serde::Serialize;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// What the tests said.
#[derive(Clone, Debug, Serialize)]
pub struct TestReport {
    /// One for each test rule, in order of file and line.
    pub results: Vec<TestResult>,
    /// Lines of the serving modules that were evaluated, by file; empty when it was not asked for.
    pub coverage: Vec<Coverage>,
}

/// One test.
#[derive(Clone, Debug, Serialize)]
pub struct TestResult {
    /// `data.portcullis.packs.access_test.test_…`.
    pub name: String,
    /// Its file.
    pub file: String,
    /// Its line.
    pub line: u32,
    /// Why it failed; none when it passed.
    pub failure: Option<String>,
    /// What it printed.
    pub prints: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

/// How much of a file the tests evaluated.
#[derive(Clone, Debug, Serialize)]
pub struct Coverage {
    /// The file.
    pub file: String,
    /// Lines that were evaluated.
    pub covered: usize,
    /// Lines that were not.
    pub missed: Vec<u32>,
}

impl Coverage {
    /// Evaluated lines of a hundred.
    #[must_use]
    pub fn percent(&self) -> f64 {
        let all = self.covered + self.missed.len();
        self.covered as f64 * 100.0 / all.max(1) as f64
    }
}

impl TestReport {
    /// True when nothing failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.results.iter().all(|result| result.failure.is_none())
    }

    /// Evaluated lines of a hundred; none when nothing was measured.
    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        let covered: usize = self.coverage.iter().map(|c| c.covered).sum();
        let all: usize = covered + self.coverage.iter().map(|c| c.missed.len()).sum::<usize>();
        (all > 0).then(|| covered as f64 * 100.0 / all as f64)
    }
}

/// The tests of a set, ready to run.
pub(crate) struct Suite {
    engine: Engine,
    tests: Vec<Test>,
    serving: Vec<String>,
}

struct Test {
    name: String,
    file: String,
    line: u32,
}

impl Suite {
    pub(crate) fn new(modules: &[Module], contents: &[Contents], mut engine: Engine) -> Self {
        engine.set_gather_prints(true);
        let mut tests = BTreeMap::new();
        for (module, contents) in modules.iter().zip(contents) {
            for rule in contents.rules.iter().filter(|_| module.owner.is_test()) {
                let is_test = rule.path.last().is_some_and(|n| n.starts_with("test_"));
                if is_test {
                    let name = rule.path.join(".");
                    tests.entry(name.clone()).or_insert(Test {
                        name,
                        file: module.file.clone(),
                        line: rule.place.0,
                    });
                }
            }
        }
        let mut tests: Vec<Test> = tests.into_values().collect();
        tests.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        let serving = modules
            .iter()
            .filter(|m| !m.owner.is_test())
            .map(|m| m.file.clone())
            .collect();
        Self {
            engine,
            tests,
            serving,
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.tests.len()
    }

    /// Every test, each in an engine of its own.
    pub(crate) fn run(&self) -> TestReport {
        let results = self
            .tests
            .iter()
            .map(|test| run(test, &mut self.engine.clone()))
            .collect();
        TestReport {
            results,
            coverage: Vec::new(),
        }
    }

    /// Every test, with coverage.
    pub(crate) fn run_with_coverage(&self) -> TestReport {
        let mut lines: BTreeMap<String, Lines> = BTreeMap::new();
        let mut results = Vec::new();
        for test in &self.tests {
            let mut engine = self.engine.clone();
            engine.set_enable_coverage(true);
            results.push(run(test, &mut engine));
            if let Ok(report) = engine.get_coverage_report() {
                for file in report.files {
                    let known = lines.entry(file.path).or_default();
                    known.covered.extend(file.covered);
                    known.seen.extend(file.not_covered);
                }
            }
        }
        let coverage = lines
            .into_iter()
            .filter(|(file, _)| self.serving.contains(file))
            .map(|(file, lines)| Coverage {
                file,
                missed: lines.seen.difference(&lines.covered).copied().collect(),
                covered: lines.covered.len(),
            })
            .collect();
        TestReport { results, coverage }
    }
}

#[derive(Default)]
struct Lines {
    covered: std::collections::BTreeSet<u32>,
    seen: std::collections::BTreeSet<u32>,
}

fn run(test: &Test, engine: &mut Engine) -> TestResult {
    let began = Instant::now();
    engine.set_execution_timer_config(timer(limits::POLICY_TEST_TIME_MAX));
    let outcome = catch_unwind(AssertUnwindSafe(|| engine.eval_rule(test.name.clone())));
    let failure = match outcome {
        Err(_) => Some("the policy engine panicked".to_owned()),
        Ok(Err(error)) => {
            let (place, said) = pointed(&format!("{error:#}"));
            Some(match place {
                Some((file, line, _)) => format!("{said} ({file}:{line})"),
                None => said,
            })
        }
        Ok(Ok(Value::Bool(true))) => None,
        Ok(Ok(Value::Undefined)) => Some("it is not true".to_owned()),
        Ok(Ok(value)) => Some(format!("it is {value}")),
    };
    TestResult {
        name: test.name.clone(),
        file: test.file.clone(),
        line: test.line,
        prints: match failure {
            Some(_) => engine.take_prints().unwrap_or_default(),
            None => Vec::new(),
        },
        failure,
        seconds: began.elapsed().as_secs_f64(),
    }
}
