//! `policy check`: what the gateway would say to these packs, without a gateway.

use super::candidate::Packs;
use crate::cli::{Exit, paint};
use clap::Args;
use portcullis_policy::PolicySet;
use serde_json::json;

const EXAMPLES: &str = "\
Examples:
  portcullis policy check ./policies/mine
  portcullis policy check ./mine.tar.gz --verification-key mine.pem
  portcullis policy check builtin:access ./mine --data ./data.yaml --json

Exit codes: 0 nothing is wrong, 1 something is; each finding names file, line, column and remedy.";

/// A check.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Check {
    #[command(flatten)]
    packs: Packs,
}

pub(super) fn check(check: &Check) -> Result<(), Exit> {
    let packs = &check.packs;
    let made = packs.read()?;
    let set = PolicySet::load(&made.sources, made.data).map_err(|found| packs.report(&found))?;
    let rules = set.outline().iter().filter(|rule| rule.speaks()).count();
    let names: Vec<&str> = set.packs().map(|(name, _)| name).collect();
    if packs.json {
        return Ok(paint::json(&json!({
            "ok": true, "problems": [], "revision": set.revision(), "packs": names, "rules": rules,
        }))?);
    }
    Ok(paint::say(&format!(
        "good: {} with {rules} rules; revision {}",
        names.join(", "),
        set.revision()
    ))?)
}
