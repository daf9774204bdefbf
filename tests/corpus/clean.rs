//! Text without anything to find, and nasty: digits, hexadecimal digits, base64, dots and dashes in every form that
//! databases and repositories are full of. Numbers that pass every check of a card, say, are not in here: nobody could
//! tell them from one.

use super::{Dice, lorem};

/// Lines of each corpus.
const LINES: usize = 3000;

/// Code of this repository at one time: Rust, Rego, SQL, YAML, Python, JavaScript, shell, a lock file.
const CODE: &str = include_str!("code.txt");

/// Names and lines.
#[must_use]
pub fn corpora() -> Vec<(&'static str, Vec<String>)> {
    let dice = Dice::new(7);
    vec![
        (
            "source code",
            CODE.lines()
                .filter(|l| !l.trim().is_empty())
                .map(str::to_owned)
                .collect(),
        ),
        (
            "source code, made up",
            (0..LINES).map(|_| code(&dice)).collect(),
        ),
        ("UUIDs and ids", (0..LINES).map(|_| id(&dice)).collect()),
        ("git and hashes", (0..LINES).map(|_| hash(&dice)).collect()),
        (
            "prices and numbers",
            (0..LINES).map(|_| price(&dice)).collect(),
        ),
        ("timestamps", (0..LINES).map(|_| time(&dice)).collect()),
        (
            "versions and logs",
            (0..LINES).map(|_| log(&dice)).collect(),
        ),
        (
            "markup and blobs",
            (0..LINES).map(|_| markup(&dice)).collect(),
        ),
        ("six languages", lorem::lines(&dice, 2 * LINES)),
    ]
}

const HEX: &str = "0123456789abcdef";
const B64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn name(dice: &Dice) -> String {
    let parts = [
        "user", "token", "pass", "key", "count", "buffer", "node", "secret", "index", "auth",
        "cell", "phone", "card", "ip", "host", "date", "birth", "id", "account", "value",
    ];
    let a = dice.pick(&parts);
    let b = dice.pick(&parts);
    match dice.below(4) {
        0 => format!("{a}_{b}"),
        1 => format!("{a}{}{}", b[..1].to_uppercase(), &b[1..]),
        2 => format!("{a}{}", dice.below(10)),
        _ => a.to_owned(),
    }
}

fn code(dice: &Dice) -> String {
    match dice.below(3) {
        0 => systems(dice),
        1 => scripts(dice),
        _ => plans(dice),
    }
}

/// Rust and C.
fn systems(dice: &Dice) -> String {
    let (a, b, n) = (name(dice), name(dice), dice.below(100_000));
    match dice.below(16) {
        0 => format!("    let {a} = self.{b}.get({n})?;"),
        1 => format!("    let mut {a}: Vec<u8> = Vec::with_capacity({n});"),
        2 => format!("pub fn {a}(token: &Token, password: &str) -> Result<Secret, Error> {{"),
        3 => format!("    password: String, // {a}"),
        4 => format!("    let token = tokens.next().ok_or(Error::{b})?;"),
        5 => format!(
            "const {}: u64 = 0x{};",
            a.to_uppercase(),
            dice.text(HEX, 16)
        ),
        6 => format!("    {a} << {} | {b} >> {}", dice.below(64), dice.below(64)),
        7 => format!("    std::{a}::{b}::new(&self.secret_key)"),
        8 => format!(
            "assert_eq!({a}({n}), [{}, {}, {}]);",
            dice.below(256),
            dice.below(256),
            dice.below(256)
        ),
        9 => format!(
            "#define {}_MASK 0x{}UL /* bits {}:{} */",
            a.to_uppercase(),
            dice.text(HEX, 8),
            dice.below(64),
            dice.below(64)
        ),
        10 => format!(
            "static const uint8_t {a}[] = {{0x{}, 0x{}, 0x{}, {n}}};",
            dice.text(HEX, 2),
            dice.text(HEX, 2),
            dice.text(HEX, 2)
        ),
        11 => format!("    return {a}->{b}[{n}].password_len == 0;"),
        12 => format!(
            "// TODO({a}): token refresh is {n} ms late, see #{}",
            dice.below(10_000)
        ),
        13 => format!(
            "use crate::{a}::{{{}, Password, Token as {}Token}};",
            "Secret", "My"
        ),
        14 => format!("    private_key: Option<PrivateKey>, // {a} {n}"),
        _ => format!(
            "fn key_{n}() {{ let api_key = config.api_key.as_deref().unwrap_or_default(); }}"
        ),
    }
}

/// Python, JavaScript, Go.
fn scripts(dice: &Dice) -> String {
    let (a, b, n) = (name(dice), name(dice), dice.below(100_000));
    match dice.below(14) {
        0 => format!("@{a}.route(\"/{b}/<int:id>\", methods=[\"GET\"])"),
        1 => format!("    {a} = w.T @ {b}.T + bias[{n}]"),
        2 => format!("def {a}(self, password=None, token=\"\", *, api_key=None):"),
        3 => format!("    password = request.form[\"password\"]  # {n}"),
        4 => format!("    token = os.environ[\"{}_TOKEN\"]", a.to_uppercase()),
        5 => format!("    secret = get_secret({b}, version={n})"),
        6 => format!(
            "const {a} = await fetch(`${{base}}/api/v{}/{b}?token=${{token}}`);",
            dice.below(5)
        ),
        7 => format!("  apiKey: process.env.{}_API_KEY,", a.to_uppercase()),
        8 => format!("  const {{ password, token: {a}Token }} = req.body;"),
        9 => {
            format!("  if (password !== confirmPassword) throw new Error('Passwords differ {n}');")
        }
        10 => format!(
            "  <input type=\"password\" name=\"password\" id=\"{a}\" placeholder=\"Password\" />"
        ),
        11 => format!("{a} := map[string]int{{\"{b}\": {n}}}"),
        12 => format!(
            "func ({} *Server) {a}(ctx context.Context, token string) error {{",
            &a[..1]
        ),
        _ => format!("    if err := {a}.Scan(&user.Password, &user.Token); err != nil {{ // {n}"),
    }
}

/// SQL, YAML, shell, markup, numbers.
fn plans(dice: &Dice) -> String {
    let (a, b, n) = (name(dice), name(dice), dice.below(100_000));
    match dice.below(14) {
        0 => format!(
            "SELECT {a}, count(*) FROM {b} WHERE id BETWEEN {n} AND {} GROUP BY 1;",
            n + 100
        ),
        1 => format!(
            "CREATE TABLE {b} (id bigint, password_hash text NOT NULL, token uuid, phone varchar(20));"
        ),
        2 => format!(
            "INSERT INTO {b} VALUES ({n}, '{a}', NULL, true, {}.{:02});",
            dice.below(1000),
            dice.below(100)
        ),
        3 => format!("  {a}: \"{{{{ .Values.{b}.password }}}}\""),
        4 => "  passwordSecretRef: { name: db-credentials, key: password }".to_owned(),
        5 => format!("    secretName: {a}-tls-{}", dice.below(100)),
        6 => format!(
            "export {}_PASSWORD=\"${{{}_PASSWORD:?}}\"",
            a.to_uppercase(),
            b.to_uppercase()
        ),
        7 => format!("curl -H \"Authorization: Bearer $TOKEN\" https://api.example/v1/{a}/{n}"),
        8 => format!(
            "git clone git@github.com:example/{a}.git && cd {a} && git checkout {}",
            dice.text(HEX, 7)
        ),
        9 => format!(
            "    \"{a}\": {{ \"type\": \"string\", \"description\": \"The secret token of {b}\" }},"
        ),
        10 => format!(
            "img {{ width: {n}px; background: url(icon@2x.png); color: #{}; }}",
            dice.text(HEX, 6)
        ),
        11 => format!(
            "      - run: echo \"::add-mask::${{{{ secrets.{} }}}}\"",
            a.to_uppercase()
        ),
        12 => format!(
            "location /{a} {{ proxy_pass http://backend:{}; proxy_set_header Authorization $http_authorization; }}",
            dice.between(1024, 9999)
        ),
        _ => format!(
            "x{n} = ({} + {})/2 - {}.{}e-{}",
            dice.below(1000),
            dice.below(1000),
            dice.below(10),
            dice.digits(12),
            dice.below(20)
        ),
    }
}

fn id(dice: &Dice) -> String {
    let h = |dice: &Dice, n| dice.text(HEX, n);
    let uuid = format!(
        "{}-{}-4{}-a{}-{}",
        h(dice, 8),
        h(dice, 4),
        h(dice, 3),
        h(dice, 3),
        h(dice, 12)
    );
    match dice.below(14) {
        0..=3 => uuid,
        4 => uuid.to_uppercase(),
        5 => format!("{{\"id\": \"{uuid}\", \"parent\": null}}"),
        6 => uuid.replace('-', ""),
        7 => format!("01{}", dice.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", 24)),
        8 => format!("1{}", dice.digits(18)),
        9 => format!("ORD-2026-{:06}", dice.below(1_000_000)),
        10 => format!("{}", dice.below(1 << 31)),
        11 => format!("urn:uuid:{uuid}"),
        12 => format!(
            "{}_{}",
            dice.text("abcdefghijklmnopqrstuvwxyz", 6),
            dice.text(
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                21
            )
        ),
        _ => format!("sku-{}-{}", dice.text("ABCDEFGHJKLM", 3), dice.digits(5)),
    }
}

fn hash(dice: &Dice) -> String {
    match dice.below(13) {
        0 => dice.text(HEX, 32),
        1 | 2 => dice.text(HEX, 40),
        3 => dice.text(HEX, 64),
        4 => dice.text(HEX, 128),
        5 => format!("commit {}", dice.text(HEX, 40)),
        6 => format!("index {}..{} 100644", dice.text(HEX, 7), dice.text(HEX, 7)),
        7 => format!(
            "@@ -{},{} +{},{} @@ fn main()",
            dice.below(999),
            dice.below(99),
            dice.below(999),
            dice.below(99)
        ),
        8 => format!("sha256:{}", dice.text(HEX, 64)),
        9 => format!("\"integrity\": \"sha512-{}==\"", dice.text(B64, 86)),
        10 => format!("checksum = \"{}\"", dice.text(HEX, 64)),
        11 => format!(
            "{}  ./src/{}.rs",
            dice.text(HEX, 40),
            dice.text("abcdef", 6)
        ),
        _ => format!("\\x{}", dice.text(HEX, 48)),
    }
}

fn price(dice: &Dice) -> String {
    let cents = dice.below(100);
    match dice.below(14) {
        0 => format!("{}.{cents:02}", dice.below(100_000)),
        1 => format!(
            "${},{:03}.{cents:02}",
            dice.between(1, 999),
            dice.below(1000)
        ),
        2 => format!(
            "{}.{:03},{cents:02} €",
            dice.between(1, 999),
            dice.below(1000)
        ),
        3 => format!(
            "{} {:03} {:03},{cents:02}",
            dice.between(1, 99),
            dice.below(1000),
            dice.below(1000)
        ),
        4 => format!("-{}", dice.below(1_000_000)),
        5 => format!("{}.{}", dice.below(10), dice.digits(16)),
        6 => format!("{}e{}", dice.below(100), dice.below(30)),
        7 => format!(
            "({}.{}, {}.{})",
            dice.below(90),
            dice.digits(6),
            dice.below(180),
            dice.digits(6)
        ),
        8 => format!(
            "{} x {} mm, {} kg",
            dice.below(1000),
            dice.below(1000),
            dice.below(100)
        ),
        9 => format!(
            "{}%, {}/{}",
            dice.below(100),
            dice.below(10),
            dice.between(10, 99)
        ),
        10 => format!(
            "{{{},{},{}}}",
            dice.below(1 << 20),
            dice.below(1 << 30),
            dice.below(9)
        ),
        11 => format!(
            "invoice {} of {}: {} items, net {}.{cents:02}",
            dice.below(9999),
            dice.between(1990, 2030),
            dice.below(50),
            dice.below(9999)
        ),
        12 => format!(
            "{} {} {} {}",
            dice.between(1980, 2030),
            dice.between(1980, 2030),
            dice.between(1980, 2030),
            dice.between(1980, 2030)
        ),
        _ => format!("40{}", dice.digits(11)),
    }
}

fn time(dice: &Dice) -> String {
    let (y, mo, d) = (
        dice.between(1970, 2038),
        dice.between(1, 12),
        dice.between(1, 28),
    );
    let (h, mi, s) = (dice.below(24), dice.below(60), dice.below(60));
    match dice.below(14) {
        0 => format!("{y}-{mo:02}-{d:02} {h:02}:{mi:02}:{s:02}"),
        1 => format!(
            "{y}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}.{}Z",
            dice.digits(6)
        ),
        2 => format!(
            "{y}-{mo:02}-{d:02} {h:02}:{mi:02}:{s:02}.{}+{:02}:00",
            dice.digits(6),
            dice.below(14)
        ),
        3 => format!("17{}", dice.digits(8)),
        4 => format!("17{}", dice.digits(11)),
        5 => format!("17{}", dice.digits(14)),
        6 => format!("17{}", dice.digits(17)),
        7 => format!("{d:02}.{mo:02}.{y} {h:02}:{mi:02}"),
        8 => format!("{mo}/{d}/{y}"),
        9 => format!("Thu, {d:02} Nov {y} {h:02}:{mi:02}:{s:02} +0000"),
        10 => format!("{y}{mo:02}{d:02}T{h:02}{mi:02}{s:02}Z"),
        11 => format!("[{y}-{mo:02}-{d:02}, {y}-{mo:02}-28)"),
        12 => format!("{} days {h:02}:{mi:02}:{s:02}", dice.below(999)),
        _ => format!("IMG_{y}{mo:02}{d:02}_{h:02}{mi:02}{s:02}.jpg"),
    }
}

fn log(dice: &Dice) -> String {
    match dice.below(2) {
        0 => versions(dice),
        _ => events(dice),
    }
}

/// Versions, agents, builds.
fn versions(dice: &Dice) -> String {
    let n = dice.below(1_000_000);
    match dice.below(8) {
        0 => format!("{}.{}.{}", dice.below(30), dice.below(100), dice.below(100)),
        1 => format!(
            "v{}.{}.{}-rc.{}+{}",
            dice.below(30),
            dice.below(100),
            dice.below(100),
            dice.below(9),
            dice.text(HEX, 7)
        ),
        2 => format!(
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
            dice.between(90, 140)
        ),
        3 => format!(
            "Windows NT 10.0.{}.{n}, build 22621.{}",
            dice.between(19_000, 22_999),
            dice.below(9999)
        ),
        4 => format!(
            "\"node_modules/{}\": {{ \"version\": \"{}.{}.{}\", \"engines\": {{ \"node\": \">={}\" }} }}",
            dice.text("abcdefg", 7),
            dice.below(30),
            dice.below(100),
            dice.below(100),
            dice.below(22)
        ),
        5 => format!(
            "Compiling serde v1.0.{} ({}/{})",
            dice.below(300),
            dice.below(400),
            dice.between(400, 600)
        ),
        6 => format!(
            "LSN 0/{} timeline {} xid {n}",
            dice.text("0123456789ABCDEF", 8),
            dice.below(9)
        ),
        _ => format!(
            "1.3.6.1.4.1.{}.{}.{}.{}",
            dice.below(99_999),
            dice.below(10),
            dice.below(10),
            dice.below(100)
        ),
    }
}

/// Lines of logs.
fn events(dice: &Dice) -> String {
    let n = dice.below(1_000_000);
    match dice.below(7) {
        0 => format!(
            "GET /api/v2/items/{n}?page={}&size=50 HTTP/1.1 200 {} {}ms",
            dice.below(99),
            dice.below(99_999),
            dice.below(999)
        ),
        1 => format!(
            "[{:>12}.{}] usb {}-{}: new device, idVendor={}, idProduct={}",
            dice.below(99_999),
            dice.digits(6),
            dice.below(9),
            dice.below(9),
            dice.text(HEX, 4),
            dice.text(HEX, 4)
        ),
        2 => format!(
            "thread 'main' panicked at src/main.rs:{}:{}: index {n}",
            dice.below(999),
            dice.below(99)
        ),
        3 => format!(
            "INFO session={} user=42 token refreshed in {} ms",
            dice.text(HEX, 16),
            dice.below(999)
        ),
        4 => format!(
            "ERROR password authentication failed for user \"app{}\"",
            dice.below(99)
        ),
        5 => format!(
            "pid={} rss={}KiB cpu={}.{}% fd={}",
            dice.below(99_999),
            n,
            dice.below(100),
            dice.below(10),
            dice.below(1024)
        ),
        _ => format!(
            "http://localhost:{}/metrics, ws://[::1]:{}/socket, https://example.com:8443/a@b",
            dice.between(1024, 65_535),
            dice.between(1024, 65_535)
        ),
    }
}

fn markup(dice: &Dice) -> String {
    match dice.below(10) {
        0 => format!(
            "<td class=\"n\">{}</td><td>{}.{:02}</td>",
            dice.below(9999),
            dice.below(999),
            dice.below(100)
        ),
        1 => format!(
            "<path d=\"M{} {}L{}.{} {}.{}z\"/>",
            dice.below(99),
            dice.below(99),
            dice.below(99),
            dice.digits(3),
            dice.below(99),
            dice.digits(3)
        ),
        2 => format!(
            "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg{}",
            dice.text(B64, 200)
        ),
        3 => dice.text(B64, 400),
        4 => format!(
            "[{}]({}): see note {}",
            dice.below(99),
            "https://example.com/docs/page#section-4.2",
            dice.below(99)
        ),
        5 => format!(
            "{{\"a\": {}, \"b\": [{}, {}], \"c\": \"{}\", \"d\": {}.{}}}",
            dice.below(1 << 31),
            dice.below(99),
            dice.below(99),
            dice.text("abcdef ", 12),
            dice.below(9),
            dice.digits(9)
        ),
        6 => format!(
            "color: rgba({}, {}, {}, 0.{}); margin: -{}px {}em;",
            dice.below(256),
            dice.below(256),
            dice.below(256),
            dice.below(10),
            dice.below(99),
            dice.below(9)
        ),
        7 => dice.text(HEX, 512),
        8 => format!(
            "| {} | {} | {} |",
            dice.below(9_999_999),
            dice.text("abcdefgh", 8),
            dice.below(99)
        ),
        _ => format!(
            "{}\t{}\t{}\t\\N\tt\t{}",
            dice.below(1 << 20),
            dice.text("abcdefgh ", 14),
            dice.below(99),
            dice.below(1 << 31)
        ),
    }
}
