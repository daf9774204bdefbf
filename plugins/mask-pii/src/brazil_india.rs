//! Brazil's CPF and CNPJ, and India's Aadhaar: digits with check digits, printed in a form of their own.

use crate::checks::{uniform, verhoeff};
use crate::groups::Run;
use std::ops::Range;

/// CPF (Receita Federal): nine digits and two check digits, `000.000.000-00`.
pub fn cpf(run: &Run<'_>, first: usize, last: usize) -> Option<u8> {
    let score = match last - first {
        0 => 40,
        3 if run.shaped(first, &[3, 3, 3, 2]) => {
            let dotted = run.joined(first, first + 2, b'.') && run.gap(first + 2) == b"-";
            if dotted { 90 } else { 40 }
        }
        1 if run.shaped(first, &[9, 2]) && run.gap(first) == b"-" => 65,
        _ => return None,
    };
    let digits = run.plain(first, last);
    (!uniform(&digits) && checked(&digits, 9, 11)).then_some(score)
}

/// CNPJ (Receita Federal; letters since Instrucao Normativa RFB 2.229/2024): twelve characters and two check digits.
pub fn cnpj(run: &Run<'_>, first: usize, last: usize) -> Option<u8> {
    let score = match last - first {
        0 => 40,
        4 if run.shaped(first, &[2, 3, 3, 4, 2]) => {
            let dotted = run.joined(first, first + 2, b'.');
            let rest = run.gap(first + 2) == b"/" && run.gap(first + 3) == b"-";
            if dotted && rest { 95 } else { 40 }
        }
        _ => return None,
    };
    let digits = run.plain(first, last);
    (!uniform(&digits) && checked(&digits, 12, 9)).then_some(score)
}

/// A CNPJ with letters, in its printed form `AA.AAA.AAA/AAAA-00`, whose check digits begin at `check`.
pub fn cnpj_with_letters(data: &[u8], check: usize) -> Option<Range<usize>> {
    let range = check.checked_sub(16)?..check + 2;
    let text = data.get(range.clone())?;
    let mut plain = [0; 14];
    let mut length = 0;
    for (at, byte) in text.iter().enumerate() {
        let sign = match at {
            2 | 6 => b'.',
            10 => b'/',
            15 => b'-',
            _ if byte.is_ascii_digit() || byte.is_ascii_uppercase() && at < 16 => {
                plain[length] = *byte;
                length += 1;
                continue;
            }
            _ => return None,
        };
        if *byte != sign {
            return None;
        }
    }
    (length == 14 && checked(&plain, 12, 9)).then_some(range)
}

/// Two check digits modulo 11. Weights rise from 2 at the right and start over after `top`.
fn checked(text: &[u8], body: usize, top: u32) -> bool {
    let check = |length: usize| {
        let sum: u32 = text[..length]
            .iter()
            .rev()
            .enumerate()
            .map(|(i, b)| u32::from(*b - b'0') * (2 + i as u32 % (top - 1)))
            .sum();
        match sum % 11 {
            0 | 1 => 0,
            rest => 11 - rest,
        }
    };
    [body, body + 1]
        .iter()
        .all(|length| check(*length) == u32::from(text[*length].wrapping_sub(b'0')))
}

/// Aadhaar (UIDAI): twelve digits, the first not 0 or 1, Verhoeff's check.
pub fn aadhaar(run: &Run<'_>, first: usize, last: usize) -> Option<u8> {
    let score = match last - first {
        0 => 25,
        2 if run.shaped(first, &[4, 4, 4]) && run.evenly(first, last) => 45,
        _ => return None,
    };
    let digits = run.plain(first, last);
    (digits[0] >= b'2' && !uniform(&digits) && verhoeff(&digits)).then_some(score)
}
