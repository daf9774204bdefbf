//! One pass over the whole batch makes four bitmaps: digits, word bytes, colons and dashes, one bit per byte. Everything
//! else asks the bitmaps, 64 bytes at a time: a loop over single bytes is what WebAssembly is slowest at.

/// Where bytes of one class stand.
#[derive(Debug, Default)]
pub struct Map {
    bits: Vec<u64>,
}

impl Map {
    /// 64 bits from this offset on; zeros behind the end.
    #[inline]
    pub fn from(&self, at: usize) -> u64 {
        let (index, shift) = (at / 64, at % 64);
        let low = self.bits.get(index).copied().unwrap_or(0) >> shift;
        match shift {
            0 => low,
            _ => low | self.bits.get(index + 1).copied().unwrap_or(0) << (64 - shift),
        }
    }

    /// True for a byte of the class.
    #[inline]
    pub fn has(&self, at: usize) -> bool {
        self.bits
            .get(at / 64)
            .is_some_and(|w| w >> (at % 64) & 1 == 1)
    }

    /// One past the last byte of the stretch that `at` stands in.
    #[inline]
    pub fn end(&self, mut at: usize) -> usize {
        loop {
            let ones = self.from(at).trailing_ones() as usize;
            at += ones;
            if ones < 64 {
                return at;
            }
        }
    }

    /// The first byte of the stretch that `at` stands in.
    #[inline]
    pub fn start(&self, at: usize) -> usize {
        let (mut index, shift) = (at / 64, at % 64);
        let word = self.bits.get(index).copied().unwrap_or(0) << (63 - shift);
        let ones = word.leading_ones() as usize;
        if ones <= shift {
            return at + 1 - ones;
        }
        while index > 0 {
            index -= 1;
            let ones = self.bits.get(index).map_or(0, |w| w.leading_ones()) as usize;
            if ones < 64 {
                return (index + 1) * 64 - ones;
            }
        }
        0
    }

    /// The words of 64 bits.
    #[inline]
    pub fn words(&self) -> &[u64] {
        &self.bits
    }
}

/// The four maps; reused from call to call.
#[derive(Debug, Default)]
pub struct Maps {
    /// `0` to `9`.
    pub digit: Map,
    /// ASCII letters, digits and `_`.
    pub word: Map,
    /// `:`.
    pub colon: Map,
    /// `-`.
    pub dash: Map,
}

impl Maps {
    /// Looks at all bytes once.
    pub fn fill(&mut self, data: &[u8]) {
        let maps = [
            &mut self.digit,
            &mut self.word,
            &mut self.colon,
            &mut self.dash,
        ];
        for map in maps {
            map.bits.clear();
            map.bits.reserve(data.len() / 64 + 1);
        }
        let mut blocks = data.chunks_exact(64);
        for block in &mut blocks {
            self.push(block);
        }
        let rest = blocks.remainder();
        if !rest.is_empty() {
            let mut last = [0; 64];
            last[..rest.len()].copy_from_slice(rest);
            self.push(&last);
        }
    }

    #[inline]
    fn push(&mut self, block: &[u8]) {
        let mut sums = [0_u64; 4];
        for (quarter, part) in block.chunks_exact(16).enumerate() {
            for (sum, bits) in sums.iter_mut().zip(sixteen(part)) {
                *sum |= bits << (16 * quarter);
            }
        }
        self.digit.bits.push(sums[0]);
        self.word.bits.push(sums[1]);
        self.colon.bits.push(sums[2]);
        self.dash.bits.push(sums[3]);
    }
}

/// Digits, word bytes, colons and dashes among sixteen bytes.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[inline]
fn sixteen(part: &[u8]) -> [u64; 4] {
    use core::arch::wasm32::*;
    let part: &[u8; 16] = part.try_into().expect("sixteen bytes");
    // SAFETY: the array has the sixteen bytes that are read; `v128_load` asks for no alignment.
    let v = unsafe { v128_load(part.as_ptr().cast()) };
    let digit = u8x16_lt(u8x16_sub(v, u8x16_splat(b'0')), u8x16_splat(10));
    let folded = v128_or(v, u8x16_splat(0x20));
    let letter = u8x16_lt(u8x16_sub(folded, u8x16_splat(b'a')), u8x16_splat(26));
    let word = v128_or(v128_or(digit, letter), u8x16_eq(v, u8x16_splat(b'_')));
    let bits = |m| u64::from(u8x16_bitmask(m));
    [
        bits(digit),
        bits(word),
        bits(u8x16_eq(v, u8x16_splat(b':'))),
        bits(u8x16_eq(v, u8x16_splat(b'-'))),
    ]
}

/// The same where there is no such instruction set.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
#[inline]
fn sixteen(part: &[u8]) -> [u64; 4] {
    const CLASS: [u8; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let b = byte as u8;
            table[byte] = (b.is_ascii_digit() as u8)
                | ((b.is_ascii_alphanumeric() || b == b'_') as u8) << 1
                | ((b == b':') as u8) << 2
                | ((b == b'-') as u8) << 3;
            byte += 1;
        }
        table
    };
    let mut maps = [0; 4];
    for (at, byte) in part.iter().enumerate() {
        let class = u64::from(CLASS[usize::from(*byte)]);
        maps[0] |= (class & 1) << at;
        maps[1] |= (class >> 1 & 1) << at;
        maps[2] |= (class >> 2 & 1) << at;
        maps[3] |= (class >> 3 & 1) << at;
    }
    maps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_found_across_blocks() {
        for offset in 0..200 {
            for length in [1, 2, 63, 64, 65, 130] {
                let mut text = vec![b' '; offset];
                text.extend(vec![b'7'; length]);
                text.extend(b"-:_a");
                let mut maps = Maps::default();
                maps.fill(&text);
                let (first, last) = (offset, offset + length);
                for at in [first, last - 1, (first + last) / 2] {
                    assert_eq!(maps.digit.start(at), first);
                    assert_eq!(maps.digit.end(at), last);
                }
                assert_eq!(maps.word.end(first), last);
                assert!(maps.dash.has(last) && maps.colon.has(last + 1));
                assert_eq!(
                    (maps.word.start(last + 3), maps.word.end(last + 2)),
                    (last + 2, last + 4)
                );
                assert!(!maps.digit.has(last) && !maps.digit.has(text.len() + 500));
            }
        }
    }
}
