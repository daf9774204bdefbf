//! What is the same everywhere: mail, cards, accounts, telephones, addresses of machines, birthdays, passports, coins.

use super::digits::{grouped, iban, spoilt, with_luhn};
use super::{Case, Corpus, Dice, seat};

const EACH: usize = 400;

fn case(entity: &'static str, kind: &str, column: &str, text: String, value: &str) -> Case {
    Case {
        entity,
        kind: kind.to_owned(),
        column: column.to_owned(),
        text,
        value: value.to_owned(),
    }
}

/// A value in a cell of a column that says nothing.
pub(super) fn bare(
    corpus: &mut Corpus,
    dice: &Dice,
    entity: &'static str,
    kind: &str,
    value: &str,
) {
    let column = dice.pick(&["note", "c1", "payload", "value", "description"]);
    let text = seat(dice, value);
    corpus
        .positives
        .push(case(entity, kind, column, text, value));
}

/// A value that needs its column's name, or a word before it.
pub(super) fn told(
    corpus: &mut Corpus,
    dice: &Dice,
    entity: &'static str,
    names: &[&str],
    words: &[&str],
    value: &str,
) {
    if dice.below(2) == 0 {
        let column = dice.pick(names);
        corpus
            .positives
            .push(case(entity, "column", column, value.to_owned(), value));
    } else {
        let word = dice.pick(words);
        let text = match dice.below(3) {
            0 => format!("{word}: {value}"),
            1 => format!("customer gave {word} {value}, checked"),
            _ => format!("{{\"{word}\": \"{value}\"}}"),
        };
        corpus
            .positives
            .push(case(entity, "word", "note", text, value));
    }
}

/// Something that must be left alone.
pub(super) fn miss(corpus: &mut Corpus, dice: &Dice, entity: &'static str, text: &str) {
    let text = seat(dice, text);
    corpus.misses.push(case(entity, "miss", "note", text, ""));
}

pub(super) fn fill(corpus: &mut Corpus) {
    let dice = Dice::new(1);
    for _ in 0..EACH {
        mail(corpus, &dice);
        cards(corpus, &dice);
        accounts(corpus, &dice);
        phones(corpus, &dice);
        machines(corpus, &dice);
        birthdays(corpus, &dice);
        passports(corpus, &dice);
        coins(corpus, &dice);
    }
}

fn mail(corpus: &mut Corpus, dice: &Dice) {
    let local = match dice.below(5) {
        0 => format!("{}.{}", dice.text("abcdefgh", 5), dice.text("ijklmnop", 6)),
        1 => format!("{}+{}", dice.text("abcxyz", 4), dice.digits(3)),
        2 => "jürgen".to_owned(),
        3 => format!("{}_{}", dice.text("ABCDEFabcdef", 3), dice.digits(2)),
        _ => dice
            .text("abcdefghijklmnopqrstuvwxyz0123456789", 8)
            .replace(|c: char| c.is_ascii_digit(), "q"),
    };
    let host = dice.pick(&[
        "example.com",
        "mail.example.co.uk",
        "müller.de",
        "sub-domain.example.org",
        "corp.example.travel",
        "example.io",
        "xn--bcher-kva.example",
    ]);
    bare(corpus, dice, "EMAIL", "address", &format!("{local}@{host}"));
    let near = dice.pick(&[
        "user@host",
        "@example.com",
        "a@b",
        "icon@2x.png",
        "x = a @ b",
        "git@github.com:org/repo.git",
        "pkg@1.2.3",
        "@decorator.name",
        "w@x.T",
        "foo@bar.method()",
        "user@@example",
        "unit@.service",
    ]);
    miss(corpus, dice, "EMAIL", near);
}

fn cards(corpus: &mut Corpus, dice: &Dice) {
    let (lead, length) = [
        ("4", 16),
        ("51", 16),
        ("55", 16),
        ("2221", 16),
        ("2720", 16),
        ("34", 15),
        ("37", 15),
        ("6011", 16),
        ("65", 16),
        ("3528", 16),
        ("62", 16),
        ("6759", 16),
    ][dice.below(12) as usize];
    let number = with_luhn(&format!("{lead}{}", dice.digits(length - 1 - lead.len())));
    let by = dice.pick(&["", " ", "-"]);
    let shown = match length {
        15 => grouped(&number, &[4, 6, 5], by),
        _ => grouped(&number, &[4, 4, 4, 4], by),
    };
    bare(corpus, dice, "CARD", "16 or 15 digits", &shown);
    let rare = with_luhn(&format!("30{}{}", dice.below(6), dice.digits(10)));
    told(
        corpus,
        dice,
        "CARD",
        &["card_number", "creditCard"],
        &["card", "credit card"],
        &rare,
    );
    miss(corpus, dice, "CARD", &spoilt(&shown));
    let no_scheme = with_luhn(&format!("9{}", dice.digits(14)));
    miss(corpus, dice, "CARD", &no_scheme);
    miss(corpus, dice, "CARD", &format!("0.{number}"));
    miss(corpus, dice, "CARD", &format!("ref_{number}"));
}

fn accounts(corpus: &mut Corpus, dice: &Dice) {
    let (country, form) = [
        ("DE", "nnnnnnnnnnnnnnnnnn"),
        ("GB", "aaaannnnnnnnnnnnnn"),
        ("FR", "nnnnnnnnnnccccccccccccc"),
        ("NL", "aaaannnnnnnnnn"),
        ("NO", "nnnnnnnnnnn"),
        ("MT", "aaaannnnncccccccccccccccccc"),
        ("ES", "nnnnnnnnnnnnnnnnnnnn"),
        ("CH", "nnnnncccccccccccc"),
        ("PL", "nnnnnnnnnnnnnnnnnnnnnnnn"),
        ("BR", "nnnnnnnnnnnnnnnnnnnnnnnac"),
    ][dice.below(10) as usize];
    let account: String = form
        .chars()
        .map(|c| match c {
            'n' => dice.digits(1),
            'a' => dice.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 1),
            _ => dice.text("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789", 1),
        })
        .collect();
    let account = if form.ends_with("nac") {
        format!("{}C1", &account[..23])
    } else {
        account
    };
    let number = iban(country, &account);
    let shown = if dice.below(2) == 0 {
        number.clone()
    } else {
        let groups: Vec<&str> = number
            .as_bytes()
            .chunks(4)
            .filter_map(|c| std::str::from_utf8(c).ok())
            .collect();
        groups.join(" ")
    };
    bare(corpus, dice, "IBAN", country, &shown);
    let wrong = format!(
        "{country}{:02}{account}",
        (number[2..4].parse::<u64>().unwrap_or(0) + 1) % 97 + 2
    );
    miss(corpus, dice, "IBAN", &wrong);
    miss(corpus, dice, "IBAN", &format!("{number}7"));
}

fn phones(corpus: &mut Corpus, dice: &Dice) {
    let area = dice.between(201, 989);
    let area = if area % 100 == 11 { 212 } else { area };
    let american = format!("{area}{}{}", dice.between(200, 999), dice.digits(4));
    let shown = match dice.below(7) {
        0 => format!("+1{american}"),
        1 => format!(
            "({}) {}-{}",
            &american[..3],
            &american[3..6],
            &american[6..]
        ),
        2 => grouped(&american, &[3, 3, 4], "-"),
        3 => format!("+1 {}", grouped(&american, &[3, 3, 4], " ")),
        4 => format!(
            "+49 {} {}",
            dice.between(30, 9999),
            dice.between(100_000, 9_999_999)
        ),
        5 => format!(
            "+44 (0)20 {} {}",
            dice.between(7000, 7999),
            dice.between(1000, 9999)
        ),
        _ => format!(
            "+33 6 {}",
            grouped(
                &format!("{}{}", dice.between(10, 99), dice.digits(6)),
                &[2, 2, 2, 2],
                " "
            )
        ),
    };
    bare(corpus, dice, "PHONE", "international or American", &shown);
    national(corpus, dice);
}

fn national(corpus: &mut Corpus, dice: &Dice) {
    let national = match dice.below(4) {
        0 => format!("030 {}", dice.between(100_000, 9_999_999)),
        1 => format!("020 7946 {:04}", dice.below(1000)),
        2 => format!(
            "06 {}",
            grouped(
                &format!("{}{}", dice.between(10, 99), dice.digits(6)),
                &[2, 2, 2, 2],
                " "
            )
        ),
        _ => format!(
            "0{}/{}",
            dice.between(151, 179),
            dice.between(1_000_000, 9_999_999)
        ),
    };
    told(
        corpus,
        dice,
        "PHONE",
        &["phone", "mobile_number", "homeTel", "fax", "Telefon"],
        &["phone", "mobile", "Tel", "fax", "whatsapp"],
        &national,
    );
    let near = [
        dice.digits(10),
        format!("{}", dice.between(1, 9_999_999)),
        format!("+0{}", dice.digits(9)),
        format!("{}.{}.{}", dice.below(9), dice.below(99), dice.below(99)),
        format!("+{}", dice.below(9999)),
        format!(
            "{}-{:02}-{:02}",
            dice.between(1990, 2030),
            dice.between(1, 12),
            dice.between(1, 28)
        ),
        format!(
            "{:03}-{:03}-{:04}",
            dice.below(200),
            dice.below(1000),
            dice.below(10_000)
        ),
    ];
    let at = dice.below(near.len() as u64) as usize;
    miss(corpus, dice, "PHONE", &near[at]);
}

fn machines(corpus: &mut Corpus, dice: &Dice) {
    let octets = [
        dice.between(1, 223),
        dice.below(256),
        dice.below(256),
        dice.below(256),
    ];
    let octets = if octets[0] == 127 {
        [10, 0, 0, 7]
    } else {
        octets
    };
    let v4 = octets.map(|o| o.to_string()).join(".");
    let hextet = |dice: &Dice| format!("{:x}", dice.between(1, 0xffff));
    let v6 = match dice.below(3) {
        0 => {
            let rest: Vec<String> = (0..7).map(|_| hextet(dice)).collect();
            format!("2001:{}", rest.join(":"))
        }
        1 => format!("2001:db8::{}", hextet(dice)),
        _ => format!(
            "fe80::{}:{}:{}:{}",
            hextet(dice),
            hextet(dice),
            hextet(dice),
            hextet(dice)
        ),
    };
    bare(corpus, dice, "IP", "IPv4", &v4);
    bare(corpus, dice, "IP", "IPv6", &v6);
    let near = [
        "127.0.0.1",
        "0.0.0.0",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.2.3",
        "version 1.2.3.4",
        "::1",
        "std::fmt::Write",
        "a::b",
        "12:34:56",
        "v1.2.3.4",
        "1.3.6.1.4.1.311",
        "255.255.255.0",
        "release 10.0.19041.1",
    ];
    let text = dice.pick(&near);
    miss(corpus, dice, "IP", text);
    let by = dice.pick(&[":", "-"]);
    let pairs: Vec<String> = (0..6).map(|_| format!("{:02x}", dice.below(256))).collect();
    let mac = pairs.join(by);
    let mac = if dice.below(2) == 0 {
        mac.to_uppercase()
    } else {
        mac
    };
    bare(corpus, dice, "MAC", "six pairs", &mac);
    let print: Vec<String> = (0..16)
        .map(|_| format!("{:02x}", dice.below(256)))
        .collect();
    miss(corpus, dice, "MAC", &print.join(":"));
    miss(corpus, dice, "MAC", &pairs[..5].join(by));
    miss(corpus, dice, "MAC", "00:00:00:00:00:00");
}

fn birthdays(corpus: &mut Corpus, dice: &Dice) {
    let (y, m, d) = (
        dice.between(1930, 2015),
        dice.between(1, 12),
        dice.between(1, 28),
    );
    let month = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ][m as usize - 1];
    let shown = match dice.below(6) {
        0 => format!("{y}-{m:02}-{d:02}"),
        1 => format!("{d:02}.{m:02}.{y}"),
        2 => format!("{m}/{d}/{y}"),
        3 => format!("{d} {month} {y}"),
        4 => format!("{month} {d}, {y}"),
        _ => format!("{y}{m:02}{d:02}"),
    };
    told(
        corpus,
        dice,
        "BIRTHDATE",
        &[
            "dob",
            "birth_date",
            "date_of_birth",
            "dateOfBirth",
            "Geburtsdatum",
            "fecha_nacimiento",
            "naissance",
        ],
        &["born", "DOB", "date of birth", "geboren am", "birthday"],
        &shown,
    );
    miss(corpus, dice, "BIRTHDATE", &shown);
    miss(corpus, dice, "BIRTHDATE", &format!("created {shown}"));
}

fn passports(corpus: &mut Corpus, dice: &Dice) {
    let check = |field: &str| {
        let sum: u32 = field
            .chars()
            .zip([7, 3, 1].iter().cycle())
            .map(|(c, w)| c.to_digit(36).unwrap_or(0) * w)
            .sum();
        sum % 10
    };
    let name = format!(
        "{}<<{}",
        dice.text("ABCDEFGHIJKLMNOP", 8),
        dice.text("QRSTUVWXYZABC", 5)
    );
    let first = format!("{:<44}", format!("P<UTO{name}")).replace(' ', "<");
    let number = format!("{}{}", dice.text("CFGHJKLMNPRTVWXYZ", 2), dice.digits(7));
    let birth = format!(
        "{:02}{:02}{:02}",
        dice.below(100),
        dice.between(1, 12),
        dice.between(1, 28)
    );
    let expiry = format!(
        "{:02}{:02}{:02}",
        dice.between(26, 36),
        dice.between(1, 12),
        dice.between(1, 28)
    );
    let sex = dice.pick(&["M", "F", "<"]);
    let body = format!(
        "{number}{}UTO{birth}{}{sex}{expiry}{}<<<<<<<<<<<<<<0",
        check(&number),
        check(&birth),
        check(&expiry)
    );
    let all = format!(
        "{number}{}{birth}{}{expiry}{}<<<<<<<<<<<<<<0",
        check(&number),
        check(&birth),
        check(&expiry)
    );
    let second = format!("{body}{}", check(&all));
    let zone = match dice.below(3) {
        0 => second.clone(),
        1 => format!("{first}\n{second}"),
        _ => format!("{first}\\n{second}"),
    };
    bare(corpus, dice, "PASSPORT", "TD3", &zone);
    let mut wrong = second.into_bytes();
    wrong[9] = b'0' + (wrong[9] - b'0' + 1) % 10;
    miss(
        corpus,
        dice,
        "PASSPORT",
        &String::from_utf8(wrong).unwrap_or_default(),
    );
    miss(corpus, dice, "PASSPORT", "std::cout << \"A<<B\" << x << 3;");
}

/// Published by BIP 173, BIP 350, EIP-55 and the Bitcoin wiki.
const COINS: [&str; 16] = [
    "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
    "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
    "1BoatSLRHtKNngkdXEeobR76b53LETtpyT",
    "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
    "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
    "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3",
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
];

fn coins(corpus: &mut Corpus, dice: &Dice) {
    let address = dice.pick(&COINS);
    // The last two have no small letter, and so no checksum: they need words.
    match COINS.iter().position(|c| *c == address) {
        Some(14 | 15) => told(
            corpus,
            dice,
            "CRYPTO",
            &["wallet", "eth_address"],
            &["wallet", "ethereum"],
            address,
        ),
        _ => bare(corpus, dice, "CRYPTO", "checksummed", address),
    }
    let mut wrong: Vec<char> = address.chars().collect();
    let last = wrong.len() - 3;
    wrong[last] = if wrong[last] == '9' { '8' } else { '9' };
    miss(
        corpus,
        dice,
        "CRYPTO",
        &wrong.into_iter().collect::<String>(),
    );
    let hash = dice.text("0123456789abcdef", 40);
    miss(corpus, dice, "CRYPTO", &format!("0x{hash}"));
    let base58 = dice.text(
        "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
        33,
    );
    miss(corpus, dice, "CRYPTO", &format!("1{base58}"));
}
