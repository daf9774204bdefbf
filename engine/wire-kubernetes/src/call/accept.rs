//! `Accept` (RFC 9110 section 12.5.1), and its narrowing to what the gateway can look into: JSON, with the
//! parameters that ask for tables, partial objects and aggregated discovery kept.
//!
//! Refuses a client that takes nothing of it where something has to be masked: 406, never an answer unread.

use crate::turned::Turned;
use hyper::header::HeaderValue;
use portcullis_model::limits;

/// What the client can read, best first as it wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accept {
    ranges: Vec<Range>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Range {
    /// `type/subtype`, lower case.
    kind: String,
    /// As it came.
    whole: String,
    /// `q=0`: refused.
    refused: bool,
}

impl Accept {
    /// As it came; `None` where the client did not say.
    #[must_use]
    pub fn whole(&self) -> Option<String> {
        let ranges: Vec<&str> = self.ranges.iter().map(|r| r.whole.as_str()).collect();
        (!ranges.is_empty()).then(|| ranges.join(", "))
    }

    /// Only what is JSON.
    ///
    /// # Errors
    /// 406 where the client takes none.
    pub fn json(&self) -> Result<String, Turned> {
        if self.ranges.is_empty() {
            return Ok("application/json".to_owned());
        }
        let mut kept: Vec<String> = Vec::new();
        for range in self.ranges.iter().filter(|r| !r.refused) {
            match range.kind.as_str() {
                "application/json" => kept.push(range.whole.clone()),
                "*/*" | "application/*" => kept.push("application/json".to_owned()),
                _ => {}
            }
        }
        kept.dedup();
        match kept.is_empty() {
            false => Ok(kept.join(", ")),
            true => Err(Turned::malformed(
                "kubernetes/not-acceptable",
                "the client takes no JSON, and the gateway has to look into the answer",
            )
            .code(406)
            .hint("Accept application/json beside what you prefer.")),
        }
    }
}

/// Reads the header's lines.
pub(super) fn read<'h>(lines: impl Iterator<Item = &'h HeaderValue>) -> Result<Accept, Turned> {
    let malformed = |reason| Turned::malformed("kubernetes/header", reason);
    let mut ranges = Vec::new();
    for line in lines {
        let text = line
            .to_str()
            .map_err(|_| malformed("Accept holds more than ASCII"))?;
        if text.contains('"') {
            return Err(malformed(
                "Accept holds a quoted parameter: the API has none",
            ));
        }
        for whole in text.split(',').map(str::trim).filter(|t| !t.is_empty()) {
            if ranges.len() >= limits::ACCEPT_RANGES_MAX {
                return Err(malformed("Accept has too many ranges"));
            }
            let mut parts = whole.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let mut refused = false;
            for (name, value) in parts.filter_map(|part| part.split_once('=')) {
                if name.trim().eq_ignore_ascii_case("q") {
                    refused = value.trim().parse::<f32>().is_ok_and(|q| q <= 0.0);
                }
            }
            ranges.push(Range {
                kind,
                whole: whole.to_owned(),
                refused,
            });
        }
    }
    Ok(Accept { ranges })
}
