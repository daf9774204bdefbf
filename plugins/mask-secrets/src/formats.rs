//! The formats, one row each: a literal prefix and what has to follow it. Sources are the vendors' own pages on the
//! shape of their tokens; where a vendor gives only examples the row asks for no more than they show.

use crate::{assignment, structured};
use portcullis_sdk::Rule;
use std::ops::Range;

/// A token of a vendor.
pub const VENDOR_TOKEN: Rule = Rule(1);
/// A PEM private key.
pub const PRIVATE_KEY: Rule = Rule(2);
/// A JSON web token (RFC 7519).
pub const JWT: Rule = Rule(3);
/// The password of a URL (RFC 3986 section 3.2.1).
pub const URL_PASSWORD: Rule = Rule(4);
/// `password = …`.
pub const ASSIGNMENT: Rule = Rule(5);
/// A SCRAM verifier (RFC 5803) as PostgreSQL stores it.
pub const SCRAM_VERIFIER: Rule = Rule(6);

/// What a prefix turned out to begin.
pub struct Found {
    /// Where the secret stands.
    pub range: Range<usize>,
    /// The rule.
    pub rule: Rule,
}

/// What may follow a prefix.
#[derive(Clone, Copy)]
pub enum Tail {
    /// So many of these characters, from least to most; more of them mean that it is something else.
    Exact(fn(u8) -> bool, usize, usize),
    /// At least so many of these characters.
    Least(fn(u8) -> bool, usize),
    /// A rule of its own.
    Rule(fn(&[u8], usize) -> Option<Found>),
}

/// One format.
pub struct Format {
    /// Matched without regard to case; the row checks the case itself.
    pub prefix: &'static str,
    /// What follows.
    pub tail: Tail,
}

impl Format {
    /// The secret that begins with this prefix at `at`, if it is one.
    pub fn find(&self, bytes: &[u8], at: usize) -> Option<Found> {
        let end = at + self.prefix.len();
        let (class, least, most) = match self.tail {
            Tail::Rule(rule) => return rule(bytes, at),
            Tail::Exact(class, least, most) => (class, least, most),
            Tail::Least(class, least) => (class, least, usize::MAX),
        };
        if bytes.get(at..end)? != self.prefix.as_bytes() || continues_word(bytes, at) {
            return None;
        }
        let length = bytes.get(end..)?.iter().take_while(|b| class(**b)).count();
        (least <= length && length <= most).then(|| Found {
            range: at..end + length,
            rule: VENDOR_TOKEN,
        })
    }
}

/// True when a letter or digit stands right before: then the prefix is the end of a word.
pub fn continues_word(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(1)
        .and_then(|i| bytes.get(i))
        .is_some_and(u8::is_ascii_alphanumeric)
}

fn alnum(b: u8) -> bool {
    b.is_ascii_alphanumeric()
}

fn upper_alnum(b: u8) -> bool {
    b.is_ascii_uppercase() || b.is_ascii_digit()
}

fn hex(b: u8) -> bool {
    b.is_ascii_hexdigit()
}

fn word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
}

fn word_dot(b: u8) -> bool {
    word(b) || b == b'.'
}

fn path(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'/'
}

const fn exact(prefix: &'static str, class: fn(u8) -> bool, least: usize, most: usize) -> Format {
    Format {
        prefix,
        tail: Tail::Exact(class, least, most),
    }
}

const fn least(prefix: &'static str, class: fn(u8) -> bool, least: usize) -> Format {
    Format {
        prefix,
        tail: Tail::Least(class, least),
    }
}

const fn ruled(prefix: &'static str, rule: fn(&[u8], usize) -> Option<Found>) -> Format {
    Format {
        prefix,
        tail: Tail::Rule(rule),
    }
}

/// All formats.
pub const FORMATS: &[Format] = &[
    // AWS IAM identifiers: access key ids of users, sessions and groups.
    exact("AKIA", upper_alnum, 16, 16),
    exact("ASIA", upper_alnum, 16, 16),
    exact("ABIA", upper_alnum, 16, 16),
    exact("ACCA", upper_alnum, 16, 16),
    // GitHub: token formats of 2021 and fine-grained ones of 2022.
    exact("ghp_", alnum, 36, 255),
    exact("gho_", alnum, 36, 255),
    exact("ghu_", alnum, 36, 255),
    exact("ghs_", word_dot, 36, 1024),
    exact("ghr_", alnum, 36, 255),
    exact("github_pat_", word, 60, 255),
    // GitLab: personal, runner, deploy, feed, trigger and agent tokens.
    least("glpat-", word_dot, 20),
    least("glrt-", word, 20),
    least("gldt-", word, 20),
    least("glft-", word, 20),
    least("glptt-", hex, 40),
    least("glagent-", word, 50),
    // Slack.
    least("xoxb-", word, 20),
    least("xoxp-", word, 20),
    least("xoxa-", word, 20),
    least("xoxr-", word, 20),
    least("xoxs-", word, 20),
    least("xoxe.", word_dot, 20),
    least("xapp-", word, 20),
    least("hooks.slack.com/services/", path, 40),
    // Stripe.
    least("sk_live_", alnum, 16),
    least("rk_live_", alnum, 16),
    least("sk_test_", alnum, 16),
    least("rk_test_", alnum, 16),
    least("whsec_", alnum, 24),
    // Language models.
    least("sk-ant-", word, 32),
    least("sk-proj-", word, 32),
    least("sk-svcacct-", word, 32),
    exact("sk-", alnum, 48, 64),
    least("hf_", alnum, 30),
    least("gsk_", alnum, 40),
    // Google.
    exact("AIza", word, 35, 35),
    least("ya29.", word, 30),
    least("GOCSPX-", word, 24),
    // Package registries.
    exact("npm_", alnum, 36, 36),
    least("pypi-AgEIcHlwaS", word, 50),
    exact("rubygems_", hex, 48, 48),
    least("dckr_pat_", word, 24),
    // Clouds and tools.
    least("dop_v1_", hex, 64),
    least("hvs.", word, 24),
    least("hvb.", word, 90),
    least("SG.", word_dot, 60),
    least("glsa_", word, 40),
    exact("shpat_", hex, 32, 32),
    exact("shpss_", hex, 32, 32),
    least("dapi", hex, 32),
    least("PMAK-", word, 50),
    least("lin_api_", alnum, 40),
    least("sntrys_", word_dot, 60),
    least("tfp_", alnum, 40),
    least("AGE-SECRET-KEY-1", upper_alnum, 58),
    // Shapes with a rule of their own.
    ruled("-----BEGIN ", structured::pem),
    ruled("eyJ", structured::jwt),
    ruled("://", structured::url_password),
    ruled("SCRAM-SHA-256$", structured::scram),
    ruled("password", assignment::find),
    ruled("passwd", assignment::find),
    ruled("pwd", assignment::find),
    ruled("secret", assignment::find),
    ruled("token", assignment::find),
    ruled("api_key", assignment::find),
    ruled("apikey", assignment::find),
    ruled("api-key", assignment::find),
    ruled("access_key", assignment::find),
    ruled("accountkey", assignment::find),
    ruled("private_key", assignment::find),
    ruled("authorization", assignment::find),
];
