//! Machine-readable zones of travel documents (ICAO Doc 9303 parts 4 to 6): lines of 44, 36 or 30 characters. The line with
//! the number is known by its check digits (weights 7 3 1), the line with the names by its form.

use std::ops::Range;

/// A stretch of the zone's alphabet around `at` and what it is: lines that belong together are reported as one.
pub fn around(data: &[u8], at: usize) -> (usize, Option<Range<usize>>) {
    let part = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'<';
    let start = at
        - data[..at]
            .iter()
            .rev()
            .take(45)
            .take_while(|b| part(b))
            .count();
    let end = at + data[at..].iter().take(140).take_while(|b| part(b)).count();
    let length = end - start;
    if !matches!(length, 30 | 36 | 44) {
        return (end, None);
    }
    let line = &data[start..end];
    let next = below(data, end, length);
    let found = match (
        names(line),
        next.clone()
            .and_then(|n| checked(&data[n.clone()]).then_some(n)),
    ) {
        (true, Some(next)) => Some(start..next.end),
        (true, None) if length != 30 => Some(start..end),
        _ if checked(line) => Some(start..end),
        _ => three_lines(data, start, end),
    };
    let scan = found.as_ref().map_or(end, |f| f.end);
    (scan, found)
}

/// TD1: the number in the first line, the dates in the second, the names in the third.
fn three_lines(data: &[u8], start: usize, end: usize) -> Option<Range<usize>> {
    let first = data.get(start..end)?;
    let right = first.len() == 30 && check(&first[5..14]) == first[14];
    let second = below(data, end, 30)?;
    let line = &data[second.clone()];
    let dates = check(&line[..6]) == line[6] && check(&line[8..14]) == line[14];
    if !(right && dates) {
        return None;
    }
    let third = below(data, second.end, 30);
    Some(start..third.map_or(second.end, |t| t.end))
}

/// The next line of this length: behind a line feed, an escaped one, a blank.
fn below(data: &[u8], end: usize, length: usize) -> Option<Range<usize>> {
    let gap = [b"\r\n".as_slice(), b"\\r\\n", b"\n", b"\\n", b" ", b"|"]
        .into_iter()
        .find(|gap| data[end..].starts_with(gap))?
        .len();
    let range = end + gap..end + gap + length;
    let part = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'<';
    let line = data.get(range.clone())?;
    let goes_on = data.get(range.end).is_some_and(part);
    (line.iter().all(part) && !goes_on).then_some(range)
}

/// `P<UTOERIKSSON<<ANNA<MARIA<<<…`: kind, issuer, names, filler.
fn names(line: &[u8]) -> bool {
    let kind = matches!(line[0], b'P' | b'I' | b'A' | b'C' | b'V')
        && (line[1] == b'<' || line[1].is_ascii_uppercase());
    let issuer = line[2..5]
        .iter()
        .all(|b| b.is_ascii_uppercase() || *b == b'<')
        && line[2] != b'<';
    let letters = line[5..]
        .iter()
        .all(|b| b.is_ascii_uppercase() || *b == b'<');
    kind && issuer && letters && line[5] != b'<' && line.windows(2).any(|w| w == b"<<")
}

/// Number, day of birth and day of expiry, each with its check digit (TD3, TD2 and visas).
fn checked(line: &[u8]) -> bool {
    matches!(line.len(), 36 | 44)
        && check(&line[..9]) == line[9]
        && check(&line[13..19]) == line[19]
        && check(&line[21..27]) == line[27]
        && line[13..19].iter().all(u8::is_ascii_digit)
        && matches!(line[20], b'M' | b'F' | b'X' | b'<')
}

/// The check digit of a field.
pub fn check(field: &[u8]) -> u8 {
    let sum: u32 = field
        .iter()
        .zip([7, 3, 1].into_iter().cycle())
        .map(|(b, weight)| {
            let value = match b {
                b'0'..=b'9' => b - b'0',
                b'A'..=b'Z' => b - b'A' + 10,
                _ => 0,
            };
            u32::from(value) * weight
        })
        .sum();
    b'0' + (sum % 10) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specimens_of_doc_9303_are_found() {
        let names = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<";
        let number = "L898902C36UTO7408122F1204159ZE184226B<<<<<10";
        let text = format!("mrz: {names}\n{number} end");
        let (end, found) = around(text.as_bytes(), text.find("<<").unwrap());
        assert_eq!(found, Some(5..5 + 89));
        assert_eq!(end, 94);
        assert!(checked(number.as_bytes()));
        assert!(!checked(number.replace("7408122", "7408123").as_bytes()));
        let card = "I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<";
        assert_eq!(
            around(card.as_bytes(), card.find("<<").unwrap()).1,
            Some(0..92)
        );
    }
}
