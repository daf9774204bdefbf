//! National numbers of Europe.

use super::digits::{grouped, remainder, spoilt, sum, with_mod11_10};
use super::world::{bare, miss, told};
use super::{Corpus, Dice};

const EACH: usize = 300;

pub(super) fn fill(corpus: &mut Corpus) {
    let dice = Dice::new(2);
    for _ in 0..EACH {
        british(corpus, &dice);
        german(corpus, &dice);
        french(corpus, &dice);
        spanish(corpus, &dice);
        italian(corpus, &dice);
        dutch_and_polish(corpus, &dice);
    }
}

fn british(corpus: &mut Corpus, dice: &Dice) {
    let pair = dice.pick(&["AB", "CE", "JW", "PA", "SX", "YZ"]);
    let (digits, suffix) = (dice.digits(6), dice.pick(&["A", "B", "C", "D"]));
    let shown = match dice.below(3) {
        0 => format!("{pair} {} {suffix}", grouped(&digits, &[2, 2, 2], " ")),
        _ => format!("{pair}{digits}{suffix}"),
    };
    bare(corpus, dice, "NINO", "NINO", &shown);
    let never = dice.pick(&["BG", "GB", "NK", "ZZ", "DA", "QQ"]);
    miss(corpus, dice, "NINO", &format!("{never}{digits}{suffix}"));
    miss(corpus, dice, "NINO", &format!("{pair}{digits}E"));

    let number = loop {
        let body = dice.digits(9);
        let check = (11 - sum(&body, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 11;
        if check < 10 {
            break format!("{body}{check}");
        }
    };
    let shown = if dice.below(2) == 0 {
        number.clone()
    } else {
        grouped(&number, &[3, 3, 4], " ")
    };
    told(
        corpus,
        dice,
        "NHS",
        &["nhs_number", "NHS"],
        &["NHS number", "nhs_no"],
        &shown,
    );
    miss(corpus, dice, "NHS", &format!("nhs {}", spoilt(&number)));
}

fn german(corpus: &mut Corpus, dice: &Dice) {
    // One digit twice, nine different ones once or not at all.
    let mut pool: Vec<char> = "0123456789".chars().collect();
    for at in (1..pool.len()).rev() {
        pool.swap(at, dice.below(at as u64 + 1) as usize);
    }
    let twice = pool[0];
    let mut body: Vec<char> = pool[..9].to_vec();
    body.insert(dice.between(1, 9) as usize, twice);
    if body[0] == '0' {
        body.swap(0, 9);
    }
    if body[0] == '0' {
        body.swap(0, 4);
    }
    let number = with_mod11_10(&body.into_iter().collect::<String>());
    if dice.below(2) == 0 {
        let shown = grouped(&number, &[2, 3, 3, 3], " ");
        bare(corpus, dice, "DE_TAX_ID", "grouped", &shown);
    } else {
        told(
            corpus,
            dice,
            "DE_TAX_ID",
            &["steuer_id", "tax_id", "idnr"],
            &["Steuer-ID", "IdNr", "Steueridentifikationsnummer"],
            &number,
        );
    }
    miss(
        corpus,
        dice,
        "DE_TAX_ID",
        &format!("Steuer-ID {}", spoilt(&number)),
    );
}

fn french(corpus: &mut Corpus, dice: &Dice) {
    let department = match dice.below(8) {
        0 => "2A".to_owned(),
        1 => "2B".to_owned(),
        _ => format!("{:02}", dice.between(1, 95)),
    };
    let body = format!(
        "{}{:02}{:02}{department}{:03}{:03}",
        dice.between(1, 2),
        dice.below(100),
        dice.between(1, 12),
        dice.between(1, 990),
        dice.between(1, 999)
    );
    let plain = body.replace("2A", "19").replace("2B", "18");
    let number = format!("{body}{:02}", 97 - remainder(&plain, 97));
    let shown = if dice.below(2) == 0 {
        number.clone()
    } else {
        grouped(&number, &[1, 2, 2, 2, 3, 3, 2], " ")
    };
    bare(corpus, dice, "NIR", "NIR", &shown);
    miss(corpus, dice, "NIR", &spoilt(&number));
    miss(corpus, dice, "NIR", &format!("3{}", &number[1..]));
}

fn spanish(corpus: &mut Corpus, dice: &Dice) {
    let letters = "TRWAGMYFPDXBNJZSQVHLCKE";
    let digits = dice.digits(7);
    let (value, text) = match dice.below(4) {
        0 => (format!("0{digits}"), format!("X{digits}")),
        1 => (format!("1{digits}"), format!("Y{digits}")),
        _ => {
            let first = dice.between(1, 9);
            (format!("{first}{digits}"), format!("{first}{digits}"))
        }
    };
    let at = remainder(&value, 23) as usize;
    let letter = &letters[at..=at];
    let dash = if text.starts_with(|c: char| c.is_ascii_digit()) {
        dice.pick(&["", "-"])
    } else {
        ""
    };
    let shown = format!("{text}{dash}{letter}");
    bare(corpus, dice, "DNI", "DNI or NIE", &shown);
    let other = (at + 1) % 23;
    miss(
        corpus,
        dice,
        "DNI",
        &format!("{text}{}", &letters[other..=other]),
    );
}

fn italian(corpus: &mut Corpus, dice: &Dice) {
    let consonants = "BCDFGLMNPRSTVZ";
    let day = dice.between(1, 28) + 40 * dice.below(2);
    let body = format!(
        "{}{}{:02}{}{day:02}{}{:03}",
        dice.text(consonants, 3),
        dice.text(consonants, 3),
        dice.below(100),
        dice.text("ABCDEHLMPRST", 1),
        dice.text("ABCDEFGHIL", 1),
        dice.between(1, 999)
    );
    let odd = |c: char| -> usize {
        let table = "BAFHJNPRTVBAFHJNPRTVCESULDGIMOQKWZYX";
        // Digits first, then letters; values are places in the alphabet of odd places.
        let at = if c.is_ascii_digit() {
            c as usize - 48
        } else {
            c as usize - 55
        };
        table.as_bytes()[at] as usize - 65
    };
    let even = |c: char| {
        if c.is_ascii_digit() {
            c as usize - 48
        } else {
            c as usize - 65
        }
    };
    let total: usize = body
        .chars()
        .enumerate()
        .map(|(i, c)| if i % 2 == 0 { odd(c) } else { even(c) })
        .sum();
    let check = (b'A' + (total % 26) as u8) as char;
    let shown = format!("{body}{check}");
    bare(corpus, dice, "CODICE_FISCALE", "codice fiscale", &shown);
    let wrong = (b'A' + ((total + 1) % 26) as u8) as char;
    miss(corpus, dice, "CODICE_FISCALE", &format!("{body}{wrong}"));
}

fn dutch_and_polish(corpus: &mut Corpus, dice: &Dice) {
    let number = loop {
        let body = format!("{}{}", dice.between(1, 9), dice.digits(7));
        let check = sum(&body, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
        if check < 10 {
            break format!("{body}{check}");
        }
    };
    told(
        corpus,
        dice,
        "BSN",
        &["bsn", "BSN_nr"],
        &["BSN", "burgerservicenummer"],
        &number,
    );
    miss(corpus, dice, "BSN", &format!("BSN {}", spoilt(&number)));
    let (month, day) = (dice.between(1, 12), dice.between(1, 28));
    let century = 20 * dice.below(2);
    let body = format!(
        "{:02}{:02}{day:02}{}",
        dice.below(100),
        month + century,
        dice.digits(4)
    );
    let check = (10 - sum(&body, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10) % 10;
    let number = format!("{body}{check}");
    told(
        corpus,
        dice,
        "PESEL",
        &["pesel", "nr_pesel"],
        &["PESEL", "numer PESEL"],
        &number,
    );
    miss(corpus, dice, "PESEL", &format!("PESEL {}", spoilt(&number)));
}
