//! The parameters of a request, decoded as Go decodes them (net/url `ParseQuery`), with the meaning that the API
//! server gives them.
//!
//! Refuses semicolons (Go drops such pairs, others split there), parameters that may stand once and stand twice,
//! known names in another case, and truth values that nobody writes.

use super::target::escape;
use crate::turned::Turned;
use portcullis_model::limits;

const RULE: &str = "kubernetes/query";

/// Parameters with a meaning that stand at most once.
const SINGLE: [&str; 37] = [
    "allowWatchBookmarks",
    "container",
    "continue",
    "dryRun",
    "exact",
    "export",
    "fieldManager",
    "fieldSelector",
    "fieldValidation",
    "follow",
    "force",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "includeObject",
    "insecureSkipTLSVerifyBackend",
    "labelSelector",
    "limit",
    "limitBytes",
    "orphanDependents",
    "path",
    "pretty",
    "previous",
    "propagationPolicy",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "sinceSeconds",
    "sinceTime",
    "stderr",
    "stdin",
    "stdout",
    "stream",
    "tailLines",
    "timeoutSeconds",
    "timestamps",
    "tty",
    "watch",
];

/// Parameters with a meaning that may be repeated.
const REPEATED: [&str; 2] = ["command", "ports"];

/// Parameters that would change the verb somewhere behind the gateway.
const VERBS: [&str; 4] = [
    "_method",
    "method",
    "x-http-method",
    "x-http-method-override",
];

/// The parameters, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// The value of a parameter that stands once.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name)
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    }

    /// The same, borrowed, and empty where it is empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.pairs.iter();
        pairs.find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Every value of a parameter that may be repeated.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<String> {
        let pairs = self.pairs.iter().filter(|(n, _)| n == name);
        pairs.map(|(_, value)| value.clone()).collect()
    }

    /// `ports`, which may be repeated and hold lists (k8s.io/apimachinery pkg/runtime `Convert_Slice_string_To_Slice_int32`).
    ///
    /// # Errors
    /// When one is no port as everybody writes it.
    pub fn ports(&self) -> Result<Vec<u16>, Turned> {
        let all = self.all("ports");
        let ports = all.iter().flat_map(|list| list.split(','));
        ports
            .map(|digits| match digits.parse::<u16>() {
                Ok(port) if port > 0 && port.to_string() == digits => Ok(port),
                _ => Err(Turned::malformed(RULE, "a port is no number of one")),
            })
            .collect()
    }

    /// A truth value as the server's codec reads it: nothing after the name is true.
    ///
    /// # Errors
    /// When it is none that a client library writes.
    pub fn flag(&self, name: &str) -> Result<bool, Turned> {
        match self.get(name) {
            None | Some("false" | "0") => Ok(false),
            Some("" | "true" | "1") => Ok(true),
            Some(_) => Err(Turned::malformed(
                RULE,
                "a parameter is neither `true` nor `false`",
            )),
        }
    }

    /// `dryRun=All`.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn dry_run(&self) -> Result<bool, Turned> {
        match self.get("dryRun") {
            None => Ok(false),
            Some("All") => Ok(true),
            Some(_) => Err(Turned::malformed(
                RULE,
                "`dryRun` has another value than `All`",
            )),
        }
    }
}

/// Reads what stands behind the question mark.
pub(super) fn read(raw: &str) -> Result<Query, Turned> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
        if pairs.len() >= limits::TARGET_PARAMETERS_MAX {
            return Err(Turned::malformed(RULE, "there are too many parameters"));
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name)?, decoded(value)?);
        known(&name)?;
        let twice = pairs.iter().any(|(n, _)| *n == name);
        if twice && SINGLE.contains(&name.as_str()) {
            return Err(Turned::malformed(
                RULE,
                "a parameter stands twice: servers disagree about which one counts",
            ));
        }
        pairs.push((name, value));
    }
    Ok(Query { pairs })
}

fn known(name: &str) -> Result<(), Turned> {
    let same = |known: &&str| known.eq_ignore_ascii_case(name) && **known != *name;
    if SINGLE.iter().chain(&REPEATED).any(same) {
        return Err(Turned::malformed(
            RULE,
            "a parameter is written in another case than the API's",
        ));
    }
    if VERBS.iter().any(|verb| verb.eq_ignore_ascii_case(name)) {
        return Err(Turned::malformed(
            RULE,
            "a parameter names another HTTP method",
        ));
    }
    Ok(())
}

fn decoded(raw: &str) -> Result<String, Turned> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'%' => {
                let (byte, after) = escape(rest)?;
                bytes.push(byte);
                rest = after;
            }
            b'+' => bytes.push(b' '),
            b';' | b'#' => {
                return Err(Turned::malformed(
                    RULE,
                    "a semicolon or `#` stands in the parameters unencoded",
                ));
            }
            0x21..=0x7e => bytes.push(first),
            _ => {
                return Err(Turned::malformed(
                    RULE,
                    "the parameters have a character that belongs into none",
                ));
            }
        }
    }
    if bytes.contains(&0) {
        return Err(Turned::malformed(RULE, "a parameter holds a NUL"));
    }
    String::from_utf8(bytes).map_err(|_| Turned::malformed(RULE, "a parameter is no UTF-8"))
}

/// The parameters of `target` with some taken out and some put in; the others stay as they came. Of a name that is
/// put in, what was there goes.
pub(crate) fn rewritten(target: &str, out: &[&str], put: &[(&str, String)]) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let stays = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        let name = decoded(name).unwrap_or_default();
        !out.contains(&name.as_str()) && !put.iter().any(|(n, _)| *n == name)
    };
    let kept = query.split('&').filter(|pair| !pair.is_empty());
    let kept = kept.filter(stays).map(str::to_owned);
    let put = put
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)));
    let pairs: Vec<String> = kept.chain(put).collect();
    match pairs.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{}", pairs.join("&")),
    }
}

/// Everything encoded that is not unreserved (RFC 3986 section 2.3): one reading for all.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The value of a parameter of `target`, when it says anything.
pub(crate) fn parameter(target: &str, name: &str) -> Option<String> {
    let (_, query) = target.split_once('?')?;
    read(query).ok()?.text(name)
}
