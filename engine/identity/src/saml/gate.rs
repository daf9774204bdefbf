//! The gate in front of the SAML library: a response is let through only when it is plain. All the known
//! attacks on SAML let two readers see two documents in one (comments, entities, a second assertion, a
//! signature over something that nobody reads, a prefix that means two things). What is plain reads one way.
//!
//! It refuses, before any signature is looked at: DOCTYPE, comments, CDATA, processing instructions, entities
//! but the five of XML, elements and attributes of unknown namespaces, a prefix that changes its meaning, more
//! or fewer than one assertion, signatures anywhere but on the response and the assertion, a signature that
//! does not name its own parent, an id twice or by another name, encryption, depth, length.

use portcullis_model::limits;
use std::collections::{BTreeMap, BTreeSet};

const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const SIGNATURE: &str = "http://www.w3.org/2000/09/xmldsig#";
const CANONICAL: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
const SCHEMA: &str = "http://www.w3.org/2001/XMLSchema";

/// Namespaces that elements may be of.
const ELEMENTS: [&str; 4] = [PROTOCOL, ASSERTION, SIGNATURE, CANONICAL];
/// Namespaces that may be declared: besides those of elements, what attribute values are typed with.
const DECLARED: [&str; 6] = [PROTOCOL, ASSERTION, SIGNATURE, CANONICAL, INSTANCE, SCHEMA];
/// The elements that may be there at all, so that no local name means two things.
const OF_PROTOCOL: [&str; 4] = ["Response", "Status", "StatusCode", "StatusMessage"];
const OF_ASSERTION: [&str; 20] = [
    "Assertion",
    "Attribute",
    "AttributeStatement",
    "AttributeValue",
    "Audience",
    "AudienceRestriction",
    "AuthenticatingAuthority",
    "AuthnContext",
    "AuthnContextClassRef",
    "AuthnContextDeclRef",
    "AuthnStatement",
    "Conditions",
    "Issuer",
    "NameID",
    "OneTimeUse",
    "ProxyRestriction",
    "Subject",
    "SubjectConfirmation",
    "SubjectConfirmationData",
    "SubjectLocality",
];
/// No `Object`, no `Manifest`, nothing that fetches: nobody should sign or trust what they carry.
const OF_SIGNATURE: [&str; 13] = [
    "CanonicalizationMethod",
    "DigestMethod",
    "DigestValue",
    "KeyInfo",
    "Reference",
    "Signature",
    "SignatureMethod",
    "SignatureValue",
    "SignedInfo",
    "Transform",
    "Transforms",
    "X509Certificate",
    "X509Data",
];

/// Why a response does not get through. Nothing of it is in here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unplain {
    #[error("it is too long, too deep or has too many parts")]
    Large,
    #[error("it is no well-formed XML")]
    Malformed,
    #[error("it holds a DOCTYPE, a comment, CDATA, a processing instruction or an entity")]
    Hidden,
    #[error("it uses a namespace or an attribute that has no place in it")]
    Foreign,
    #[error("a prefix means two things in it")]
    Rebound,
    #[error("it has not exactly one assertion, in its place")]
    Assertions,
    #[error("a signature stands or points where none belongs")]
    Signatures,
    #[error("an id is missing, there twice, or by another name")]
    Ids,
    #[error("it is encrypted, and encrypted responses are not taken")]
    Encrypted,
}

/// Lets a response through, or says why not.
pub(crate) fn plain(text: &str) -> Result<(), Unplain> {
    if text.len() > limits::SAML_BYTES_MAX {
        return Err(Unplain::Large);
    }
    let mut reader = Reader {
        rest: declaration(text)?,
        open: Vec::new(),
        ids: BTreeSet::new(),
        elements: 0,
        assertions: 0,
        signatures: Vec::new(),
        ended: false,
    };
    reader.read()
}

/// What stands behind `<?xml … ?>`, the one instruction that may be there, once, in front.
fn declaration(text: &str) -> Result<&str, Unplain> {
    let Some(rest) = text.strip_prefix("<?xml ") else {
        return Ok(text);
    };
    let (inside, rest) = rest.split_once("?>").ok_or(Unplain::Malformed)?;
    let inside = inside.to_ascii_lowercase().replace('\'', "\"");
    let utf8 = !inside.contains("encoding") || inside.contains("encoding=\"utf-8\"");
    match utf8 && !inside.contains('<') {
        true => Ok(rest),
        false => Err(Unplain::Hidden),
    }
}

struct Open<'t> {
    name: &'t str,
    space: &'t str,
    local: &'t str,
    prefixes: BTreeMap<&'t str, &'t str>,
    id: Option<&'t str>,
}

struct Reader<'t> {
    rest: &'t str,
    open: Vec<Open<'t>>,
    ids: BTreeSet<&'t str>,
    elements: usize,
    assertions: usize,
    /// Parents of signatures, and how many references each has.
    signatures: Vec<(&'t str, usize)>,
    ended: bool,
}

impl<'t> Reader<'t> {
    fn read(&mut self) -> Result<(), Unplain> {
        loop {
            let at = self.rest.find('<').unwrap_or(self.rest.len());
            let (content, rest) = self.rest.split_at(at);
            self.content(content)?;
            self.rest = rest;
            if rest.is_empty() {
                break;
            }
            if rest.starts_with("<!") || rest.starts_with("<?") {
                return Err(Unplain::Hidden);
            }
            match rest.strip_prefix("</") {
                Some(rest) => self.close(rest)?,
                None => self.element()?,
            }
        }
        let signed = self
            .signatures
            .iter()
            .all(|(_, references)| *references == 1);
        match (self.ended, self.assertions, signed) {
            (false, _, _) => Err(Unplain::Malformed),
            (true, 1, true) => Ok(()),
            (true, 1, false) => Err(Unplain::Signatures),
            (true, _, _) => Err(Unplain::Assertions),
        }
    }

    fn content(&self, text: &str) -> Result<(), Unplain> {
        if self.open.is_empty() && !text.trim_matches([' ', '\t', '\r', '\n']).is_empty() {
            return Err(Unplain::Malformed);
        }
        if text.contains("]]>") {
            return Err(Unplain::Hidden);
        }
        characters(text)
    }

    fn close(&mut self, rest: &'t str) -> Result<(), Unplain> {
        let (name, rest) = rest.split_once('>').ok_or(Unplain::Malformed)?;
        let open = self.open.pop().ok_or(Unplain::Malformed)?;
        if open.name != name.trim_end_matches([' ', '\t', '\r', '\n']) {
            return Err(Unplain::Malformed);
        }
        self.ended = self.open.is_empty();
        self.rest = rest;
        Ok(())
    }

    fn element(&mut self) -> Result<(), Unplain> {
        self.elements += 1;
        if self.ended {
            return Err(Unplain::Malformed);
        }
        if self.elements > limits::SAML_ELEMENTS_MAX || self.open.len() >= limits::SAML_DEPTH_MAX {
            return Err(Unplain::Large);
        }
        let (tag, rest) = tag(self.rest)?;
        self.rest = rest;
        let (tag, empty) = match tag.strip_suffix('/') {
            Some(tag) => (tag, true),
            None => (tag, false),
        };
        let (name, attributes) = attributes(tag)?;
        let parent = self.open.last();
        let prefixes = declared(&attributes, parent.map(|p| &p.prefixes))?;
        let (space, local) = resolve(name, &prefixes, true)?;
        if !ELEMENTS.contains(&space) {
            return Err(Unplain::Foreign);
        }
        let open = Open {
            id: id(space, local, &attributes, &prefixes)?,
            name,
            space,
            local,
            prefixes,
        };
        self.place(&open, &attributes)?;
        match empty {
            true => self.ended = self.open.is_empty(),
            false => self.open.push(open),
        }
        Ok(())
    }

    /// Whether an element of this name may stand here.
    fn place(&mut self, open: &Open<'t>, attributes: &[(&'t str, &'t str)]) -> Result<(), Unplain> {
        let parent = self.open.last().map(|p| (p.space, p.local));
        let response = Some((PROTOCOL, "Response"));
        if parent.is_none() && (open.space, open.local) != (PROTOCOL, "Response") {
            return Err(Unplain::Malformed);
        }
        if let Some(id) = open.id
            && !self.ids.insert(id)
        {
            return Err(Unplain::Ids);
        }
        let within = |space, local| {
            self.open
                .iter()
                .any(|o| (o.space, o.local) == (space, local))
        };
        match (open.space, open.local) {
            (PROTOCOL, "Response") if parent.is_some() => Err(Unplain::Assertions),
            (PROTOCOL, local) if OF_PROTOCOL.contains(&local) => Ok(()),
            (ASSERTION, "Assertion") => {
                self.assertions += 1;
                (parent == response)
                    .then_some(())
                    .ok_or(Unplain::Assertions)
            }
            (ASSERTION, "EncryptedAssertion" | "EncryptedID" | "EncryptedAttribute") => {
                Err(Unplain::Encrypted)
            }
            (ASSERTION, "Issuer") if parent == response => Ok(()),
            // Whatever is said about anybody is said in the assertion.
            (ASSERTION, local) if OF_ASSERTION.contains(&local) => {
                let inside = within(ASSERTION, "Assertion");
                inside.then_some(()).ok_or(Unplain::Assertions)
            }
            (SIGNATURE, "Signature") => self.signature(parent),
            (SIGNATURE, "Reference") => self.reference(attributes),
            (SIGNATURE, local) if !OF_SIGNATURE.contains(&local) => Err(Unplain::Signatures),
            // Everything of a signature stands in one.
            (SIGNATURE, _) | (CANONICAL, "InclusiveNamespaces") => {
                let inside = within(SIGNATURE, "Signature");
                inside.then_some(()).ok_or(Unplain::Signatures)
            }
            _ => Err(Unplain::Foreign),
        }
    }

    fn signature(&mut self, parent: Option<(&str, &str)>) -> Result<(), Unplain> {
        let carries = [Some((PROTOCOL, "Response")), Some((ASSERTION, "Assertion"))];
        let on = self.open.last().and_then(|p| p.id);
        match on {
            Some(id)
                if carries.contains(&parent)
                    && !self.signatures.iter().any(|(of, _)| *of == id) =>
            {
                self.signatures.push((id, 0));
                Ok(())
            }
            _ => Err(Unplain::Signatures),
        }
    }

    /// A reference names the element that its signature stands in.
    fn reference(&mut self, attributes: &[(&str, &str)]) -> Result<(), Unplain> {
        let uri = attributes.iter().find(|(name, _)| *name == "URI");
        let named = uri.and_then(|(_, value)| value.strip_prefix('#'));
        let depth = self.open.len();
        let chain = |up: usize| depth.checked_sub(up).and_then(|at| self.open.get(at));
        let within = chain(1).is_some_and(|o| (o.space, o.local) == (SIGNATURE, "SignedInfo"))
            && chain(2).is_some_and(|o| (o.space, o.local) == (SIGNATURE, "Signature"));
        let owner = chain(3).and_then(|o| o.id);
        let last = self.signatures.last_mut();
        match (last, owner, named) {
            (Some((of, references)), Some(owner), Some(named))
                if within && owner == named && *of == owner =>
            {
                *references += 1;
                Ok(())
            }
            _ => Err(Unplain::Signatures),
        }
    }
}

/// From `<` to the `>` that ends the tag: quotes may hold one, and must not hold `<`.
fn tag(text: &str) -> Result<(&str, &str), Unplain> {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match (quote, byte) {
            (_, b'<') => return Err(Unplain::Malformed),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if byte == open => quote = None,
            (None, b'>') => {
                let tag = text.get(1..at).ok_or(Unplain::Malformed)?;
                let rest = text.get(at + 1..).ok_or(Unplain::Malformed)?;
                return Ok((tag, rest));
            }
            _ => {}
        }
    }
    Err(Unplain::Malformed)
}

type Attributes<'t> = Vec<(&'t str, &'t str)>;

fn attributes(tag: &str) -> Result<(&str, Attributes<'_>), Unplain> {
    const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];
    let end = tag.find(SPACE).unwrap_or(tag.len());
    let (name, mut rest) = tag.split_at(end);
    named(name)?;
    let mut found: Attributes<'_> = Vec::new();
    loop {
        let trimmed = rest.trim_start_matches(SPACE);
        if trimmed.is_empty() {
            return Ok((name, found));
        }
        // Between two attributes there is white space.
        if trimmed.len() == rest.len() {
            return Err(Unplain::Malformed);
        }
        let (attribute, after) = trimmed.split_once('=').ok_or(Unplain::Malformed)?;
        let attribute = attribute.trim_end_matches(SPACE);
        named(attribute)?;
        let after = after.trim_start_matches(SPACE);
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
        let quote = quote.ok_or(Unplain::Malformed)?;
        let (value, after) = after
            .get(1..)
            .and_then(|inside| inside.split_once(quote))
            .ok_or(Unplain::Malformed)?;
        characters(value)?;
        if found.iter().any(|(other, _)| *other == attribute) {
            return Err(Unplain::Malformed);
        }
        if found.len() >= limits::SAML_ATTRIBUTES_MAX {
            return Err(Unplain::Large);
        }
        found.push((attribute, value));
        rest = after;
    }
}

/// ASCII names with one colon at most: all that SAML has.
fn named(name: &str) -> Result<(), Unplain> {
    let part = |text: &str| {
        let mut bytes = text.bytes();
        bytes
            .next()
            .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
            && bytes.all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    let good = match name.split_once(':') {
        None => part(name),
        Some((prefix, local)) => part(prefix) && part(local),
    };
    good.then_some(()).ok_or(Unplain::Malformed)
}

/// Only characters of XML, and only the entities that every reader knows.
fn characters(text: &str) -> Result<(), Unplain> {
    if text
        .chars()
        .any(|c| (c.is_control() && !"\t\r\n".contains(c)) || matches!(c, '\u{fffe}' | '\u{ffff}'))
    {
        return Err(Unplain::Malformed);
    }
    const KNOWN: [&str; 10] = [
        "amp;", "lt;", "gt;", "quot;", "apos;", "#9;", "#10;", "#13;", "#xA;", "#xD;",
    ];
    let mut parts = text.split('&').skip(1);
    match parts.all(|part| KNOWN.iter().any(|known| part.starts_with(known))) {
        true => Ok(()),
        false => Err(Unplain::Hidden),
    }
}

/// The prefixes in force, with those that these attributes declare.
fn declared<'t>(
    attributes: &[(&'t str, &'t str)],
    outer: Option<&BTreeMap<&'t str, &'t str>>,
) -> Result<BTreeMap<&'t str, &'t str>, Unplain> {
    let mut prefixes = outer.cloned().unwrap_or_default();
    for (name, value) in attributes {
        let prefix = match name.strip_prefix("xmlns") {
            Some("") => "",
            Some(rest) => match rest.strip_prefix(':') {
                Some(prefix) => prefix,
                None => return Err(Unplain::Foreign),
            },
            None => continue,
        };
        if !DECLARED.contains(value) || prefix == "xml" || prefix == "xmlns" {
            return Err(Unplain::Foreign);
        }
        let before = prefixes.insert(prefix, value);
        // The default namespace may change from element to element; a prefix may not.
        if !prefix.is_empty() && before.is_some_and(|before| before != *value) {
            return Err(Unplain::Rebound);
        }
    }
    Ok(prefixes)
}

/// Namespace and local name.
fn resolve<'t>(
    name: &'t str,
    prefixes: &BTreeMap<&'t str, &'t str>,
    element: bool,
) -> Result<(&'t str, &'t str), Unplain> {
    match name.split_once(':') {
        Some((prefix, local)) => {
            let space = prefixes.get(prefix).copied().ok_or(Unplain::Foreign)?;
            Ok((space, local))
        }
        None if element => {
            let space = prefixes.get("").copied().ok_or(Unplain::Foreign)?;
            Ok((space, name))
        }
        None => Ok(("", name)),
    }
}

/// The `ID` of a response or an assertion. Nothing else has one, by any spelling.
fn id<'t>(
    space: &str,
    local: &str,
    attributes: &[(&'t str, &'t str)],
    prefixes: &BTreeMap<&'t str, &'t str>,
) -> Result<Option<&'t str>, Unplain> {
    let identified = matches!(
        (space, local),
        (PROTOCOL, "Response") | (ASSERTION, "Assertion")
    );
    let mut found = None;
    for (name, value) in attributes {
        if *name == "xmlns" || name.starts_with("xmlns:") {
            continue;
        }
        let (of, attribute) = resolve(name, prefixes, false)?;
        match (of, attribute) {
            ("", "ID") if identified && good_id(value) => found = Some(*value),
            (_, attribute) if attribute.eq_ignore_ascii_case("id") => return Err(Unplain::Ids),
            ("", _) | (INSTANCE, "type" | "nil") => {}
            _ => return Err(Unplain::Foreign),
        }
    }
    match identified && found.is_none() {
        true => Err(Unplain::Ids),
        false => Ok(found),
    }
}

fn good_id(value: &str) -> bool {
    !value.contains(':') && value.len() <= 256 && named(value).is_ok()
}

#[cfg(test)]
mod tests;
