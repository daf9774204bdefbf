//! National numbers with letters in them: UK NINO, Spanish DNI and NIE, Italian codice fiscale, Indian PAN, French NIR of
//! Corsica. Each is one word; upper case is how they are issued, lower case needs words that say so.

use crate::europe;
use crate::kinds::Kind;

fn all(text: &[u8], class: fn(&u8) -> bool) -> bool {
    text.iter().all(class)
}

/// What a word can be.
pub const KINDS: [Kind; 5] = [
    Kind::Nino,
    Kind::Dni,
    Kind::Pan,
    Kind::Nir,
    Kind::CodiceFiscale,
];

/// What a word is, and how sure that is.
pub fn score(word: &[u8]) -> Option<(Kind, u8)> {
    match word.len() {
        9 => nino(word).or_else(|| spanish(word)),
        10 => pan(word),
        15 => europe::nir(word).then_some((Kind::Nir, 70)),
        16 => italian(word),
        _ => None,
    }
}

/// Two letters, six digits, A to D (GOV.UK, NIM39110): some letters and pairs were never issued.
fn nino(word: &[u8]) -> Option<(Kind, u8)> {
    let (letters, digits, suffix) = (&word[..2], &word[2..8], word[8]);
    if !all(letters, u8::is_ascii_alphabetic) || !all(digits, u8::is_ascii_digit) {
        return None;
    }
    nino_letters(letters, suffix).then(|| {
        let upper = letters[0].is_ascii_uppercase() && letters[1].is_ascii_uppercase();
        (
            Kind::Nino,
            if upper && suffix.is_ascii_uppercase() {
                65
            } else {
                40
            },
        )
    })
}

/// The letters of a NINO.
pub fn nino_letters(letters: &[u8], suffix: u8) -> bool {
    let pair = [
        letters[0].to_ascii_uppercase(),
        letters[1].to_ascii_uppercase(),
    ];
    const NEVER: [&[u8; 2]; 7] = [b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"];
    pair[0].is_ascii_uppercase()
        && pair[1].is_ascii_uppercase()
        && !b"DFIQUV".contains(&pair[0])
        && !b"DFIQUVO".contains(&pair[1])
        && !NEVER.contains(&&pair)
        && matches!(suffix.to_ascii_uppercase(), b'A'..=b'D')
}

/// DNI: eight digits and a letter; NIE: X, Y or Z, seven digits and a letter (Real Decreto 1553/2005; INT/2058/2008).
fn spanish(word: &[u8]) -> Option<(Kind, u8)> {
    let (body, letter) = (&word[..8], word[8]);
    let foreign = match body[0].to_ascii_uppercase() {
        b'X' => Some(0),
        b'Y' => Some(1),
        b'Z' => Some(2),
        _ => None,
    };
    let digits = if foreign.is_some() { &body[1..] } else { body };
    if !all(digits, u8::is_ascii_digit) || !dni_letter(foreign.unwrap_or(0), digits, letter) {
        return None;
    }
    let upper = letter.is_ascii_uppercase() && !body[0].is_ascii_lowercase();
    Some((
        Kind::Dni,
        match (upper, foreign.is_some()) {
            (true, true) => 70,
            (true, false) => 60,
            _ => 40,
        },
    ))
}

/// The letter that follows the digits of a DNI.
pub fn dni_letter(first: u32, digits: &[u8], letter: u8) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let number = digits
        .iter()
        .fold(first, |n, d| n * 10 + u32::from(d - b'0'));
    number > 0 && LETTERS[(number % 23) as usize] == letter.to_ascii_uppercase()
}

/// Codice fiscale (Decreto ministeriale 23 dicembre 1976): six letters of the name, year, month letter, day and sex, place,
/// check letter. Where two people would get the same number, digits turn into letters (omocodia).
fn italian(word: &[u8]) -> Option<(Kind, u8)> {
    let mut text = [0; 16];
    text.copy_from_slice(word);
    text.make_ascii_uppercase();
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        _ => b"LMNPQRSTUV".iter().position(|l| *l == b).map(|n| n as u8),
    };
    let letters = [0, 1, 2, 3, 4, 5, 8, 11, 15];
    if !letters.iter().all(|i| text[*i].is_ascii_uppercase()) || !b"ABCDEHLMPRST".contains(&text[8])
    {
        return None;
    }
    let day = digit(text[9])? * 10 + digit(text[10])?;
    let rest = [6, 7, 12, 13, 14].iter().all(|i| digit(text[*i]).is_some());
    if !rest || !matches!(day, 1..=31 | 41..=71) {
        return None;
    }
    const ODD: [u8; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let sum: u32 = text[..15]
        .iter()
        .enumerate()
        .map(|(i, b)| {
            let value = if b.is_ascii_digit() {
                b - b'0'
            } else {
                b - b'A'
            };
            u32::from(if i % 2 == 0 {
                ODD[usize::from(value)]
            } else {
                value
            })
        })
        .sum();
    let right = sum % 26 == u32::from(text[15] - b'A');
    right.then_some((Kind::CodiceFiscale, 90))
}

/// PAN (Income Tax Department): five letters, the fourth being the kind of holder, four digits, a letter.
fn pan(word: &[u8]) -> Option<(Kind, u8)> {
    let letter = |i: usize| word[i].is_ascii_alphabetic();
    let fine = (0..5).all(letter)
        && all(&word[5..9], u8::is_ascii_digit)
        && letter(9)
        && b"ABCFGHJLPT".contains(&word[3].to_ascii_uppercase())
        && &word[5..9] != b"0000";
    let upper = word.iter().all(|b| !b.is_ascii_lowercase());
    fine.then_some((Kind::Pan, if upper { 65 } else { 30 }))
}
