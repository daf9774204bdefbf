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

impl Word {
    fn is_literal(&self) -> bool {
        self.kind == Token::Sconst as i32 || self.kind == Token::Usconst as i32
    }
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
        let from = at.max(within.start)..within.end;
        self.inside(&from)
            .next()
            .filter(|word| word.span.start == at && word.is_literal())
            .map(|word| word.span.clone())
            .unwrap_or(at.clamp(within.start, within.end)..within.end)
    }

    /// The first literal from here on.
    pub(crate) fn literal_after(&self, at: u32, within: &Range<u32>) -> Range<u32> {
        let from = at.max(within.start)..within.end;
        self.literals(&from)
            .next()
            .unwrap_or(within.end..within.end)
    }

    /// All literals of a statement.
    pub(crate) fn literals_in(&self, within: &Range<u32>) -> Vec<Range<u32>> {
        self.literals(within).collect()
    }

    fn literals(&self, within: &Range<u32>) -> impl Iterator<Item = Range<u32>> {
        self.inside(within)
            .filter(|word| word.is_literal())
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

    /// The tokens come in order: the first is found by halves, so that many questions stay cheap.
    fn inside(&self, within: &Range<u32>) -> impl Iterator<Item = &Word> {
        let (start, end) = (within.start, within.end);
        let first = self.words.partition_point(|word| word.span.start < start);
        self.words
            .get(first..)
            .unwrap_or_default()
            .iter()
            .take_while(move |word| word.span.end <= end)
    }
}
