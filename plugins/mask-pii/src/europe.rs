//! National numbers of Europe that are made of digits: UK NHS, German tax id, French NIR, Dutch BSN, Polish PESEL. Those
//! whose check passes one number in ten or eleven need words; the others stand by themselves.

use crate::checks::{is_date, mod11_10, number, uniform, weighted};
use crate::groups::Run;

/// NHS number: ten digits, MOD 11 (NHS Data Dictionary, "NHS NUMBER").
pub fn nhs(run: &Run<'_>, first: usize, last: usize) -> Option<u8> {
    let score = match last - first {
        0 => 30,
        2 if run.shaped(first, &[3, 3, 4]) && run.evenly(first, last) => 45,
        _ => return None,
    };
    let digits = run.plain(first, last);
    let rest = weighted(&digits[..9], &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    let check = (11 - rest) % 11;
    (check == number(&digits[9..]) && !uniform(&digits)).then_some(score)
}

/// Identifikationsnummer (section 139b AO): eleven digits, ISO 7064 MOD 11,10; among the first ten one digit occurs
/// twice or three times, and no other more than once.
pub fn german_tax(run: &Run<'_>, first: usize, last: usize) -> Option<u8> {
    let score = match last - first {
        0 => 35,
        3 if run.shaped(first, &[2, 3, 3, 3]) && run.evenly(first, last) => 60,
        _ => return None,
    };
    let digits = run.plain(first, last);
    let mut counts = [0_u8; 10];
    for digit in &digits[..10] {
        counts[usize::from(digit - b'0') % 10] += 1;
    }
    let repeated = counts.iter().filter(|n| **n > 1).count();
    let fine = digits[0] != b'0' && repeated == 1 && counts.iter().all(|n| *n <= 3);
    (fine && mod11_10(&digits)).then_some(score)
}

/// NIR (INSEE): sex, year, month, department, commune, order, and 97 minus the number modulo 97. Corsica's departments
/// 2A and 2B count as 19 and 18.
pub fn french(run: &Run<'_>, first: usize, last: usize) -> Option<u8> {
    let score = match last - first {
        0 => 65,
        6 if run.shaped(first, &[1, 2, 2, 2, 3, 3, 2]) && run.evenly(first, last) => 85,
        // As printed on paper: the key apart.
        1 if run.shaped(first, &[13, 2]) && run.evenly(first, last) => 75,
        _ => return None,
    };
    nir(&run.plain(first, last)).then_some(score)
}

/// True for the fifteen characters of a NIR.
pub fn nir(text: &[u8]) -> bool {
    let Some(Ok(mut digits)) = text.get(..15).map(<[u8; 15]>::try_from) else {
        return false;
    };
    let less = match (digits[5], digits[6]) {
        (b'2', b'A') => 19,
        (b'2', b'B') => 18,
        _ => 0,
    };
    if less > 0 {
        digits[5] = b'0' + less / 10;
        digits[6] = b'0' + less % 10;
    }
    if text.len() != 15 || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let month = number(&digits[3..5]);
    let department = number(&digits[5..7]);
    let fine = matches!(digits[0], b'1' | b'2')
        && matches!(month, 1..=12 | 20 | 30..=42 | 50..=99)
        && department > 0
        && number(&digits[10..13]) > 0;
    let body = digits[..13]
        .iter()
        .fold(0_u64, |n, d| n * 10 + u64::from(d - b'0'));
    fine && 97 - body % 97 == u64::from(number(&digits[13..]))
}

/// BSN: nine digits, the eleven test (Wet algemene bepalingen burgerservicenummer; last weight is minus one).
pub fn dutch(run: &Run<'_>, first: usize, last: usize) -> Option<u8> {
    let score = match last - first {
        0 => 25,
        2 if run.shaped(first, &[4, 2, 3]) && run.joined(first, last, b'.') => 40,
        2 if run.shaped(first, &[3, 3, 3]) => 25,
        _ => return None,
    };
    let digits = run.plain(first, last);
    let sum = weighted(&digits[..8], &[9, 8, 7, 6, 5, 4, 3, 2]);
    let check = number(&digits[8..]);
    (sum % 11 == check && !uniform(&digits)).then_some(score)
}

/// PESEL: eleven digits, the day of birth with the century in the month, weights 1 3 7 9 (Ustawa o ewidencji ludnosci).
pub fn polish(run: &Run<'_>, first: usize, last: usize) -> Option<u8> {
    if first != last {
        return None;
    }
    let digits = run.digits(first);
    let (year, month, day) = (
        number(&digits[..2]),
        number(&digits[2..4]),
        number(&digits[4..6]),
    );
    let century = match month / 20 {
        0 => 1900,
        1 => 2000,
        // 1800 and 2100 upwards: nobody alive.
        _ => return None,
    };
    let sum = weighted(&digits[..10], &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]);
    let right = (10 - sum % 10) % 10 == number(&digits[10..]);
    (is_date(century + year, month % 20, day) && right).then_some(35)
}
