//! The search for anchors. Four bytes at every place, without regard to case, are looked up in a table of sixteen KiB;
//! places do not depend on each other, which is what a processor is fastest at, in WebAssembly too. Only where the table
//! says yes are the anchors themselves compared.

const BITS: u32 = 14;
const SLOTS: usize = 1 << BITS;

/// Finds literals without regard to ASCII case.
pub struct Scanner {
    /// By the hash of three bytes: which fourth bytes (three bits of them) go on.
    table: Box<[u8; SLOTS]>,
    /// Where the literals of a hash begin in `order`.
    starts: Vec<u16>,
    /// Literals by hash.
    order: Vec<u16>,
    /// Folded.
    literals: Vec<Vec<u8>>,
}

/// Letters in small; other bytes fold with some of their kind, which the comparison of literals sorts out.
fn fold(byte: u8) -> u8 {
    byte | 0x20
}

#[inline]
fn hash(three: u32) -> usize {
    ((three & 0x00ff_ffff).wrapping_mul(0x9e37_79b1) >> (32 - BITS)) as usize
}

impl Scanner {
    /// Refuses literals of fewer than three bytes: every third place would hit.
    pub fn new(literals: &[String]) -> Result<Self, String> {
        if let Some(short) = literals.iter().find(|l| l.len() < 3) {
            return Err(format!("the anchor `{short}` is too short"));
        }
        let literals: Vec<Vec<u8>> = literals
            .iter()
            .map(|l| l.bytes().map(fold).collect())
            .collect();
        let slot = |l: &[u8]| hash(u32::from_le_bytes([l[0], l[1], l[2], 0]));
        let mut order: Vec<u16> = (0..literals.len() as u16).collect();
        order.sort_by_key(|i| slot(&literals[usize::from(*i)]));
        let mut table = Box::new([0; SLOTS]);
        let mut starts = vec![0; SLOTS + 1];
        for literal in &literals {
            let at = slot(literal);
            starts[at + 1] += 1;
            table[at] |= literal.get(3).map_or(u8::MAX, |b| 1 << (b & 7));
        }
        for at in 0..SLOTS {
            starts[at + 1] += starts[at];
        }
        Ok(Self {
            table,
            starts,
            order,
            literals,
        })
    }

    /// Calls `hit` with the number of a literal and the place where it begins, in order of places.
    pub fn each(&self, data: &[u8], mut hit: impl FnMut(usize, usize)) {
        let mut at = 0;
        // Eight bytes hold five places with four bytes each.
        while let Some(eight) = data.get(at..at + 8) {
            let mut word = [0; 8];
            word.copy_from_slice(eight);
            let word = u64::from_le_bytes(word) | 0x2020_2020_2020_2020;
            let mut places = 0;
            for place in 0..5 {
                places |= self.goes_on((word >> (8 * place)) as u32) << place;
            }
            while places != 0 {
                let place = places.trailing_zeros() as usize;
                places &= places - 1;
                self.compare(data, at + place, &mut hit);
            }
            at += 5;
        }
        for at in at..data.len() {
            self.compare(data, at, &mut hit);
        }
    }

    #[inline]
    fn goes_on(&self, four: u32) -> u32 {
        u32::from(self.table[hash(four)] >> (four >> 24 & 7) & 1)
    }

    /// Compares the literals of one hash.
    fn compare(&self, data: &[u8], at: usize, hit: &mut impl FnMut(usize, usize)) {
        let Some(three) = data.get(at..at + 3) else {
            return;
        };
        let slot = hash(u32::from_le_bytes([
            fold(three[0]),
            fold(three[1]),
            fold(three[2]),
            0,
        ]));
        let range = usize::from(self.starts[slot])..usize::from(self.starts[slot + 1]);
        for index in &self.order[range] {
            let literal = &self.literals[usize::from(*index)];
            let text = data.get(at..at + literal.len());
            if text.is_some_and(|t| t.iter().zip(literal).all(|(b, l)| fold(*b) == *l)) {
                hit(usize::from(*index), at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(literals: &[&str], text: &str) -> Vec<(usize, usize)> {
        let literals: Vec<String> = literals.iter().map(|l| (*l).to_owned()).collect();
        let mut all = Vec::new();
        Scanner::new(&literals)
            .unwrap()
            .each(text.as_bytes(), |l, at| all.push((l, at)));
        all.sort_unstable();
        all
    }

    #[test]
    fn literals_are_found_at_every_place_and_in_any_case() {
        for before in 0..20 {
            for after in 0..12 {
                let text = format!("{}AkIa{}", "x".repeat(before), "y".repeat(after));
                assert_eq!(found(&["akia", "akid"], &text), [(0, before)]);
                let text = format!("{}://{}", "x".repeat(before), "y".repeat(after));
                assert_eq!(found(&["://", "secret"], &text), [(0, before)]);
            }
        }
        let text = "secret_access_key SECRET";
        assert_eq!(
            found(&["secret", "secret_access_key"], text),
            [(0, 0), (0, 18), (1, 0)]
        );
        assert_eq!(found(&["abc"], "ab"), []);
        assert!(Scanner::new(&["ab".to_owned()]).is_err());
    }
}
