//! Needles: what must stand in a cell before a masker can find anything in it. The gateway looks for them natively,
//! once for all maskers of a stream, and shows a masker only the cells that hold one. They are part of the masker's
//! promise, so the harness fails a masker that finds something in a cell without a needle. Refuses needles that are
//! empty, unbounded or ambiguous; absent, every cell is shown.

use serde::{Deserialize, Serialize};

/// Needles of one plugin.
pub const NEEDLES_MAX: usize = 4096;
/// Bytes of a literal.
pub const LITERAL_BYTES_MAX: usize = 64;
/// Bytes of a pattern.
pub const PATTERN_BYTES_MAX: usize = 1024;
/// Digits that a run can be asked to have.
pub const DIGITS_MAX: u32 = 64;
/// Separators that may stand side by side within a run.
pub const GAP_MAX: u32 = 3;
/// Bytes that may separate the digits of a run.
const SEPARATORS_MAX: usize = 16;
/// Cells that can be shown behind one.
pub const FOLLOW_MAX: u32 = 4096;
/// Words of column names.
const COLUMNS_MAX: usize = 64;

/// The needles of a masker. A cell is shown when it holds any of them, or stands in one of the columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Needles {
    /// At least one.
    pub any_of: Vec<Needle>,
    /// Every cell is shown of a column whose name contains one of these words, without regard to ASCII case: for
    /// what a masker finds only where the name of the column says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// For what goes on over rows: a key whose lines stand in rows of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow: Option<Follow>,
}

/// Behind a cell that holds one of these, the next cells of the same column are shown too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Follow {
    /// At least one.
    pub any_of: Vec<Needle>,
    /// So many cells.
    pub cells: u32,
}

/// One needle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub enum Needle {
    /// `{"literal": "AKIA"}`, `{"literal": "password", "ignore_case": true}`.
    Literal {
        /// What stands there.
        text: String,
        /// ASCII letters match in either case.
        ignore_case: bool,
    },
    /// `{"byte": 64}`.
    Byte(u8),
    /// `{"digits": 12}`.
    Digits(Run),
    /// `{"pattern": "[0-9]{1,3}\\.[0-9]{1,3}\\."}`: see [`Needle::PATTERN`].
    Pattern(String),
}

impl Needle {
    /// What a pattern may be: the syntax of the `regex` crate over bytes, with ASCII classes, `(?i)` and `\b`. It
    /// matches at least one byte, has no `^`, `$` or other anchors, and stays small.
    pub const PATTERN: &'static str = "a regular expression over bytes without anchors but \\b";
}

/// A run of ASCII digits, as people write numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// At least so many digits.
    pub least: u32,
    /// Bytes that may stand between two digits; `" -."` unless `separators` says otherwise.
    pub separators: String,
    /// So many of them side by side; 1 unless `gap` says otherwise. 0: digits alone.
    pub gap: u32,
    /// Before the first and behind the last digit stands no ASCII letter, digit or `_`: what is between separators
    /// are whole words.
    pub alone: bool,
}

impl Run {
    /// At least so many digits, single blanks, dashes and dots between them.
    #[must_use]
    pub fn of(least: u32) -> Self {
        Self {
            least,
            separators: " -.".to_owned(),
            gap: 1,
            alone: false,
        }
    }
}

/// A needle as it stands in `plugin.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    literal: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ignore_case: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    byte: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digits: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    separators: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gap: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alone: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pattern: Option<String>,
}

impl TryFrom<Fields> for Needle {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Self, String> {
        let run = fields.separators.is_some() || fields.gap.is_some() || fields.alone.is_some();
        let (case, digits) = (fields.ignore_case.is_some(), fields.digits);
        let needle = match (fields.literal, fields.byte, digits, fields.pattern) {
            (Some(text), None, None, None) if !run => Self::Literal {
                text,
                ignore_case: fields.ignore_case.unwrap_or_default(),
            },
            (None, Some(byte), None, None) if !run && !case => Self::Byte(byte),
            (None, None, Some(least), None) if !case => {
                let usual = Run::of(least);
                Self::Digits(Run {
                    least,
                    separators: fields.separators.unwrap_or(usual.separators),
                    gap: fields.gap.unwrap_or(usual.gap),
                    alone: fields.alone.unwrap_or_default(),
                })
            }
            (None, None, None, Some(pattern)) if !run && !case => Self::Pattern(pattern),
            _ => {
                return Err(
                    "a needle is one of `literal` (with `ignore_case`), `byte`, `digits` (with `separators`, \
                     `gap`, `alone`) or `pattern`"
                        .to_owned(),
                );
            }
        };
        needle.check()?;
        Ok(needle)
    }
}

impl From<Needle> for Fields {
    fn from(needle: Needle) -> Self {
        match needle {
            Needle::Literal { text, ignore_case } => Self {
                literal: Some(text),
                ignore_case: ignore_case.then_some(true),
                ..Self::default()
            },
            Needle::Byte(byte) => Self {
                byte: Some(byte),
                ..Self::default()
            },
            Needle::Digits(run) => Self {
                digits: Some(run.least),
                separators: Some(run.separators),
                gap: Some(run.gap),
                alone: run.alone.then_some(true),
                ..Self::default()
            },
            Needle::Pattern(pattern) => Self {
                pattern: Some(pattern),
                ..Self::default()
            },
        }
    }
}

impl Needle {
    fn check(&self) -> Result<(), String> {
        let fits = match self {
            Self::Literal { text, .. } => {
                (1..=LITERAL_BYTES_MAX).contains(&text.len()) && !text.contains('\0')
            }
            Self::Byte(byte) => *byte != 0,
            Self::Digits(run) => {
                let plain = |b: u8| b.is_ascii() && !b.is_ascii_digit() && b != 0;
                (1..=DIGITS_MAX).contains(&run.least)
                    && run.gap <= GAP_MAX
                    && run.separators.len() <= SEPARATORS_MAX
                    && run.separators.bytes().all(plain)
            }
            Self::Pattern(pattern) => (1..=PATTERN_BYTES_MAX).contains(&pattern.len()),
        };
        match fits {
            true => Ok(()),
            false => Err(format!(
                "the needle {} is empty, too long, or holds a NUL",
                serde_json::to_string(self).unwrap_or_default()
            )),
        }
    }
}

impl Needles {
    /// What can be checked of the whole list.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.any_of.is_empty() || self.any_of.len() > NEEDLES_MAX {
            return Err(format!(
                "`needles` needs between 1 and {NEEDLES_MAX} entries in `any_of`; leave `needles` out to be shown \
                 every cell"
            ));
        }
        if let Some(follow) = &self.follow
            && (follow.any_of.is_empty()
                || follow.any_of.len() > NEEDLES_MAX
                || !(1..=FOLLOW_MAX).contains(&follow.cells))
        {
            return Err(format!(
                "`needles.follow` needs entries in `any_of`, and between 1 and {FOLLOW_MAX} `cells`"
            ));
        }
        let word = |w: &String| (1..=LITERAL_BYTES_MAX).contains(&w.len());
        match self.columns.len() <= COLUMNS_MAX && self.columns.iter().all(word) {
            true => Ok(()),
            false => {
                Err("`needles.columns` holds words of column names, none of them empty".to_owned())
            }
        }
    }

    /// True when every cell of a column with this name is shown.
    #[must_use]
    pub fn names(&self, column: &str) -> bool {
        let column = column.as_bytes();
        self.columns.iter().any(|word| {
            column
                .windows(word.len())
                .any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_needle_is_exactly_one_thing_and_reads_back_as_written() {
        let json = r#"{"any_of":[{"literal":"AKIA"},{"literal":"password","ignore_case":true},{"byte":64},
            {"digits":12},{"digits":7,"separators":" -./()","gap":2,"alone":true},{"pattern":"[a-z]{2}[0-9]"}],
            "columns":["phone"]}"#;
        let needles: Needles = serde_json::from_str(json).unwrap();
        assert_eq!(needles.any_of[3], Needle::Digits(Run::of(12)));
        let again = serde_json::to_string(&needles).unwrap();
        assert_eq!(serde_json::from_str::<Needles>(&again).unwrap(), needles);
        assert!(needles.names("home_Phone") && !needles.names("phon"));
        for bad in [
            r#"{}"#,
            r#"{"literal":""}"#,
            r#"{"literal":"a","byte":1}"#,
            r#"{"byte":0}"#,
            r#"{"digits":0}"#,
            r#"{"digits":3,"separators":"0"}"#,
            r#"{"digits":3,"gap":9}"#,
            r#"{"pattern":"a","alone":true}"#,
            r#"{"literally":"a"}"#,
        ] {
            assert!(serde_json::from_str::<Needle>(bad).is_err(), "{bad}");
        }
    }
}
