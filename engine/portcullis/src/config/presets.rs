//! What is the same for everybody who trusts a platform: its issuer, its algorithms, which claims matter,
//! and how a person is told from a machine. Each entry has the platform's documentation as its source, and a
//! page in `engine/docs/identity/`.
//!
//! It refuses to guess whom to trust: a preset never fills in an audience or what pins a public issuer. A
//! machine is never taken for a person: where a token does not say that a person is behind it, it is a
//! service.

use super::issuer::{Algorithm, Issuer, KindOf, KindRule};
use super::{Period, Values};
use portcullis_model::Kind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A platform whose tokens are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Roles of AWS IAM (`sts:GetWebIdentityToken`).
    Aws,
    /// OAuth 2.0 client credentials with RFC 9068 access tokens.
    ClientCredentials,
    /// Microsoft Entra ID, one tenant.
    Entra,
    /// GitHub Actions.
    GithubActions,
    /// GitLab CI.
    Gitlab,
    /// Google accounts, of people and of workloads.
    Google,
    /// Keycloak, one realm.
    Keycloak,
    /// Projected service account tokens of a Kubernetes cluster.
    Kubernetes,
    /// Okta, one authorization server.
    Okta,
    /// SPIFFE JWT-SVIDs of one trust domain.
    Spiffe,
}

/// What a platform has in common.
struct Platform {
    issuer: Option<&'static str>,
    algorithms: &'static [Algorithm],
    kind: Kind,
    /// Claim, value, kind.
    rules: &'static [(&'static str, Option<&'static str>, Kind)],
    groups: Option<&'static str>,
    name: Option<&'static str>,
    claims: &'static [&'static str],
    typ: Option<&'static str>,
    max_age: Option<Duration>,
}

const PLAIN: Platform = Platform {
    issuer: None,
    algorithms: &[Algorithm::RS256, Algorithm::ES256],
    kind: Kind::Service,
    rules: &[],
    groups: None,
    name: None,
    claims: &[],
    typ: None,
    max_age: None,
};

/// A job asks for its token right before it uses it.
const JOB: Option<Duration> = Some(Duration::from_secs(15 * 60));

const GITHUB: Platform = Platform {
    issuer: Some("https://token.actions.githubusercontent.com"),
    algorithms: &[Algorithm::RS256],
    kind: Kind::Ci,
    claims: &[
        "actor",
        "actor_id",
        "environment",
        "event_name",
        "job_workflow_ref",
        "ref",
        "ref_protected",
        "ref_type",
        "repository",
        "repository_id",
        "repository_owner",
        "repository_owner_id",
        "repository_visibility",
        "run_attempt",
        "run_id",
        "runner_environment",
        "sha",
        "workflow_ref",
    ],
    max_age: JOB,
    ..PLAIN
};

const GITLAB: Platform = Platform {
    issuer: Some("https://gitlab.com"),
    algorithms: &[Algorithm::RS256],
    kind: Kind::Ci,
    claims: &[
        "ci_config_ref_uri",
        "environment",
        "environment_protected",
        "job_id",
        "namespace_id",
        "namespace_path",
        "pipeline_id",
        "pipeline_source",
        "project_id",
        "project_path",
        "ref",
        "ref_protected",
        "ref_type",
        "runner_environment",
        "sha",
        "user_id",
        "user_login",
    ],
    max_age: JOB,
    ..PLAIN
};

const KUBERNETES: Platform = Platform {
    claims: &[
        "/kubernetes.io/namespace",
        "/kubernetes.io/node/name",
        "/kubernetes.io/pod/name",
        "/kubernetes.io/pod/uid",
        "/kubernetes.io/serviceaccount/name",
        "/kubernetes.io/serviceaccount/uid",
    ],
    ..PLAIN
};

const SPIFFE: Platform = Platform {
    algorithms: &[
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
    ],
    ..PLAIN
};

const AWS: Platform = Platform {
    algorithms: &[Algorithm::RS256, Algorithm::ES384],
    claims: &["https://sts.amazonaws.com/"],
    ..PLAIN
};

const CLIENT_CREDENTIALS: Platform = Platform {
    claims: &["azp", "client_id", "scope"],
    typ: Some("at+jwt"),
    ..PLAIN
};

/// `idtyp` is optional, so that its absence says nothing; `scp` stands in tokens that act for a user only.
const ENTRA: Platform = Platform {
    algorithms: &[Algorithm::RS256],
    rules: &[
        ("idtyp", Some("app"), Kind::Service),
        ("scp", None, Kind::Human),
        ("preferred_username", None, Kind::Human),
    ],
    groups: Some("groups"),
    name: Some("name"),
    claims: &["appid", "azp", "idtyp", "oid", "roles", "scp", "tid"],
    ..PLAIN
};

/// `hd` names the Workspace domain; a service account has none.
const GOOGLE: Platform = Platform {
    issuer: Some("https://accounts.google.com"),
    algorithms: &[Algorithm::RS256],
    rules: &[("hd", None, Kind::Human)],
    name: Some("name"),
    claims: &["azp", "email", "email_verified", "google", "hd"],
    ..PLAIN
};

/// Access tokens for a person have `uid`, ID tokens `preferred_username`; client credentials neither.
const OKTA: Platform = Platform {
    algorithms: &[Algorithm::RS256],
    rules: &[
        ("uid", None, Kind::Human),
        ("preferred_username", None, Kind::Human),
    ],
    groups: Some("groups"),
    name: Some("name"),
    claims: &["cid", "scp", "uid"],
    ..PLAIN
};

/// Only a service account's token has `client_id`; a person's has the session that she logged in to.
const KEYCLOAK: Platform = Platform {
    rules: &[
        ("client_id", None, Kind::Service),
        ("sid", None, Kind::Human),
    ],
    groups: Some("/realm_access/roles"),
    name: Some("preferred_username"),
    claims: &["azp", "client_id", "scope", "/resource_access"],
    ..PLAIN
};

impl Preset {
    fn platform(self) -> &'static Platform {
        match self {
            Self::Aws => &AWS,
            Self::ClientCredentials => &CLIENT_CREDENTIALS,
            Self::Entra => &ENTRA,
            Self::GithubActions => &GITHUB,
            Self::Gitlab => &GITLAB,
            Self::Google => &GOOGLE,
            Self::Keycloak => &KEYCLOAK,
            Self::Kubernetes => &KUBERNETES,
            Self::Okta => &OKTA,
            Self::Spiffe => &SPIFFE,
        }
    }
}

/// Claims that only one customer of a public issuer can have.
const PINS: [(&str, &[&str]); 3] = [
    (
        "https://token.actions.githubusercontent.com",
        &[
            "enterprise_id",
            "repository_id",
            "repository_owner_id",
            "sub",
        ],
    ),
    ("https://gitlab.com", &["namespace_id", "project_id", "sub"]),
    ("https://accounts.google.com", &["email", "hd", "sub"]),
];

/// The claims of which `require` must name one, for an issuer that gives tokens to the whole world.
pub(super) fn pins(issuer: &str) -> Option<&'static [&'static str]> {
    let found = PINS.iter().find(|(public, _)| *public == issuer);
    found.map(|(_, claims)| *claims)
}

impl Issuer {
    /// Fills in what was not written: what the preset knows, and the defaults of every issuer.
    pub(super) fn fill(&mut self) {
        let platform = self.preset.map_or(&PLAIN, Preset::platform);
        if let (true, Some(issuer)) = (self.issuer.is_empty(), platform.issuer) {
            issuer.clone_into(&mut self.issuer);
        }
        let owned = |text: &str| text.to_owned();
        self.algorithms
            .get_or_insert_with(|| platform.algorithms.to_vec());
        self.claims
            .get_or_insert_with(|| platform.claims.iter().copied().map(owned).collect());
        if self.preset.is_none() {
            return;
        }
        self.kind.get_or_insert_with(|| KindRule {
            claim: None,
            rules: platform.rules.iter().map(rule).collect(),
            fixed: Some(platform.kind),
        });
        fill(&mut self.groups_claim, platform.groups);
        fill(&mut self.name_claim, platform.name);
        fill(&mut self.typ, platform.typ);
        self.max_age = self.max_age.or(platform.max_age.map(Period));
    }
}

fn rule((claim, value, kind): &(&str, Option<&str>, Kind)) -> KindOf {
    KindOf {
        claim: (*claim).to_owned(),
        value: value.map(str::to_owned),
        kind: *kind,
    }
}

fn fill(key: &mut Option<String>, known: Option<&str>) {
    if key.is_none() {
        *key = known.map(str::to_owned);
    }
}

impl Values {
    /// True when there is one, and none is empty.
    pub(super) fn say_something(&self) -> bool {
        !self.all().is_empty() && self.all().iter().all(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::parse;
    use std::path::Path;

    const AROUND: &str = "\
node: gw-1
state_dir: /tmp/x
listeners:
  - protocol: postgres
    address: 127.0.0.1:6432
    tls: { self_signed: true }
  - protocol: https
    address: 127.0.0.1:6443
    tls: { self_signed: true }
connections:
  - name: orders
    protocol: postgres
    host: 127.0.0.1
    tls: disable
    credential:
      static: { user: app, password: env:APP_PASSWORD }
policies:
  packs:
    - builtin: access
";

    fn found(issuers: &str) -> String {
        match parse(Path::new("p.yaml"), format!("{AROUND}{issuers}")) {
            Ok(loaded) => loaded.warnings.to_string(),
            Err(problems) => problems.to_string(),
        }
    }

    #[test]
    fn what_the_pages_say_to_write_is_right() {
        let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/identity");
        let mut blocks = 0;
        for page in std::fs::read_dir(pages).expect("the pages") {
            let page = page.expect("a page").path();
            let text = std::fs::read_to_string(&page).expect("a page");
            for block in text.split("```yaml\n").skip(1) {
                let block = block.split("```").next().unwrap_or_default();
                assert_eq!(found(block), "", "{}:\n{block}", page.display());
                blocks += 1;
            }
        }
        assert!(blocks >= 15, "{blocks}");
    }

    #[test]
    fn what_would_trust_the_whole_world_is_refused() {
        for (issuer, says) in [
            (
                "{ name: g, preset: github-actions, audiences: [p] }",
                "whole world",
            ),
            (
                "{ name: g, preset: github-actions, audiences: [p], require: { ref: main } }",
                "repository_owner_id",
            ),
            ("{ name: g, preset: google, audiences: [p] }", "whole world"),
            ("{ name: g, preset: gitlab, audiences: [p] }", "whole world"),
            (
                "{ name: e, preset: entra, issuer: https://login.microsoftonline.com/common/v2.0, audiences: [p] }",
                "not one tenant",
            ),
            (
                "{ name: s, preset: spiffe, issuer: spiffe://a, audiences: [p] }",
                "has no keys",
            ),
            (
                "{ name: s, preset: spiffe, issuer: https://a, audiences: [p], keys: k }",
                "no trust domain",
            ),
            ("{ name: o, preset: okta, audiences: [p] }", "no https"),
            (
                "{ name: o, preset: okta, issuer: https://a, audiences: [p], clock_skew: 1h }",
                "five minutes",
            ),
            (
                "{ name: o, preset: okta, issuer: https://a, audiences: [p], kinds: [] }",
                "nobody could come",
            ),
            (
                "{ name: o, preset: okta, issuer: https://a, audiences: [p], require: { x: [] } }",
                "no value",
            ),
            (
                "{ name: o, issuer: https://a, audiences: [p], kind: { claim: k, fixed: human } }",
                "exactly one",
            ),
        ] {
            let found = found(&format!("issuers:\n  - {issuer}\n"));
            assert!(found.contains(says), "{issuer}: {found}");
        }
    }

    #[test]
    fn a_preset_fills_in_and_never_overwrites() {
        let text = "issuers:\n  - { name: o, preset: okta, issuer: https://a, audiences: [p], algorithms: [ES256], claims: [x] }\n";
        let loaded = parse(Path::new("p.yaml"), format!("{AROUND}{text}")).expect("good");
        let okta = &loaded.config.issuers[0];
        assert_eq!(
            okta.algorithms.as_deref(),
            Some(&[super::Algorithm::ES256][..])
        );
        assert_eq!(okta.claims.as_deref(), Some(&["x".to_owned()][..]));
        assert_eq!(okta.groups_claim.as_deref(), Some("groups"));
        let shown = crate::config::effective(&loaded.config);
        let again = parse(Path::new("p.yaml"), shown.clone()).expect("reads back");
        assert_eq!(crate::config::effective(&again.config), shown);
    }
}
