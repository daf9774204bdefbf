//! The entities: their rule in the manifest, how sure one must be, and the words that make surer. The table in
//! `plugins/README.md` says the same for people.

use portcullis_sdk::Rule;

/// How sure it must be before anything is reported, unless the configuration says otherwise.
pub const THRESHOLD: u8 = 60;
/// What a telling column name adds.
pub const COLUMN: u8 = 50;
/// What a telling word nearby adds.
pub const RAISES: u8 = 40;
/// What a word nearby that tells of something else takes away.
pub const LOWERS: u8 = 30;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $entity:literal, $raise:expr, $lower:expr;)*) => {
        /// What can be found.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Kind {
            $($(#[$doc])* $name = $id,)*
        }

        /// All of them, in order of their number.
        pub const ALL: &[Kind] = &[$(Kind::$name,)*];

        impl Kind {
            /// The entity that policies name.
            pub const fn entity(self) -> &'static str {
                match self { $(Kind::$name => $entity,)* }
            }

            /// Words that make surer. Lower case; a word of up to four letters must stand alone.
            pub const fn raising(self) -> &'static [&'static str] {
                match self { $(Kind::$name => $raise,)* }
            }

            /// Words that make less sure. Never taken from column names: whoever asks chooses those.
            pub const fn lowering(self) -> &'static [&'static str] {
                match self { $(Kind::$name => $lower,)* }
            }
        }
    };
}

const ID_WORDS: &[&str] = &[
    "version", "release", "build", "sha", "commit", "revision", "isbn",
];

kinds! {
    /// RFC 5321.
    Email = 1, "EMAIL", &["email", "mail"], &[];
    /// ISO/IEC 7812.
    Card = 2, "CARD", &["card", "credit", "debit", "visa", "mastercard", "amex", "maestro", "pan", "ccn", "karte",
        "kreditkarte", "carte", "tarjeta", "carta", "cartao"], &[];
    /// ISO 13616.
    Iban = 3, "IBAN", &["iban", "account", "konto"], &[];
    /// US social security number.
    Ssn = 4, "SSN", &["ssn", "social security", "social_security", "socialsecurity", "tax_id", "taxid", "tin"], ID_WORDS;
    /// E.164 and national.
    Phone = 5, "PHONE", &["phone", "mobile", "telephone", "telefon", "teléfono", "telefono", "téléphone", "fax", "cell",
        "tel", "call", "whatsapp", "sms", "handy", "portable", "móvil", "celular", "msisdn", "rufnummer"], ID_WORDS;
    /// IPv4 and IPv6.
    Ip = 6, "IP", &["ip", "addr", "address", "host", "remote_addr", "client_ip", "ipv4", "ipv6", "server"],
        &["version", "release", "build", "oid", "section", "chapter", "firmware", "upgrade"];
    /// US individual taxpayer number.
    Itin = 7, "ITIN", &["itin", "taxpayer", "tax_id", "taxid", "tin"], ID_WORDS;
    /// UK national insurance number.
    Nino = 8, "NINO", &["nino", "national insurance", "national_insurance", "ni number", "ni_number"], &[];
    /// UK national health service number.
    Nhs = 9, "NHS", &["nhs", "patient", "health service"], ID_WORDS;
    /// German tax id.
    DeTax = 10, "DE_TAX_ID", &["steuer", "steuer-id", "steueridentifikationsnummer", "steuernummer", "idnr", "tax_id",
        "taxid", "tax id", "tin", "identifikationsnummer", "steuer_id", "steuerid"], &[];
    /// French social security number.
    Nir = 11, "NIR", &["nir", "insee", "sécurité sociale", "securite sociale", "securite_sociale", "numéro de sécu",
        "num_secu", "secu"], &[];
    /// Spanish DNI and NIE.
    Dni = 12, "DNI", &["dni", "nie", "nif", "documento", "identidad"], &[];
    /// Italian tax code.
    CodiceFiscale = 13, "CODICE_FISCALE", &["codice fiscale", "codice_fiscale", "codicefiscale", "cf"], &[];
    /// Dutch citizen service number.
    Bsn = 14, "BSN", &["bsn", "burgerservicenummer", "sofinummer", "sofi"], &[];
    /// Polish PESEL.
    Pesel = 15, "PESEL", &["pesel"], &[];
    /// Brazilian CPF.
    Cpf = 16, "CPF", &["cpf", "contribuinte"], &[];
    /// Brazilian CNPJ.
    Cnpj = 17, "CNPJ", &["cnpj"], &[];
    /// Indian Aadhaar.
    Aadhaar = 18, "AADHAAR", &["aadhaar", "aadhar", "uidai", "uid"], &[];
    /// Indian PAN.
    Pan = 19, "IN_PAN", &["pan", "permanent account", "income tax"], &[];
    /// IEEE 802.
    Mac = 20, "MAC", &["mac", "hwaddr", "ether", "bssid", "mac_address"], &[];
    /// A day that words call a birthday.
    Birthdate = 21, "BIRTHDATE", &["dob", "birth", "birthday", "birthdate", "date_of_birth", "dateofbirth", "born",
        "geburt", "geburtsdatum", "geboren", "naissance", "né le", "née le", "nacimiento", "nascita", "nascimento",
        "geboorte", "geboortedatum", "urodzenia", "fecha_nac", "bday"], &[];
    /// ICAO Doc 9303.
    Passport = 22, "PASSPORT", &["passport", "mrz", "pasaporte", "reisepass", "passeport"], &[];
    /// Bitcoin and kin, Ethereum.
    Crypto = 23, "CRYPTO", &["wallet", "bitcoin", "btc", "ethereum", "eth", "crypto", "usdt", "erc20", "payout"], &[];
}

impl Kind {
    /// Its rule.
    pub const fn rule(self) -> Rule {
        Rule(self as u16)
    }

    /// Its bit in a set of kinds.
    pub const fn bit(self) -> u32 {
        1 << (self as u32)
    }

    /// The kind of an entity's name.
    pub fn named(entity: &str) -> Option<Self> {
        ALL.iter().copied().find(|k| k.entity() == entity)
    }
}
