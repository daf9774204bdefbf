//! From proven claims to an identity.
//!
//! It refuses to read absence as permission: groups that were left out for length are an error, an e-mail
//! nobody verified is no name, and an actor chain that does not parse is no chain. It refuses a login that is to come.

use crate::config::{ClaimMap, IssuerConfig, Required};
use crate::refused::{Code, Refused};
use crate::token::{Proven, numeric_date};
use portcullis_model::{Identity, Kind, Principal, Timestamp, limits};
use serde_json::{Map, Value};

/// `amr` values that are kept.
const METHODS_MAX: usize = 16;

/// The identity that these claims prove.
pub(crate) fn identity(
    config: &IssuerConfig,
    proven: Proven,
    now: Timestamp,
) -> Result<Identity, Refused> {
    let claims = &proven.claims;
    required(config, claims)?;
    let kind = allowed(config, kind(config, claims))?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let methods = claims.get("amr").and_then(Value::as_array);
    Ok(Identity {
        principal: Principal {
            issuer: config.issuer.clone(),
            subject: proven.subject.clone(),
        },
        provider: config.name.clone(),
        kind,
        name: name(&config.claims, claims).unwrap_or_else(|| proven.subject.clone()),
        groups: groups(&config.claims, claims)?,
        claims: config
            .allowed_claims
            .iter()
            .map(String::as_str)
            // Who may act for the subject binds whether or not the operator wants to see it.
            .chain(["may_act"])
            .filter_map(|name| Some((name.to_owned(), find(claims, name)?.clone())))
            .collect(),
        actors: actors(config, claims)?,
        owner: owner(config, claims)?,
        authenticated: proved(config, claims, now)?,
        methods: methods
            .into_iter()
            .flatten()
            .filter_map(|method| method.as_str().map(str::to_owned))
            .take(METHODS_MAX)
            .collect(),
        assurance: text("acr"),
        token_id: text("jti"),
        expires: proven.expires,
    })
}

/// When the person last proved who they are, as far as the token says it. A time that is to come is refused: it would be
/// a moment ago for as long as it is to come.
fn proved(
    config: &IssuerConfig,
    claims: &Map<String, Value>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Refused> {
    let Some(seconds) = claims.get("auth_time").and_then(numeric_date) else {
        return Ok(None);
    };
    let at = Timestamp(seconds * 1_000_000_000);
    match at > now.after(config.skew) {
        true => Err(Refused::new(
            Code::Future,
            "the token says that its owner will log in only later (`auth_time`)",
            "The operator compares the clocks of the gateway and of the identity provider.",
        )),
        // A clock that is ahead makes nobody's proof younger than it can be.
        false => Ok(Some(at.min(now))),
    }
}

/// A claim by exact name, or by JSON pointer when the name begins with a slash.
fn find<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    match name.strip_prefix('/') {
        None => claims.get(name),
        Some(path) => {
            let (first, rest) = match path.split_once('/') {
                Some((first, rest)) => (first, format!("/{rest}")),
                None => (path, String::new()),
            };
            let first = first.replace("~1", "/").replace("~0", "~");
            claims.get(&first)?.pointer(&rest)
        }
    }
}

/// What the operator wants every token of this issuer to say.
fn required(config: &IssuerConfig, claims: &Map<String, Value>) -> Result<(), Refused> {
    let met = |rule: &Required| {
        find(claims, &rule.claim)
            .is_some_and(|found| rule.values.iter().any(|wanted| says(found, wanted)))
    };
    match config.required.iter().all(met) {
        true => Ok(()),
        false => Err(Refused::new(
            Code::Required,
            "the token comes from a part of its issuer that may not use this gateway",
            "The operator lists what tokens of this issuer must say (`require`): repository, project, domain.",
        )),
    }
}

fn allowed(config: &IssuerConfig, kind: Kind) -> Result<Kind, Refused> {
    match config.kinds.contains(&kind) {
        true => Ok(kind),
        false => Err(Refused::new(
            Code::Kind,
            "actors of this kind may not come from this issuer",
            "The operator lists the kinds (`kinds`) that each issuer may vouch for.",
        )),
    }
}

/// True when a claim says this, or is a list that holds it.
fn says(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Bool(flag) => flag.to_string() == wanted,
        Value::Number(number) => number.to_string() == wanted,
        Value::Array(items) => items.iter().any(|item| item == wanted),
        _ => false,
    }
}

fn kind(config: &IssuerConfig, claims: &Map<String, Value>) -> Kind {
    config
        .claims
        .kinds
        .iter()
        .find(|rule| match (find(claims, &rule.claim), &rule.value) {
            (Some(found), Some(wanted)) => says(found, wanted),
            (Some(_), None) => true,
            (None, _) => false,
        })
        .map_or(config.kind, |rule| rule.kind)
}

/// A verified e-mail, else the mapped display name; never an address that nobody has verified.
fn name(map: &ClaimMap, claims: &Map<String, Value>) -> Option<String> {
    let bounded = |text: &&str| !text.is_empty() && text.len() <= limits::TOKEN_NAME_BYTES_MAX;
    let text = |claim: &Option<String>| {
        let found = find(claims, claim.as_deref()?)?;
        found.as_str().filter(bounded)
    };
    // Some providers send the flag as a string.
    let verified = claims
        .get("email_verified")
        .is_some_and(|flag| *flag == true || *flag == "true");
    let email = text(&map.email).filter(|_| verified);
    let shown = email.or_else(|| text(&map.name).filter(|name| !name.contains('@')));
    shown.map(str::to_owned)
}

fn groups(map: &ClaimMap, claims: &Map<String, Value>) -> Result<Vec<String>, Refused> {
    let Some(claim) = &map.groups else {
        return Ok(Vec::new());
    };
    overage(claim, claims)?;
    let wrong = || {
        Refused::new(
            Code::Groups,
            "the token's groups are not a list of names",
            "The operator maps the claim that holds the groups.",
        )
    };
    let Some(found) = find(claims, claim) else {
        return Ok(Vec::new());
    };
    let names: Vec<&str> = match found {
        Value::String(one) => vec![one],
        Value::Array(several) => several
            .iter()
            .map(Value::as_str)
            .collect::<Option<_>>()
            .ok_or_else(wrong)?,
        _ => return Err(wrong()),
    };
    let fits = |name: &&str| name.len() <= limits::TOKEN_NAME_BYTES_MAX;
    if names.len() > limits::TOKEN_GROUPS_MAX || !names.iter().all(fits) {
        return Err(wrong());
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

/// A person in too many groups gets a token without any (Entra: `_claim_names`, `hasgroups`). "No groups"
/// would mean that no rule that denies by group fits.
fn overage(claim: &str, claims: &Map<String, Value>) -> Result<(), Refused> {
    let elsewhere = claims
        .get("_claim_names")
        .is_some_and(|names| names.get(claim).is_some() || !names.is_object());
    let hinted = claim == "groups"
        && claims
            .get("hasgroups")
            .is_some_and(|flag| *flag != false && *flag != "false");
    match elsewhere || hinted {
        false => Ok(()),
        true => Err(Refused::new(
            Code::Overage,
            "the token leaves out the groups because there are too many of them",
            "Ask the operator to map app roles, or to limit the groups that go into the token.",
        )),
    }
}

/// RFC 8693 section 4.1: who acts for the subject, the current actor first.
fn actors(config: &IssuerConfig, claims: &Map<String, Value>) -> Result<Vec<Principal>, Refused> {
    let wrong = || {
        Refused::new(
            Code::Actors,
            "the token's chain of actors cannot be read",
            "Each `act` needs a `sub`, and the chain has a limit.",
        )
    };
    let mut chain = Vec::new();
    let mut next = claims.get("act");
    while let Some(actor) = next {
        if chain.len() == limits::TOKEN_ACTORS_MAX {
            return Err(wrong());
        }
        let actor = actor.as_object().ok_or_else(wrong)?;
        let subject = actor.get("sub").and_then(Value::as_str);
        let issuer = match actor.get("iss") {
            None => config.issuer.as_str(),
            Some(issuer) => issuer.as_str().ok_or_else(wrong)?,
        };
        chain.push(Principal {
            issuer: issuer.to_owned(),
            subject: subject
                .filter(|s| !s.is_empty())
                .ok_or_else(wrong)?
                .to_owned(),
        });
        next = actor.get("act");
    }
    Ok(chain)
}

/// The person who answers for a machine. A mapped claim of the wrong type is refused: it decides who may
/// not vote.
fn owner(config: &IssuerConfig, claims: &Map<String, Value>) -> Result<Option<Principal>, Refused> {
    let found = config.claims.owner.as_ref().and_then(|c| find(claims, c));
    let Some(found) = found else {
        return Ok(None);
    };
    let subject = found.as_str().filter(|s| !s.is_empty()).ok_or_else(|| {
        Refused::new(
            Code::Claims,
            "the token's owner is not one name",
            "The operator maps the claim that names the owner.",
        )
    })?;
    let issuer = config.claims.owner_issuer.as_ref();
    Ok(Some(Principal {
        issuer: issuer.unwrap_or(&config.issuer).clone(),
        subject: subject.to_owned(),
    }))
}
