//! Check digits as the generators make them, each by a way of its own: what a detector and a generator share they would
//! get wrong together.

/// Appends the Luhn digit.
pub fn with_luhn(body: &str) -> String {
    let doubled = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9];
    let sum: usize = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(i, b)| {
            let n = usize::from(b - b'0');
            if i % 2 == 0 { doubled[n] } else { n }
        })
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

/// Appends the Verhoeff digit, with the group computed and not tabulated.
pub fn with_verhoeff(body: &str) -> String {
    fn times(a: usize, b: usize) -> usize {
        match (a < 5, b < 5) {
            (true, true) => (a + b) % 5,
            (true, false) => (a + b - 5) % 5 + 5,
            (false, true) => (a - 5 + 5 - b) % 5 + 5,
            (false, false) => (a + 5 - b) % 5,
        }
    }
    fn turn(times: usize, n: usize) -> usize {
        const ONCE: [usize; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
        (0..times).fold(n, |n, _| ONCE[n])
    }
    let check = body.bytes().rev().enumerate().fold(0, |check, (i, b)| {
        times(check, turn((i + 1) % 8, usize::from(b - b'0')))
    });
    let inverse = (0..10).find(|n| times(check, *n) == 0).unwrap_or(0);
    format!("{body}{inverse}")
}

/// The remainder of a number of any length.
pub fn remainder(digits: &str, by: u64) -> u64 {
    digits
        .bytes()
        .fold(0, |rest, b| (rest * 10 + u64::from(b - b'0')) % by)
}

/// An IBAN of a country and an account.
pub fn iban(country: &str, account: &str) -> String {
    let spelt: String = format!("{account}{country}00")
        .chars()
        .map(|c| c.to_digit(36).unwrap_or(0).to_string())
        .collect();
    format!("{country}{:02}{account}", 98 - remainder(&spelt, 97))
}

/// Appends the digit of ISO 7064 MOD 11,10, found by trying.
pub fn with_mod11_10(body: &str) -> String {
    let right = |text: &str| {
        let mut sum = 10_u32;
        for (i, b) in text.bytes().enumerate() {
            let digit = u32::from(b - b'0');
            if i + 1 == text.len() {
                return (sum + digit) % 10 == 1;
            }
            sum = (sum + digit) % 10;
            sum = if sum == 0 { 20 % 11 } else { 2 * sum % 11 };
        }
        false
    };
    let tried = (0..10).map(|n| format!("{body}{n}"));
    tried.into_iter().find(|t| right(t)).unwrap_or_default()
}

/// A weighted sum.
pub fn sum(digits: &str, weights: &[u64]) -> u64 {
    digits
        .bytes()
        .zip(weights)
        .map(|(b, w)| u64::from(b - b'0') * w)
        .sum()
}

/// CRC-32, by a table of nibbles.
pub fn crc32(text: &str) -> u32 {
    let table: Vec<u32> = (0..16_u32)
        .map(|n| {
            (0..4).fold(n, |c, _| {
                if c & 1 == 1 {
                    c >> 1 ^ 0xedb8_8320
                } else {
                    c >> 1
                }
            })
        })
        .collect();
    let mut crc = u32::MAX;
    for byte in text.bytes() {
        crc ^= u32::from(byte);
        crc = crc >> 4 ^ table[(crc & 15) as usize];
        crc = crc >> 4 ^ table[(crc & 15) as usize];
    }
    !crc
}

/// Groups of digits with something between: `grouped("123456", &[3, 3], "-")`.
pub fn grouped(digits: &str, lengths: &[usize], by: &str) -> String {
    let mut parts = Vec::new();
    let mut from = 0;
    for length in lengths {
        parts.push(&digits[from..from + length]);
        from += length;
    }
    parts.join(by)
}

/// The same number with another last digit: a near miss.
pub fn spoilt(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    if let Some(digit) = bytes.iter_mut().rev().find(|b| b.is_ascii_digit()) {
        *digit = b'0' + (*digit - b'0' + 1) % 10;
    }
    String::from_utf8(bytes).unwrap_or_default()
}
