//! What a plugin declares of itself: `plugin.json`, which the build tool puts into the component's custom
//! section `portcullis:manifest`. The gateway sends a plugin what its interest names and refuses a plugin
//! without a manifest, and every answer that names a rule the manifest does not have.

use crate::needles::Needles;
use serde::{Deserialize, Serialize};

/// The contract that this SDK speaks.
pub const API: &str = "portcullis:plugin@0.1";

/// The custom section that holds the manifest.
pub const SECTION: &str = "portcullis:manifest";

/// A rule of the manifest, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rule(pub u16);

/// The whole manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`API`].
    pub api: String,
    /// Lower case, digits, dashes; with a namespace if it is not first-party: `acme/mask-pii`.
    pub name: String,
    /// Semantic version of the plugin.
    pub version: String,
    /// What it is.
    pub world: World,
    /// One line for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What crosses the boundary. Nothing else does.
    pub interest: Vec<Interest>,
    /// What it can find.
    pub rules: Vec<RuleEntry>,
    /// Maskers: what must stand in a cell for it to be shown. Absent: every cell is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needles: Option<Needles>,
    /// Classifiers of SQL: the facts decide alone. The text is shown only where there is a finding to be placed in it,
    /// and one answer without a finding serves every text with the same facts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub facts_only: bool,
    /// Tighter limits than the gateway's.
    #[serde(default)]
    pub limits: Limits,
    /// JSON Schema of its configuration, for people and editors; `configure` is what decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_schema: Option<serde_json::Value>,
    /// Names of the counters it counts, by index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counters: Vec<String>,
}

impl Manifest {
    /// Reads a manifest and checks what can be checked without the plugin.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(json: &str) -> Result<Self, String> {
        let manifest: Self =
            serde_json::from_str(json).map_err(|e| format!("the manifest cannot be read: {e}"))?;
        let mut ids: Vec<u16> = manifest.rules.iter().map(|r| r.id).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("two rules of the manifest have the same id".to_owned());
        }
        if manifest.world == World::Masker
            && let Some(rule) = manifest.rules.iter().find(|r| r.entity.is_none())
        {
            return Err(format!(
                "rule `{}` of a masker needs an `entity`",
                rule.name
            ));
        }
        if let Some(needles) = &manifest.needles {
            if manifest.world == World::Classifier {
                return Err(
                    "a classifier has no `needles`: it is asked about every request".to_owned(),
                );
            }
            needles.check()?;
        }
        if manifest.facts_only {
            let facts = manifest.interest.iter().all(|i| i.protocol == "postgres");
            if manifest.world == World::Masker || !facts {
                return Err(
                    "`facts_only` is for classifiers of `postgres`: elsewhere there are no facts"
                        .to_owned(),
                );
            }
        }
        Ok(manifest)
    }
}

/// The two worlds of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum World {
    /// Finds what has to be masked.
    Masker,
    /// Says what a request does.
    Classifier,
}

/// Which messages a plugin wants to see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interest {
    /// `postgres`, `ssh`, `kubernetes`.
    pub protocol: String,
    /// `request` or `response`.
    pub direction: Direction,
    /// Maskers: `rows copy error notice notification parameter call` (response), `request` (request).
    /// Classifiers: `query parse bind execute call replicate` (postgres), `exec shell-line subsystem sftp` (ssh),
    /// `request pod-exec` (kubernetes).
    pub kinds: Vec<String>,
    /// Maskers: column types by PostgreSQL name, by OID in digits, or `textual` (everything but
    /// booleans, floats, dates and times; types of extensions are in). Absent means all. A type left out is
    /// never looked at: leave out only what cannot hold your entity. Types that were created later (OID 16384
    /// and up: `citext`, enumerations, types of extensions) are always shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the client.
    Request,
    /// From the target.
    Response,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleEntry {
    /// The number in answers.
    pub id: u16,
    /// The name in records: `aws-access-key`.
    pub name: String,
    /// Maskers: the entity that policies name, upper case: `EMAIL`, `CARD`, `SECRET`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
}

/// Limits that a plugin sets itself; the gateway's own always hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Linear memory in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// One call, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_ms: Option<u32>,
}
