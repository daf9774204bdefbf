//! Text that somebody else wrote, on its way to a person: terminals, web pages and approvers see what
//! is there, never what it does. Refuses to pass anything that moves a cursor, reorders a line, hides
//! between letters or ends the line it stands in.

use std::fmt::Write as _;

/// The same text with everything that a terminal would obey or an eye would miss written as an escape:
/// C0 and C1 controls (so every ANSI sequence), line and paragraph separators, bidirectional overrides
/// and isolates (Trojan Source, CVE-2021-42574), zero-width and other invisible characters, tags,
/// variation selectors, and characters of private use. A newline stays a newline and a tab a tab when
/// the text is shown as a block; see [`escape_line`] for a single line.
///
/// The backslash itself is doubled only where it would read as one of these escapes, so that shown SQL
/// stays legible and an escape that was typed cannot be taken for one that was made.
#[must_use]
pub fn escape_for_people(text: &str) -> String {
    escape(text, Lines::Keep)
}

/// As [`escape_for_people`], on one line: newlines and tabs are escaped too.
#[must_use]
pub fn escape_line(text: &str) -> String {
    escape(text, Lines::Escape)
}

/// JSON on one line, with everything that [`escape_line`] would escape in the escapes of JSON (RFC 8259 section 7), so that it
/// is shown safely and a program reads what was meant.
#[must_use]
pub fn json_line(json: &serde_json::Value) -> String {
    let text = json.to_string();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if !invisible(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail. Outside of strings JSON has nothing invisible.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lines {
    Keep,
    Escape,
}

fn escape(text: &str, lines: Lines) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\n' | '\t' if lines == Lines::Keep => out.push(c),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\\' if reads_as_escape(rest.as_str()) => out.push_str("\\\\"),
            c if invisible(c) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{{{:04x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

fn reads_as_escape(rest: &str) -> bool {
    rest.starts_with("u{") || rest.starts_with(['n', 'r', 't', '\\'])
}

/// True for characters that have no shape of their own or change the place of others.
fn invisible(c: char) -> bool {
    matches!(u32::from(c),
        0x00..=0x1f | 0x7f..=0x9f       // C0, DEL, C1
        | 0xad                          // soft hyphen
        | 0x34f                         // combining grapheme joiner
        | 0x61c                         // Arabic letter mark
        | 0x115f | 0x1160 | 0x3164 | 0xffa0 // Hangul fillers
        | 0x17b4 | 0x17b5               // Khmer inherent vowels
        | 0x180b..=0x180f               // Mongolian selectors, vowel separator
        | 0x200b..=0x200f               // zero width, LRM, RLM
        | 0x2028..=0x202e               // separators, embeddings, overrides
        | 0x2060..=0x206f               // word joiner, invisible operators, isolates
        | 0xfe00..=0xfe0f               // variation selectors
        | 0xfeff                        // byte order mark
        | 0xfff0..=0xfffb               // interlinear annotation
        | 0xe000..=0xf8ff               // private use
        | 0x1d173..=0x1d17a             // musical format controls
        | 0xe0000..=0x10ffff            // tags, selectors supplement, private use planes
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_as_an_escape() {
        let cases = [
            ("plain ünïcode 表 🦀", "plain ünïcode 表 🦀"),
            (
                "\u{1b}[2J\u{1b}]0;title\u{7}",
                "\\u{001b}[2J\\u{001b}]0;title\\u{0007}",
            ),
            ("\u{9b}31m", "\\u{009b}31m"),
            ("a\rb", "a\\rb"),
            ("abc\u{8}\u{8}", "abc\\u{0008}\\u{0008}"),
            ("two\nlines\tand a tab", "two\nlines\tand a tab"),
            ("nul\0", "nul\\u{0000}"),
        ];
        for (text, shown) in cases {
            assert_eq!(escape_for_people(text), shown);
        }
    }

    #[test]
    fn json_on_a_line_shows_nothing_invisible_and_is_read_as_it_was_meant() {
        for text in [
            "two\nlines, a \ttab and a \rreturn",
            r"\\copy, \n and \u{1b} as they were typed",
            "\u{1b}[2J\u{7f}\u{9b}31m",
            "/*\u{202e} } \u{2066}if admin\u{2069} */ us\u{200b}ers",
            "a tag \u{e0041}, private \u{100000}",
            "plain \"ünïcode\" 表 🦀",
        ] {
            let json = serde_json::json!({text: [text, {"n": 1}]});
            let line = json_line(&json);
            assert!(!line.chars().any(invisible), "{line}");
            let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            assert_eq!(read, json);
        }
    }

    #[test]
    fn what_an_eye_would_miss_is_shown_as_an_escape() {
        let cases = [
            (
                "/*\u{202e} } \u{2066}if admin\u{2069} */",
                "/*\\u{202e} } \\u{2066}if admin\\u{2069} */",
            ),
            ("us\u{200b}ers", "us\\u{200b}ers"),
            ("x\u{2028}y", "x\\u{2028}y"),
            ("\u{feff}bom", "\\u{feff}bom"),
            ("tag\u{e0041}", "tag\\u{e0041}"),
            ("soft\u{ad}hyphen", "soft\\u{00ad}hyphen"),
        ];
        for (text, shown) in cases {
            assert_eq!(escape_for_people(text), shown);
        }
    }

    #[test]
    fn a_typed_escape_cannot_pass_for_a_made_one() {
        assert_eq!(escape_for_people("\\u{202e}"), "\\\\u{202e}");
        assert_eq!(escape_for_people("LIKE 'a\\_b'"), "LIKE 'a\\_b'");
        assert_eq!(escape_line("a\nb\\nc"), "a\\nb\\\\nc");
    }

    #[test]
    fn no_control_character_survives() {
        let all: String = (0..=0x10_ffff).filter_map(char::from_u32).collect();
        assert!(
            escape_line(&all)
                .chars()
                .all(|c| !c.is_control() && !invisible(c))
        );
    }
}
