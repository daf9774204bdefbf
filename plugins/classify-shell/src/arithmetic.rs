//! Shell arithmetic on constants, so that `$((700+77))` is a number. What it cannot compute it does not guess.

/// How deep parentheses may nest.
const DEPTH_MAX: u32 = 32;

/// The value of an expression; `variable` knows what names hold.
pub fn value(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Option<i64> {
    let mut reader = Reader {
        rest: text.trim(),
        depth: 0,
        variable,
    };
    let value = reader.binary(0)?;
    reader.rest.is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
    depth: u32,
    variable: &'a dyn Fn(&str) -> Option<String>,
}

/// Operators by how tightly they bind, longest first within a level.
const LEVELS: [&[&str]; 10] = [
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];

impl Reader<'_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn operator(&mut self, level: usize) -> Option<&'static str> {
        self.skip();
        let found = LEVELS
            .get(level)?
            .iter()
            .find(|op| self.rest.starts_with(**op))?;
        let after = &self.rest[found.len()..];
        let longer = match *found {
            "|" => after.starts_with('|'),
            "&" => after.starts_with('&'),
            "<" | ">" => after.starts_with(['<', '>']),
            "*" => after.starts_with('*'),
            _ => false,
        };
        // `a = 1` and `a += 1` are assignments: not computed here.
        if longer || (after.starts_with('=') && !matches!(*found, "==" | "!=" | "<=" | ">=")) {
            return None;
        }
        self.rest = after;
        Some(found)
    }

    fn binary(&mut self, level: usize) -> Option<i64> {
        if level == LEVELS.len() {
            return self.power();
        }
        let mut left = self.binary(level + 1)?;
        while let Some(op) = self.operator(level) {
            let right = self.binary(level + 1)?;
            left = apply(op, left, right)?;
        }
        Some(left)
    }

    fn power(&mut self) -> Option<i64> {
        let base = self.unary()?;
        self.skip();
        match self.rest.strip_prefix("**") {
            Some(rest) => {
                self.rest = rest;
                let exponent = u32::try_from(self.unary()?).ok()?;
                base.checked_pow(exponent)
            }
            None => Some(base),
        }
    }

    fn unary(&mut self) -> Option<i64> {
        self.skip();
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        let first = self.rest.chars().next()?;
        let value = match first {
            '+' | '-' | '!' | '~' => {
                self.rest = &self.rest[1..];
                let value = self.unary()?;
                match first {
                    '+' => Some(value),
                    '-' => value.checked_neg(),
                    '!' => Some(i64::from(value == 0)),
                    _ => Some(!value),
                }
            }
            '(' => {
                self.rest = &self.rest[1..];
                let value = self.binary(0)?;
                self.skip();
                self.rest = self.rest.strip_prefix(')')?;
                Some(value)
            }
            _ => self.atom(),
        };
        self.depth -= 1;
        value
    }

    fn atom(&mut self) -> Option<i64> {
        let word = |c: char| c.is_ascii_alphanumeric() || "_#@".contains(c);
        let end = self.rest.find(|c| !word(c)).unwrap_or(self.rest.len());
        let (atom, rest) = self.rest.split_at(end);
        self.rest = rest;
        if atom.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return number((self.variable)(atom)?.trim());
        }
        number(atom)
    }
}

fn number(text: &str) -> Option<i64> {
    if let Some((radix, digits)) = text.split_once('#') {
        let radix = radix.parse().ok().filter(|r| (2..=36).contains(r))?;
        return i64::from_str_radix(digits, radix).ok();
    }
    match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => i64::from_str_radix(&text[2..], 16).ok(),
        [b'0', _, ..] => i64::from_str_radix(&text[1..], 8).ok(),
        _ => text.parse().ok(),
    }
}

fn apply(op: &str, left: i64, right: i64) -> Option<i64> {
    let truth = |b: bool| Some(i64::from(b));
    match op {
        "||" => truth(left != 0 || right != 0),
        "&&" => truth(left != 0 && right != 0),
        "|" => Some(left | right),
        "^" => Some(left ^ right),
        "&" => Some(left & right),
        "==" => truth(left == right),
        "!=" => truth(left != right),
        "<=" => truth(left <= right),
        ">=" => truth(left >= right),
        "<" => truth(left < right),
        ">" => truth(left > right),
        "<<" => left.checked_shl(u32::try_from(right).ok()?),
        ">>" => left.checked_shr(u32::try_from(right).ok()?),
        "+" => left.checked_add(right),
        "-" => left.checked_sub(right),
        "*" => left.checked_mul(right),
        "/" => left.checked_div(right),
        _ => left.checked_rem(right),
    }
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn constants_are_computed() {
        let known = |name: &str| (name == "x").then(|| "0700".to_owned());
        for (text, want) in [
            ("700+77", Some(777)),
            (" ( 1 + 2 ) * 3 ", Some(9)),
            ("8#777", Some(511)),
            ("0x1ff", Some(511)),
            ("0777", Some(511)),
            ("x + 077", Some(511)),
            ("1<<9|1", Some(513)),
            ("2**10 - 247", Some(777)),
            ("!0 && -1 < 0", Some(1)),
            ("y", None),
            ("x = 5", None),
            ("1 +", None),
            ("1/0", None),
            ("rm -rf x", None),
        ] {
            assert_eq!(value(text, &known), want, "{text}");
        }
    }
}
