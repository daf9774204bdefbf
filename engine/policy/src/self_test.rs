//! A set's own tests, run in another process before the set may serve. Should a rule take the engine down
//! with it, for a reason that no check of the loader knows, that process dies and this one goes on. What
//! is tested is what was read: the set travels whole, not as a path.
//!
//! It refuses to take silence for success: only an answer about this very revision, with every test in
//! it, counts.

use crate::diagnostic::Diagnostic;
use crate::load::Owner;
use crate::set::PolicySet;
use crate::source::{Files, PackSource};
use portcullis_model::{Blame, Fault};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Serialize, Deserialize)]
struct Packed {
    packs: Vec<PackedPack>,
    data: Value,
}

#[derive(Serialize, Deserialize)]
struct PackedPack {
    name: String,
    dry_run: bool,
    files: Vec<(String, String)>,
}

/// What the other process answers.
#[derive(Debug, Serialize, Deserialize)]
pub struct SelfTest {
    revision: String,
    tests: usize,
    failures: Vec<Failed>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Failed {
    file: String,
    line: u32,
    message: String,
}

impl PolicySet {
    /// The set as bytes, for [`self_test`].
    ///
    /// # Errors
    /// When its data has no JSON form.
    pub fn packed(&self) -> Result<Vec<u8>, Fault> {
        let anatomy = self.anatomy();
        let packs = self.packs().map(|(name, dry_run)| PackedPack {
            name: name.to_owned(),
            dry_run,
            files: anatomy
                .modules
                .iter()
                .filter(|m| match &m.owner {
                    Owner::Pack(owner) | Owner::PackTest(owner) => owner == name,
                    Owner::Lib | Owner::LibTest | Owner::Fixtures => false,
                })
                .map(|m| (m.file.clone(), m.text.clone()))
                .collect(),
        });
        let packed = serde_json::to_value(&anatomy.data).and_then(|data| {
            serde_json::to_vec(&Packed {
                packs: packs.collect(),
                data,
            })
        });
        packed.map_err(|e| Fault::new(Blame::Policy, "pack a policy set", e))
    }

    /// What is wrong, going by the answer of the other process.
    #[must_use]
    pub fn judge(&self, answer: &SelfTest) -> Vec<Diagnostic> {
        let remedy = "A set that fails its own tests does not serve. Correct the rule or the test.";
        let anatomy = self.anatomy();
        let text_of = |file: &str| {
            let module = anatomy.modules.iter().find(|m| m.file == file);
            module.map(|m| m.text.as_str())
        };
        let mut wrong: Vec<Diagnostic> = answer
            .failures
            .iter()
            .map(|failed| {
                Diagnostic::file(&failed.file, "load/test", failed.message.clone(), remedy)
                    .at((failed.line, 0))
                    .excerpted(text_of)
            })
            .collect();
        let whole = answer.revision == *self.revision() && answer.tests == self.tests();
        if wrong.is_empty() && !whole {
            wrong.push(died("it answered for another set"));
        }
        wrong
    }
}

/// The finding for a process that gave no answer.
#[must_use]
pub fn died(how: &str) -> Diagnostic {
    Diagnostic::file(
        "policies",
        "load/self-test",
        format!("the process that ran the set's own tests gave no answer: {how}"),
        "The set would take the gateway down with it. Find the rule with `portcullis policy test`, a pack at a time.",
    )
}

/// Loads a packed set and runs its tests: what the other process does.
///
/// # Errors
/// When the bytes are no set, or the set does not load here although it did there.
pub fn self_test(packed: &[u8]) -> Result<SelfTest, Fault> {
    let packed: Packed = serde_json::from_slice(packed)
        .map_err(|e| Fault::new(Blame::Policy, "unpack a policy set", e))?;
    let sources: Vec<PackSource> = packed
        .packs
        .into_iter()
        .map(|pack| PackSource {
            name: pack.name,
            files: Files::Memory(pack.files),
            dry_run: pack.dry_run,
        })
        .collect();
    let set = PolicySet::load_untested(&sources, packed.data)
        .map_err(|_| Fault::bare(Blame::Policy, "load a packed policy set"))?;
    let report = set.run_tests();
    let failures = report.results.iter().filter_map(|result| {
        let why = result.failure.as_ref()?;
        Some(Failed {
            file: result.file.clone(),
            line: result.line,
            message: format!("{} failed: {why}", result.name),
        })
    });
    Ok(SelfTest {
        revision: set.revision().to_string(),
        tests: report.results.len(),
        failures: failures.collect(),
    })
}
