//! Where literals and inner statements stand in the text, from PostgreSQL's own lexer.
//!
//! Refuses: a place that is not found is the rest of the statement, so that a secret is rather hidden with
//! its neighbours than shown.

use pg_query::protobuf::Token;
use std::ops::Range;

struct Word {
    span: Range<u32>,
    kind: i32,
}

/// The tokens of one text.
pub(crate) struct Places {
    words: Vec<Word>,
}

impl Places {
    pub(crate) fn of(text: &str) -> Self {
        let tokens = pg_query::scan(text)
            .map(|scan| scan.tokens)
            .unwrap_or_default();
        let words = tokens
            .into_iter()
            .filter(|token| {
                token.token != Token::SqlComment as i32 && token.token != Token::CComment as i32
            })
            .map(|token| Word {
                span: u32::try_from(token.start).unwrap_or(0)
                    ..u32::try_from(token.end).unwrap_or(0),
                kind: token.token,
            })
            .collect();
        Self { words }
    }

    /// The literal that starts here, quotes included.
    pub(crate) fn literal_at(&self, at: u32, within: &Range<u32>) -> Range<u32> {
        self.literals(within)
            .find(|span| span.start == at)
            .unwrap_or(at.clamp(within.start, within.end)..within.end)
    }

    /// The first literal from here on.
    pub(crate) fn literal_after(&self, at: u32, within: &Range<u32>) -> Range<u32> {
        self.literals(within)
            .find(|span| span.start >= at)
            .unwrap_or(within.end..within.end)
    }

    /// All literals of a statement.
    pub(crate) fn literals_in(&self, within: &Range<u32>) -> Vec<Range<u32>> {
        self.literals(within).collect()
    }

    fn literals<'p>(&'p self, within: &'p Range<u32>) -> impl Iterator<Item = Range<u32>> + 'p {
        self.inside(within)
            .filter(|word| word.kind == Token::Sconst as i32 || word.kind == Token::Usconst as i32)
            .map(|word| word.span.clone())
    }

    /// What follows the keyword of PREPARE (`AS`) or DECLARE (`FOR`), outside of parentheses.
    pub(crate) fn inner(&self, within: &Range<u32>, keyword: &str) -> Range<u32> {
        let wanted = match keyword {
            "AS" => Token::As,
            _ => Token::For,
        };
        let mut depth = 0_i32;
        let mut words = self.inside(within);
        let found = words.by_ref().any(|word| {
            match Token::try_from(word.kind) {
                Ok(Token::Ascii40) => depth += 1,
                Ok(Token::Ascii41) => depth -= 1,
                _ => {}
            }
            depth == 0 && word.kind == wanted as i32
        });
        match words.next() {
            Some(first) if found => first.span.start..within.end,
            _ => within.clone(),
        }
    }

    fn inside<'p>(&'p self, within: &'p Range<u32>) -> impl Iterator<Item = &'p Word> + 'p {
        self.words
            .iter()
            .filter(|word| word.span.start >= within.start && word.span.end <= within.end)
    }
}
