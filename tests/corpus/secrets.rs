//! Secrets: the tokens of vendors, keys, web tokens, passwords in URLs and assignments, Kubernetes Secrets, hashes, and all of
//! these wrapped in base64 and hexadecimal digits.

use super::digits::crc32;
use super::tokens::{TOKENS, alphabet};
use super::{Case, Corpus, Dice, seat};

const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const B64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const HEX: &str = "0123456789abcdef";

/// All of it.
#[must_use]
pub fn corpus() -> Corpus {
    let mut corpus = Corpus::default();
    let dice = Dice::new(11);
    for (vendor, prefix, letters, length) in TOKENS {
        for _ in 0..40 {
            let token = format!("{prefix}{}", dice.text(alphabet(*letters), *length));
            put(&mut corpus, &dice, vendor, &token);
        }
        near(&mut corpus, &dice, vendor, prefix, *letters, *length);
    }
    for _ in 0..150 {
        checked(&mut corpus, &dice);
        shaped(&mut corpus, &dice);
        parts(&mut corpus, &dice);
        hooks(&mut corpus, &dice);
        keys(&mut corpus, &dice);
        urls(&mut corpus, &dice);
        assignments(&mut corpus, &dice);
        kubernetes(&mut corpus, &dice);
        hashes(&mut corpus, &dice);
        wrapped(&mut corpus, &dice);
    }
    corpus
}

fn put(corpus: &mut Corpus, dice: &Dice, kind: &str, value: &str) {
    let text = match dice.below(4) {
        0 => format!("export X={value}"),
        1 => format!("curl -H 'X-Auth: {value}' https://api.example/"),
        _ => seat(dice, value),
    };
    exact(corpus, kind, &text, value);
}

fn exact(corpus: &mut Corpus, kind: &str, text: &str, value: &str) {
    corpus.positives.push(Case {
        entity: "SECRET",
        kind: kind.to_owned(),
        column: "note".to_owned(),
        text: text.to_owned(),
        value: value.to_owned(),
    });
}

fn miss(corpus: &mut Corpus, kind: &str, text: &str) {
    corpus.misses.push(Case {
        entity: "SECRET",
        kind: kind.to_owned(),
        column: "note".to_owned(),
        text: text.to_owned(),
        value: String::new(),
    });
}

/// Too short, a placeholder, the end of another word.
fn near(
    corpus: &mut Corpus,
    dice: &Dice,
    vendor: &str,
    prefix: &str,
    letters: char,
    length: usize,
) {
    miss(
        corpus,
        vendor,
        &format!("{prefix}{}", dice.text(alphabet(letters), 5)),
    );
    miss(corpus, vendor, &format!("{prefix}{}", "x".repeat(length)));
    let other = format!("{prefix} {}", dice.text("abcdefgh", 9));
    miss(corpus, vendor, &other);
}

/// Tokens with a checksum.
fn checked(corpus: &mut Corpus, dice: &Dice) {
    let base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let prefix = dice.pick(&["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "npm_"]);
    let random = dice.text(ALNUM, 30);
    let mut value = u64::from(crc32(&random));
    let mut check = String::new();
    for _ in 0..6 {
        check.insert(0, char::from(base62.as_bytes()[(value % 62) as usize]));
        value /= 62;
    }
    let kind = if prefix == "npm_" { "npm" } else { "GitHub" };
    put(corpus, dice, kind, &format!("{prefix}{random}{check}"));
    let other = if check.ends_with('a') { "b" } else { "a" };
    miss(
        corpus,
        kind,
        &format!("{prefix}{random}{}{other}", &check[..5]),
    );
    let body = format!("glsa_{}", dice.text(ALNUM, 32));
    let sum: String = crc32(&body)
        .to_le_bytes()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    put(corpus, dice, "Grafana", &format!("{body}_{sum}"));
    let flipped = if sum.ends_with('0') { "1" } else { "0" };
    miss(corpus, "Grafana", &format!("{body}_{}{flipped}", &sum[..7]));
    put(
        corpus,
        dice,
        "PyPI",
        &format!("pypi-AgEIcHlwaS5vcmc{}", dice.text(ALNUM, 150)),
    );
    miss(corpus, "PyPI", &format!("pypi-{}", dice.text(ALNUM, 150)));
}

/// Tokens whose shape is more than a prefix.
fn shaped(corpus: &mut Corpus, dice: &Dice) {
    let aws = dice.text(B64, 40);
    exact(
        corpus,
        "AWS secret key",
        &format!("aws_secret_access_key = {aws}"),
        &aws,
    );
    exact(
        corpus,
        "AWS secret key",
        &format!("{{\"SecretAccessKey\": \"{aws}\"}}"),
        &aws,
    );
    let entra = format!("{}8Q~{}", dice.text(ALNUM, 3), dice.text(ALNUM, 34));
    put(corpus, dice, "Azure Entra", &entra);
    miss(corpus, "Azure Entra", &entra[..30]);
    let key = format!("{}==", dice.text(B64, 86));
    exact(
        corpus,
        "Azure storage",
        &format!(
            "DefaultEndpointsProtocol=https;AccountName=x;AccountKey={key};EndpointSuffix=core.windows.net"
        ),
        &key,
    );
    let signature = format!("{}%3D", dice.text(ALNUM, 43));
    exact(
        corpus,
        "Azure SAS",
        &format!(
            "https://x.blob.core.windows.net/c/b?sv=2024-11-04&se=2026-01-01T00%3A00%3A00Z&sr=b&sp=r&sig={signature}"
        ),
        &signature,
    );
    put(
        corpus,
        dice,
        "Azure DevOps",
        &format!("{}AZDO{}", dice.text(ALNUM, 76), dice.text(ALNUM, 4)),
    );
}

/// Tokens in several parts.
fn parts(corpus: &mut Corpus, dice: &Dice) {
    put(
        corpus,
        dice,
        "OpenAI",
        &format!(
            "sk-{}T3BlbkFJ{}",
            dice.text(ALNUM, 20),
            dice.text(ALNUM, 20)
        ),
    );
    put(
        corpus,
        dice,
        "SendGrid",
        &format!("SG.{}.{}", dice.text(ALNUM, 22), dice.text(ALNUM, 43)),
    );
    put(
        corpus,
        dice,
        "Telegram",
        &format!(
            "{}:AA{}",
            dice.between(10_000_000, 9_999_999_999),
            dice.text(ALNUM, 33)
        ),
    );
    put(
        corpus,
        dice,
        "Mailchimp",
        &format!("{}-us{}", dice.text(HEX, 32), dice.between(1, 21)),
    );
    put(
        corpus,
        dice,
        "Terraform",
        &format!("{}.atlasv1.{}", dice.text(ALNUM, 14), dice.text(ALNUM, 67)),
    );
    put(
        corpus,
        dice,
        "Dynatrace",
        &format!(
            "dt0c01.{}.{}",
            dice.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 24),
            dice.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 64)
        ),
    );
    put(
        corpus,
        dice,
        "Airtable",
        &format!("pat{}.{}", dice.text(ALNUM, 14), dice.text(HEX, 64)),
    );
}

/// Tokens with a UUID inside, and webhooks.
fn hooks(corpus: &mut Corpus, dice: &Dice) {
    let uuid = format!(
        "{}-{}-{}-{}-{}",
        dice.text(HEX, 8),
        dice.text(HEX, 4),
        dice.text(HEX, 4),
        dice.text(HEX, 4),
        dice.text(HEX, 12)
    );
    put(corpus, dice, "HubSpot", &format!("pat-na1-{uuid}"));
    put(corpus, dice, "Plaid", &format!("access-production-{uuid}"));
    put(corpus, dice, "LaunchDarkly", &format!("sdk-{uuid}"));
    put(
        corpus,
        dice,
        "Braintree",
        &format!(
            "access_token$production${}${}",
            dice.text("abcdefghijklmnop0123456789", 16),
            dice.text(HEX, 32)
        ),
    );
    let hook = format!(
        "hooks.slack.com/services/T{}/B{}/{}",
        dice.text("ABCDEFGHIJ0123456789", 10),
        dice.text("ABCDEFGHIJ0123456789", 10),
        dice.text(ALNUM, 24)
    );
    exact(
        corpus,
        "Slack webhook",
        &format!("url: https://{hook}"),
        &hook,
    );
    let hook = format!(
        "/api/webhooks/{}/{}",
        dice.between(100_000_000_000_000_000, 999_999_999_999_999_999),
        dice.text(ALNUM, 68)
    );
    exact(
        corpus,
        "Discord webhook",
        &format!("https://discord.com{hook}"),
        &hook,
    );
    let twilio = format!("SK{}", dice.text(HEX, 32));
    exact(corpus, "Twilio", &format!("twilio_key: {twilio}"), &twilio);
}

fn keys(corpus: &mut Corpus, dice: &Dice) {
    let label = dice.pick(&[
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK",
    ]);
    let by = dice.pick(&["\n", "\r\n", "\\n"]);
    let lines: Vec<String> = (0..dice.between(2, 25))
        .map(|_| dice.text(B64, 64))
        .collect();
    let pem = format!(
        "-----BEGIN {label}-----{by}{}{by}-----END {label}-----",
        lines.join(by)
    );
    exact(corpus, "private key", &format!("before {pem} after"), &pem);
    exact(
        corpus,
        "private key",
        &format!(
            "{{\"type\": \"service_account\", \"private_key\": \"{}\"}}",
            pem.replace(['\r', '\n'], "\\n")
        ),
        &pem.replace(['\r', '\n'], "\\n"),
    );
    let public = format!(
        "-----BEGIN CERTIFICATE-----{by}{}{by}-----END CERTIFICATE-----",
        lines.join(by)
    );
    miss(corpus, "private key", &public);
    miss(
        corpus,
        "private key",
        "if text.starts_with(\"-----BEGIN PRIVATE KEY-----\") {",
    );
    let header = base64(r#"{"alg":"RS256","typ":"JWT"}"#);
    let payload = base64(&format!(
        "{{\"sub\":\"{}\",\"exp\":17{}}}",
        dice.digits(6),
        dice.digits(8)
    ));
    let jwt = format!(
        "{}.{}.{}",
        url(&header),
        url(&payload),
        dice.text(ALNUM, 86)
    );
    put(corpus, dice, "JWT", &jwt);
    miss(
        corpus,
        "JWT",
        &url(&base64("{\"a\": 1, \"long\": \"enough\"}")),
    );
    miss(
        corpus,
        "JWT",
        &format!(
            "{}.{}",
            url(&base64("{\"rows\": 12345, \"b\": 2}")),
            dice.text("abcdef", 9)
        ),
    );
}

fn password(dice: &Dice) -> String {
    match dice.below(4) {
        0 => format!(
            "{}{}{}",
            dice.text("ABCDEFGH", 2),
            dice.text("abcdefghijkl", 5),
            dice.digits(3)
        ),
        1 => dice.text(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#%*+-_.",
            16,
        ),
        2 => format!("{}!{}", dice.text("abcdefghijkl", 6), dice.digits(2)),
        _ => dice.text(ALNUM, 24),
    }
}

fn urls(corpus: &mut Corpus, dice: &Dice) {
    let password = password(dice).replace(['#', '%'], "q");
    let scheme = dice.pick(&[
        "postgres",
        "postgresql",
        "mysql",
        "mongodb+srv",
        "redis",
        "amqps",
        "https",
        "ftp",
        "cloudinary",
        "jdbc:postgresql",
    ]);
    let user = dice.pick(&["app", "admin", "", "svc-user", "a%40b"]);
    exact(
        corpus,
        "URL",
        &format!("{scheme}://{user}:{password}@db.example.com:5432/x?sslmode=require"),
        &password,
    );
    let text = dice.pick(&[
        "https://example.com:8443/a@b",
        "http://user@example.com/x:y@z",
        "https://example.com/a:b@c",
        "postgres://user:${PASSWORD}@host/db",
        "postgres://user:<password>@host/db",
        "see https://example.com: mail me@example.com",
        "redis://localhost:6379/0",
    ]);
    miss(corpus, "URL", text);
}

fn assignments(corpus: &mut Corpus, dice: &Dice) {
    let value = match password(dice) {
        p if p.bytes().any(|b| b.is_ascii_digit())
            && p.bytes().filter(u8::is_ascii_alphabetic).count() >= 2 =>
        {
            p.trim_matches(['*', '#', '%', '+', '-', '.', '_', '!'])
                .to_owned()
                + "k7"
        }
        p => format!("{p}a1"),
    };
    let text = match dice.below(12) {
        0 => format!("password={value}"),
        1 => format!("DB_PASSWORD: \"{value}\""),
        2 => format!("{{\"clientSecret\": \"{value}\", \"x\": 1}}"),
        3 => format!("{{\\\"password\\\": \\\"{value}\\\"}}"),
        4 => format!("api_key = '{value}'"),
        5 => format!("export API_TOKEN={value}"),
        6 => format!("Authorization: Bearer {value}"),
        7 => format!("<password>{value}</password>"),
        8 => format!("ALTER ROLE app PASSWORD '{value}'"),
        9 => format!("Server=db;User Id=sa;Password={value};Encrypt=true"),
        10 => format!("mysql --password {value} -h db"),
        _ => format!("'secret_key' => '{value}',"),
    };
    exact(corpus, "assignment", &text, &value);
    let pair = base64(&format!("user:{value}"));
    exact(
        corpus,
        "basic auth",
        &format!("Authorization: Basic {pair}"),
        &pair,
    );
    let text = dice.pick(&[
        "password: null",
        "password = getpass.getpass()",
        "token: String,",
        "password=${DB_PASSWORD}",
        "secret: {{ .Values.secret }}",
        "token = tokens[index2]",
        "password: <your-password-1>",
        "api_key = os.environ['API_KEY_2']",
        "secretName: prod-tls-2024",
        "password_min_length = 12345678",
        "token_url: https://example.com/oauth2/token",
        "passwordless = true",
        "\"password\": \"********\"",
        "tokenizer: bert-base-uncased-v2",
        "secret = vault:kv/data/app1#password",
        "Authorization: Bearer ${TOKEN}",
        "password: Password123Field.value()",
        "let token = self.tokens.get(0)?;",
        "token == other.token2",
        "\"token_type\": \"bearer12345\"",
        "password: &'static str",
        "secret_arn: arn:aws:secretsmanager:eu-west-1:123456789012:secret:x",
        "SECRET_KEY=changeme123",
        "password = \"example-password-1\"",
        "Password: at least 12 characters",
        "api-key: your-api-key-here",
        "pwd=/home/user1/work",
        "token: 42",
    ]);
    miss(corpus, "assignment", text);
}

fn kubernetes(corpus: &mut Corpus, dice: &Dice) {
    let plain = dice.text("abcdefghijklmnop ", 14);
    let value = base64(&plain);
    exact(
        corpus,
        "Kubernetes",
        &format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\ndata:\n  greeting: {value}\ntype: Opaque\n"
        ),
        &value,
    );
    exact(
        corpus,
        "Kubernetes",
        &format!(
            "{{\"apiVersion\":\"v1\",\"data\":{{\"greeting\":\"{value}\"}},\"kind\":\"Secret\",\"type\":\"Opaque\"}}"
        ),
        &value,
    );
    exact(
        corpus,
        "Kubernetes",
        &format!("kind: Secret\nstringData:\n  note: |\n    {plain}\n  b: c\n"),
        plain.trim(),
    );
    miss(
        corpus,
        "Kubernetes",
        &format!("apiVersion: v1\nkind: ConfigMap\ndata:\n  greeting: {value}\n"),
    );
    miss(
        corpus,
        "Kubernetes",
        &format!(
            "{{\"kind\":\"ConfigMap\",\"data\":{{\"greeting\":\"{value}\"}},\"secretName\":\"x\"}}"
        ),
    );
}

fn hashes(corpus: &mut Corpus, dice: &Dice) {
    let crypt = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    put(
        corpus,
        dice,
        "password hash",
        &format!("$2b$12${}", dice.text(crypt, 53)),
    );
    put(
        corpus,
        dice,
        "password hash",
        &format!(
            "$argon2id$v=19$m=65536,t=3,p=4${}${}",
            dice.text(ALNUM, 22),
            dice.text(ALNUM, 43)
        ),
    );
    put(
        corpus,
        dice,
        "password hash",
        &format!(
            "$6$rounds=5000${}${}",
            dice.text(crypt, 16),
            dice.text(crypt, 86)
        ),
    );
    put(
        corpus,
        dice,
        "password hash",
        &format!("md5{}", dice.text(HEX, 32)),
    );
    put(
        corpus,
        dice,
        "SCRAM verifier",
        &format!(
            "SCRAM-SHA-256$4096:{}==${}=:{}=",
            dice.text(B64, 22),
            dice.text(B64, 43),
            dice.text(B64, 43)
        ),
    );
    miss(corpus, "password hash", &dice.text(HEX, 32));
    miss(
        corpus,
        "password hash",
        "costs $5$ or $6$ at most, $2a$ is a variable",
    );
}

fn wrapped(corpus: &mut Corpus, dice: &Dice) {
    let secret = match dice.below(5) {
        0 => format!("glpat-{}", dice.text(ALNUM, 20)),
        1 => format!("AKIA{}", dice.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)),
        2 => format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
            dice.text(B64, 64)
        ),
        3 => format!("postgres://app:{}x1@db/x", dice.text(ALNUM, 12)),
        _ => format!("sk_live_{}", dice.text(ALNUM, 24)),
    };
    let pad = dice.pick(&[
        "",
        " ",
        "x=",
        "id:",
        "id: ",
        "k: 17 ",
        "a\nb c ",
        "\"k\": \"",
    ]);
    let tail = dice.pick(&["", "\n", " end", "\", \"x\": 1}"]);
    let plain = format!("{pad}{secret}{tail}");
    let coded = base64(&plain);
    exact(
        corpus,
        "base64",
        &format!("blob {coded} end"),
        coded.trim_end_matches('='),
    );
    let hex: String = plain.bytes().map(|b| format!("{b:02x}")).collect();
    exact(corpus, "hex", &format!("blob {hex} end"), &hex);
    let name = dice.text("abcdefgh ", 30 + dice.below(40) as usize);
    let long = base64(&format!(
        "# {name}\nDB_PASSWORD={}x1\nAPI_KEY={}\nS={secret}\nURL=postgres://a:{}z9@db/x\n",
        dice.text(ALNUM, 14),
        dice.text(ALNUM, 20),
        dice.text(ALNUM, 9)
    ));
    let lines: Vec<&str> = long
        .as_bytes()
        .chunks(76)
        .filter_map(|c| std::str::from_utf8(c).ok())
        .collect();
    exact(
        corpus,
        "base64",
        &lines.join("\n"),
        long.trim_end_matches('=').get(..60).unwrap_or_default(),
    );
    let innocent = base64(&format!(
        "{{\"config\": {{\"name\": \"some longer document\", \"key\": \"{}\"}}}}",
        dice.text("abcdefgh", 30)
    ));
    miss(corpus, "base64", &innocent);
    let hex: String = dice
        .text("abcdefgh ", 40)
        .bytes()
        .map(|b| format!("{b:02x}"))
        .collect();
    miss(corpus, "hex", &hex);
}

/// base64 with padding, character by character.
fn base64(text: &str) -> String {
    let bits: String = text.bytes().map(|b| format!("{b:08b}")).collect();
    let mut out = String::new();
    for chunk in bits.as_bytes().chunks(6) {
        let value = chunk
            .iter()
            .fold(0_usize, |n, b| n * 2 + usize::from(b - b'0'))
            << (6 - chunk.len());
        out.push(char::from(B64.as_bytes()[value]));
    }
    while !out.len().is_multiple_of(4) {
        out.push('=');
    }
    out
}

fn url(text: &str) -> String {
    text.trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_")
}
