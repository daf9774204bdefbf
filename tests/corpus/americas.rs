//! National numbers of the United States, Brazil and India.

use super::digits::{grouped, spoilt, sum, with_verhoeff};
use super::world::{bare, miss, told};
use super::{Corpus, Dice};

const EACH: usize = 300;

pub(super) fn fill(corpus: &mut Corpus) {
    let dice = Dice::new(3);
    for _ in 0..EACH {
        american(corpus, &dice);
        brazilian(corpus, &dice);
        indian(corpus, &dice);
    }
}

fn american(corpus: &mut Corpus, dice: &Dice) {
    let area = match dice.between(1, 899) {
        666 => 667,
        other => other,
    };
    let number = format!(
        "{area:03}{:02}{:04}",
        dice.between(1, 99),
        dice.between(1, 9999)
    );
    if dice.below(2) == 0 {
        let shown = grouped(&number, &[3, 2, 4], "-");
        bare(corpus, dice, "SSN", "dashed", &shown);
    } else {
        told(
            corpus,
            dice,
            "SSN",
            &["ssn", "social_security_number", "taxId"],
            &["SSN", "social security"],
            &number,
        );
    }
    let near = dice.pick(&["000", "666", "900"]);
    miss(
        corpus,
        dice,
        "SSN",
        &format!(
            "{near}-{:02}-{:04}",
            dice.between(1, 49),
            dice.between(1, 9999)
        ),
    );
    miss(corpus, dice, "SSN", &format!("{area:03}-00-1234"));
    miss(corpus, dice, "SSN", &dice.digits(9));
    let group = dice.pick(&["50", "65", "70", "88", "90", "92", "94", "99"]);
    let number = format!("9{:02}{group}{:04}", dice.below(100), dice.between(1, 9999));
    if dice.below(2) == 0 {
        let shown = grouped(&number, &[3, 2, 4], "-");
        bare(corpus, dice, "ITIN", "dashed", &shown);
    } else {
        told(
            corpus,
            dice,
            "ITIN",
            &["itin", "taxpayer_id"],
            &["ITIN", "taxpayer number"],
            &number,
        );
    }
    miss(
        corpus,
        dice,
        "ITIN",
        &format!(
            "9{:02}-{}-{:04}",
            dice.below(100),
            dice.pick(&["66", "69", "89", "93"]),
            dice.between(1, 9999)
        ),
    );
}

fn brazilian(corpus: &mut Corpus, dice: &Dice) {
    let digit = |text: &str, weights: &[u64]| match sum(text, weights) % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    };
    let body = dice.digits(9);
    let one = format!("{body}{}", digit(&body, &[10, 9, 8, 7, 6, 5, 4, 3, 2]));
    let cpf = format!("{one}{}", digit(&one, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]));
    if dice.below(2) == 0 {
        let shown = format!("{}-{}", grouped(&cpf, &[3, 3, 3], "."), &cpf[9..]);
        bare(corpus, dice, "CPF", "dotted", &shown);
    } else {
        told(
            corpus,
            dice,
            "CPF",
            &["cpf", "nr_cpf"],
            &["CPF", "cpf"],
            &cpf,
        );
    }
    let wrong = spoilt(&cpf);
    miss(
        corpus,
        dice,
        "CPF",
        &format!("{}-{}", grouped(&wrong, &[3, 3, 3], "."), &wrong[9..]),
    );

    let letters = dice.below(3) == 0;
    let body = if letters {
        dice.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 12)
    } else {
        format!("{}0001", dice.digits(8))
    };
    let weights = [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2];
    let one = format!("{body}{}", digit(&body, &weights[1..]));
    let cnpj = format!("{one}{}", digit(&one, &weights));
    let shown = format!(
        "{}.{}.{}/{}-{}",
        &cnpj[..2],
        &cnpj[2..5],
        &cnpj[5..8],
        &cnpj[8..12],
        &cnpj[12..]
    );
    bare(
        corpus,
        dice,
        "CNPJ",
        if letters { "with letters" } else { "digits" },
        &shown,
    );
    miss(corpus, dice, "CNPJ", &spoilt(&shown));
}

fn indian(corpus: &mut Corpus, dice: &Dice) {
    let number = with_verhoeff(&format!("{}{}", dice.between(2, 9), dice.digits(10)));
    let shown = if dice.below(2) == 0 {
        grouped(&number, &[4, 4, 4], " ")
    } else {
        number.clone()
    };
    told(
        corpus,
        dice,
        "AADHAAR",
        &["aadhaar_no", "aadhaar"],
        &["Aadhaar", "UID"],
        &shown,
    );
    miss(
        corpus,
        dice,
        "AADHAAR",
        &format!("Aadhaar {}", spoilt(&number)),
    );
    let holder = dice.pick(&["P", "C", "H", "F", "T"]);
    let pan = format!(
        "{}{holder}{}{:04}{}",
        dice.text("ABCDEFGHIJ", 3),
        dice.text("KLMNOPQRST", 1),
        dice.between(1, 9999),
        dice.text("ABCDEFGHIJ", 1)
    );
    bare(corpus, dice, "IN_PAN", "PAN", &pan);
    miss(
        corpus,
        dice,
        "IN_PAN",
        &format!("{}Z{}", &pan[..3], &pan[4..]),
    );
    miss(corpus, dice, "IN_PAN", &pan[..9]);
}
