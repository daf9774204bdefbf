//! Finds personal data in responses. Anchors first (an `@`, a run of digits, two capitals before digits),
//! validators second (Luhn and issuer range, ISO 7064 mod 97, number plans), column names as context.
//!
//! It refuses to guess names and addresses: that needs a language model, which has no place in a data path.
//! Use column rules of the policy for those.

mod card;
mod digits;
mod email;
mod iban;
mod ip;
mod phone;
mod ssn;

use portcullis_sdk::prelude::*;

const EMAIL: Rule = Rule(1);
const CARD: Rule = Rule(2);
const IBAN: Rule = Rule(3);
const SSN: Rule = Rule(4);
const PHONE: Rule = Rule(5);
const IP: Rule = Rule(6);

/// What a column's name says about its values.
#[derive(Clone, Copy, Debug, Default)]
struct Context {
    ssn: bool,
    phone: bool,
}

/// The masker; it has no configuration.
pub struct MaskPii {
    contexts: Vec<Context>,
}

impl Masker for MaskPii {
    type Config = NoConfig;

    fn configure(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            contexts: Vec::new(),
        })
    }

    fn schema(&mut self, shape: &Shape) {
        let names = shape.columns.iter().map(|c| c.name.to_ascii_lowercase());
        self.contexts = names
            .map(|name| Context {
                ssn: [
                    "ssn",
                    "social_security",
                    "socialsecurity",
                    "tax_id",
                    "taxid",
                ]
                .iter()
                .any(|w| name.contains(w)),
                phone: ["phone", "mobile", "telephone", "fax", "cell"]
                    .iter()
                    .any(|w| name.contains(w)),
            })
            .collect();
    }

    fn mask(&mut self, batch: &Batch<'_>, out: &mut Edits) {
        // One search over the whole batch: most batches hold no address at all.
        let mut at = 0;
        while let Some(found) = batch
            .data()
            .get(at..)
            .and_then(|rest| memchr::memchr(b'@', rest))
        {
            let offset = at + found;
            at = offset + 1;
            if let Some((cell, within)) = batch.locate(offset)
                && let Some(range) = email::around(cell.bytes(), within)
            {
                out.entity(cell, range, EMAIL);
            }
        }
        for cell in batch.cells() {
            let context = self
                .contexts
                .get(cell.column())
                .copied()
                .unwrap_or_default();
            numbers(cell, context, out);
        }
    }
}

portcullis_sdk::export_masker!(MaskPii);

/// Everything that begins with a digit or a plus, and IBANs, which begin with two letters and two digits.
fn numbers(cell: Cell<'_>, context: Context, out: &mut Edits) {
    let bytes = cell.bytes();
    for run in digits::runs(bytes) {
        if let Some(range) = iban::around(bytes, run.start) {
            out.entity(cell, range, IBAN);
            continue;
        }
        if run.digits >= 12
            && let Some(range) = card::within(bytes, &run)
        {
            out.entity(cell, range, CARD);
            continue;
        }
        if let Some(range) = ssn::within(bytes, &run, context.ssn) {
            out.entity(cell, range, SSN);
            continue;
        }
        if let Some(range) = ip::within(bytes, &run) {
            out.entity(cell, range, IP);
            continue;
        }
        if let Some(range) = phone::within(bytes, &run, context.phone) {
            out.entity(cell, range, PHONE);
        }
    }
}

#[cfg(test)]
mod tests;
