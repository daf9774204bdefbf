//! The size of a terminal, as clients say it (k8s.io/client-go tools/remotecommand `TerminalSize`): `{"Width":120,"Height":40}`.
//!
//! Refuses anything else: what is recorded is what the terminal has, and servers take names in any case and the last of
//! two.

use portcullis_model::{Blame, Fault};
use serde::Deserialize;
use std::fmt;

/// Columns and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Columns.
    #[serde(rename = "Width")]
    pub columns: u16,
    /// Rows.
    #[serde(rename = "Height")]
    pub rows: u16,
}

impl Size {
    /// Reads one message of the channel.
    ///
    /// # Errors
    /// When it is no size, or more than one.
    pub fn read(message: &[u8]) -> Result<Self, Fault> {
        let doing = "say the size of a terminal";
        // The columns and rows of a list would be read as well.
        if message.trim_ascii_start().first() != Some(&b'{') {
            return Err(Fault::bare(Blame::Client, doing));
        }
        serde_json::from_slice(message).map_err(|e| Fault::new(Blame::Client, doing, e))
    }
}

/// As the record says it.
impl fmt::Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}x{}", self.columns, self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::Size;

    #[test]
    fn a_size_has_one_reading() {
        for (good, size) in [
            ("{\"Width\":120,\"Height\":40}\n", "120x40"),
            (r#"{"Height": 24, "Width": 80}"#, "80x24"),
            (r#"{"Width":65535,"Height":0}"#, "65535x0"),
        ] {
            let read = Size::read(good.as_bytes()).expect("a size");
            assert_eq!(read.to_string(), size);
        }
        for bad in [
            "",
            "{}",
            "[120,40]",
            "120x40",
            r#"{"Width":120}"#,
            r#"{"width":120,"height":40}"#,
            r#"{"Width":65536,"Height":40}"#,
            r#"{"Width":-1,"Height":40}"#,
            r#"{"Width":1.5,"Height":40}"#,
            r#"{"Width":"120","Height":40}"#,
            r#"{"Width":120,"Height":40,"Width":80}"#,
            r#"{"Width":120,"Height":40,"width":80}"#,
            r#"{"Width":120,"Height":40}{"Width":80,"Height":24}"#,
            r#"{"Width":120,"Height":4"#,
        ] {
            assert!(Size::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
