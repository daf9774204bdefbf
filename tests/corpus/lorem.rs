//! Running text in six languages, with the numbers, dates and the talk of passwords and telephones that real text has.

use super::Dice;

const WORDS: [&str; 6] = [
    "the of and to in is you that it he was for on are as with his they at be this have from or one had by word but not what all were we when your can said there use an each which she do how their if will up other about out many then them these so some her would make like him into time has look two more write go see number no way could people my than first water been call who oil its now find long down day did get come made may part phone password secret token account address card",
    "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor zur bis mehr durch man sein wurde sei Prozent Karte Telefon Passwort Konto Straße Größe können müssen schön Mädchen heißen",
    "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont avec ou son lui nous comme mais ont tout nos même été aussi leur bien peut ces deux ses elle entre fait carte téléphone compte mot passe être déjà après où très élève français garçon hôtel",
    "de la que el en y a los se del las un por con no una su para es al lo como más o pero sus le ha me si sin sobre este ya entre cuando todo esta ser son dos también fue había era muy años hasta desde está mi porque tarjeta teléfono cuenta clave niño señor corazón día número",
    "di e il la che in a per un del si da una i le con non è sono al come più dei nel alla ha gli ma anche lo suo dalla ci sua o delle questo se essere tra prima quando molto loro stato hanno due poi tutti ogni carta telefono conto parola città perché già così può",
    "i w na z do się nie to że jest o a jak po co tak za od przez przy był być dla ale jego czy tym może już tylko te ich je tego jej który go ma pod także lub są dwa lat bardzo karta telefon konto hasło żółty książka źródło święto ćwiczenie",
];

/// Sentences about secrets and numbers, without any.
const TALK: [&str; 30] = [
    "Your password must be at least 12 characters long and contain 1 digit.",
    "Forgot your password? Request a new one within 24 hours.",
    "The token expires after 3600 seconds; the session after 86400.",
    "Bitte ändern Sie Ihr Passwort: mindestens 8 Zeichen, 2 Ziffern.",
    "Le mot de passe: 8 caractères minimum, dont 1 chiffre.",
    "La contraseña debe tener entre 8 y 64 caracteres.",
    "La password: almeno 10 caratteri, scade ogni 90 giorni.",
    "Hasło: co najmniej 8 znaków, w tym 1 cyfra.",
    "Call 112 in an emergency, or room 4711.",
    "Phone support is open 9-17, Monday to Friday, since 2019.",
    "He was born in 1985 and moved in 2001.",
    "Section 3.2.1.4 of the report covers release 10.0.19041.1.",
    "The secret of success: 99% perspiration, 1% inspiration.",
    "Card 3 of 52 was the ace; the deck was cut 7 times.",
    "Version 2.14.7.1 of the firmware fixes 23 issues.",
    "An API key is required: see the documentation, chapter 4.",
    "password: required, token: optional, secret: see below",
    "access_key: string, secret_key: string (default none)",
    "Meet @anna and @bob at 10:30; bring 2 copies.",
    "The account grew by 12.5 % to 1,234,567.89 EUR in 2024.",
    "Le compte 2023: 1 234 567,89 EUR, +3,4 %.",
    "Den 24.12. um 18:00 Uhr, Saal 3, 120 Plätze.",
    "Scale 1:50000, sheet 42, grid 3-7.",
    "ratio 16:9 and 4:3, frames 24/25/30, 1920x1080",
    "Isaiah 40:31; Psalm 119:105; 1 Cor. 13:4-7",
    "ISBN 978-3-16-148410-0, pp. 123-145, vol. 12, no. 3",
    "Flight LH 400 at 10:15, gate B 42, seat 17A, 11:05 h",
    "authorization: see policy 7; credential: none needed",
    "Der Schlüssel (Nr. 17) liegt unter der Matte.",
    "token ring, password manager, secret garden, credential store",
];

/// So many lines.
pub(super) fn lines(dice: &Dice, count: usize) -> Vec<String> {
    let mut lines = Vec::with_capacity(count);
    while lines.len() < count {
        if dice.below(8) == 0 {
            lines.push(dice.pick(&TALK).to_owned());
            continue;
        }
        let words: Vec<&str> = dice.pick(&WORDS).split(' ').collect();
        let mut line = String::new();
        for place in 0..dice.between(6, 24) {
            if place > 0 {
                line.push_str(dice.pick(&[" ", " ", " ", " ", ", ", "; ", " - "]));
            }
            // A number right behind the word for a telephone would be a telephone number.
            let after = line
                .trim_end_matches([' ', ',', ';', '-'])
                .rsplit(' ')
                .next()
                .unwrap_or_default();
            let telephone = [
                "phone",
                "call",
                "Telefon",
                "téléphone",
                "teléfono",
                "telefono",
                "telefon",
            ]
            .contains(&after);
            match dice.below(12) + 2 * u64::from(telephone) {
                0 => line.push_str(&dice.between(1, 9999).to_string()),
                1 => line.push_str(&format!("{},{:02}", dice.below(1000), dice.below(100))),
                _ => line.push_str(dice.pick(&words)),
            }
        }
        line.push('.');
        lines.push(line);
    }
    lines
}
