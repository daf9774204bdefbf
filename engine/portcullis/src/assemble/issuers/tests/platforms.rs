//! A whole token of each platform, as its documentation shows it: of which kind whoever sends it is, in which groups,
//! by which name, and which claims policies see. What is not listed stays outside.

use super::*;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

struct Case {
    preset: &'static str,
    claims: Value,
    kind: Kind,
    groups: &'static [&'static str],
    name: &'static str,
    /// Claims that policies see, by the names they see them under; with `/` in front one inside another.
    seen: &'static [&'static str],
}

fn github() -> Case {
    Case {
        preset: "github-actions",
        claims: json!({
            "sub": "repo:octo-org/octo-repo:environment:prod", "environment": "prod", "ref": "refs/heads/main",
            "sha": "f1d2d2f924e986ac86fdf7b36c94bcdf32beec15", "repository": "octo-org/octo-repo",
            "repository_owner": "octo-org", "actor_id": "12", "repository_visibility": "private",
            "repository_id": "74", "repository_owner_id": "65", "run_id": "7001", "run_number": "10",
            "run_attempt": "2", "runner_environment": "github-hosted", "actor": "octocat", "workflow": "deploy",
            "workflow_ref": "octo-org/octo-repo/.github/workflows/deploy.yml@refs/heads/main",
            "workflow_sha": "f1d2", "head_ref": "", "base_ref": "", "event_name": "workflow_dispatch",
            "ref_protected": "true", "ref_type": "branch", "job_workflow_sha": "f1d2",
            "job_workflow_ref": "octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main",
        }),
        kind: Kind::Ci,
        groups: &[],
        name: "repo:octo-org/octo-repo:environment:prod",
        seen: &[
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
    }
}

fn gitlab() -> Case {
    Case {
        preset: "gitlab",
        claims: json!({
            "sub": "project_path:my-group/my-project:ref_type:branch:ref:main", "namespace_id": "72",
            "namespace_path": "my-group", "project_id": "20", "project_path": "my-group/my-project",
            "user_id": "1", "user_login": "sample-user", "user_email": "sample-user@example.com",
            "user_access_level": "developer", "user_identities": [{"provider": "github", "extern_uid": "2435223452345"}],
            "pipeline_id": "574", "pipeline_source": "push", "job_id": "302", "ref": "main", "ref_type": "branch",
            "ref_path": "refs/heads/main", "ref_protected": "true", "groups_direct": ["my-group/sub"],
            "environment": "prod", "environment_protected": "true", "deployment_tier": "production",
            "environment_action": "start", "runner_id": 1, "runner_environment": "self-hosted",
            "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc", "project_visibility": "private",
            "ci_config_ref_uri": "gitlab.com/my-group/my-project//.gitlab-ci.yml@refs/heads/main",
            "ci_config_sha": "714a",
        }),
        kind: Kind::Ci,
        groups: &[],
        name: "project_path:my-group/my-project:ref_type:branch:ref:main",
        seen: &[
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
    }
}

fn kubernetes() -> Case {
    Case {
        preset: "kubernetes",
        claims: json!({
            "sub": "system:serviceaccount:shop:cart", "aud": ["portcullis"],
            "kubernetes.io": {
                "namespace": "shop", "node": {"name": "node-1", "uid": "b0a1"},
                "pod": {"name": "cart-0", "uid": "5e0b"}, "serviceaccount": {"name": "cart", "uid": "77c1"},
                "warnafter": 1_700_003_607,
            },
        }),
        kind: Kind::Service,
        groups: &[],
        name: "system:serviceaccount:shop:cart",
        seen: &[
            "/kubernetes.io/namespace",
            "/kubernetes.io/node/name",
            "/kubernetes.io/pod/name",
            "/kubernetes.io/pod/uid",
            "/kubernetes.io/serviceaccount/name",
            "/kubernetes.io/serviceaccount/uid",
        ],
    }
}

fn aws() -> Case {
    Case {
        preset: "aws",
        claims: json!({
            "sub": "arn:aws:iam::123456789012:role/app",
            "https://sts.amazonaws.com/": {
                "aws_account": "123456789012", "source_region": "eu-central-1", "org_id": "o-abc1234567",
                "principal_id": "arn:aws:iam::123456789012:role/app", "principal_tags": {"team": "orders"},
            },
        }),
        kind: Kind::Service,
        groups: &[],
        name: "arn:aws:iam::123456789012:role/app",
        seen: &["https://sts.amazonaws.com/"],
    }
}

fn google_machine() -> Case {
    Case {
        preset: "google",
        claims: json!({
            "sub": "113774264463038321964", "azp": "113774264463038321964",
            "email": "orders@acme-prod.iam.gserviceaccount.com", "email_verified": true,
            "google": {"compute_engine": {
                "instance_id": "152986662232938449", "instance_name": "orders-1", "project_id": "acme-prod",
                "project_number": 739_419_398_126_u64, "zone": "europe-west3-a",
            }},
        }),
        kind: Kind::Service,
        groups: &[],
        name: "orders@acme-prod.iam.gserviceaccount.com",
        seen: &["azp", "email", "email_verified", "google"],
    }
}

fn google() -> Case {
    Case {
        preset: "google",
        claims: json!({
            "sub": "107517467455664443766", "azp": "1234567890-abc.apps.googleusercontent.com",
            "hd": "example.com", "email": "ana@example.com", "email_verified": true, "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q",
            "name": "Ana Example", "picture": "https://lh3.googleusercontent.com/a", "given_name": "Ana",
            "family_name": "Example",
        }),
        kind: Kind::Human,
        groups: &[],
        name: "ana@example.com",
        seen: &["azp", "email", "email_verified", "hd"],
    }
}

fn entra() -> Case {
    Case {
        preset: "entra",
        claims: json!({
            "sub": "hKLOdDyJ0J9tbCgyOJ7s", "azp": "c44b4083-3bb0-49c1-b47d-974e53cbdf3c", "azpacr": "1",
            "idtyp": "user", "groups": ["b1a7-engineers"], "name": "Ana Example", "oid": "690222be-ff1a",
            "preferred_username": "ana@acme.example", "rh": "0.ARoA", "roles": ["Operator"], "scp": "access",
            "tid": "72f988bf-86f1-41af-91ab-2d7cd011db47", "uti": "fqiB", "ver": "2.0",
        }),
        kind: Kind::Human,
        groups: &["b1a7-engineers"],
        name: "Ana Example",
        seen: &["azp", "idtyp", "oid", "roles", "scp", "tid"],
    }
}

fn okta() -> Case {
    Case {
        preset: "okta",
        claims: json!({
            "sub": "ana@acme.example", "ver": 1, "cid": "0oa1gjh63g214q0Hq0g4", "uid": "00u1gf8rzm1dVqFsW0g4",
            "scp": ["openid", "groups"], "auth_time": 1_700_000_000, "groups": ["Everyone", "engineers"],
        }),
        kind: Kind::Human,
        groups: &["Everyone", "engineers"],
        name: "ana@acme.example",
        seen: &["cid", "scp", "uid"],
    }
}

fn keycloak() -> Case {
    Case {
        preset: "keycloak",
        claims: json!({
            "sub": "f:3b1c:ana", "typ": "Bearer", "azp": "portcullis-cli", "sid": "6f2b", "acr": "1",
            "allowed-origins": ["https://app.example"], "realm_access": {"roles": ["offline_access", "engineers"]},
            "resource_access": {"account": {"roles": ["view-profile"]}}, "scope": "openid email profile",
            "email_verified": true, "name": "Ana Example", "preferred_username": "ana", "given_name": "Ana",
            "family_name": "Example", "email": "ana@example.com",
        }),
        kind: Kind::Human,
        groups: &["offline_access", "engineers"],
        name: "ana@example.com",
        seen: &["azp", "scope", "/resource_access"],
    }
}

/// What of a token policies see, by these names.
fn picked(claims: &Value, names: &[&str]) -> Value {
    let one = |name: &&str| {
        let value = match name.starts_with('/') {
            true => claims.pointer(name),
            false => claims.get(*name),
        };
        let value = value.unwrap_or_else(|| panic!("{name} stands in the token"));
        ((*name).to_owned(), value.clone())
    };
    Value::Object(names.iter().map(one).collect())
}

#[tokio::test]
async fn a_whole_token_of_each_platform_becomes_who_it_is() {
    let any = "127.0.0.1:0".parse().expect("an address");
    let dev = DevIssuer::bind(any, Vec::new(), clock())
        .await
        .expect("binds");
    tokio::spawn(Arc::clone(&dev).serve());
    for case in [
        github(),
        gitlab(),
        kubernetes(),
        aws(),
        google_machine(),
        google(),
        entra(),
        okta(),
        keycloak(),
    ] {
        let preset = case.preset;
        let got = identity(&dev, preset, &case.claims).await;
        let got = got.unwrap_or_else(|code| panic!("{preset}: {code}"));
        assert_eq!(got.kind, case.kind, "{preset}");
        assert_eq!(got.groups, case.groups, "{preset}");
        assert_eq!(got.name, case.name, "{preset}");
        assert_eq!(got.principal.subject, case.claims["sub"], "{preset}");
        let expected = picked(&case.claims, case.seen);
        assert_eq!(Value::Object(got.claims), expected, "{preset}");
    }
}

/// A key of a trust domain's bundle, as SPIRE publishes it, and a token by it.
fn svid(claims: &Value) -> (Value, String) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let point = pair.public_key().as_ref();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let bundle = json!({"keys": [{
        "use": "jwt-svid", "kty": "EC", "kid": "C6vs25welZOx6WksNYfbMfiw9l96pMnD", "crv": "P-256",
        "x": encode(&point[1..33]), "y": encode(&point[33..]),
    }], "spiffe_sequence": 12, "spiffe_refresh_hint": 300});
    let header = json!({"alg": "ES256", "kid": "C6vs25welZOx6WksNYfbMfiw9l96pMnD", "typ": "JWT"});
    let part = |value: &Value| encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(&header), part(claims));
    let signature = pair.sign(&SystemRandom::new(), signed.as_bytes());
    let signature = encode(signature.expect("signs").as_ref());
    (bundle, format!("{signed}.{signature}"))
}

#[tokio::test]
async fn a_workload_of_a_trust_domain_is_a_service_by_its_whole_id() {
    let now = clock()().seconds();
    let claims = json!({
        "sub": "spiffe://prod.example/ns/pay/sa/api", "aud": ["portcullis"], "iat": now, "exp": now + 300,
    });
    let (bundle, token) = svid(&claims);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bundle.json");
    std::fs::write(&file, bundle.to_string()).expect("writes");
    let text = written(&format!(
        "preset: spiffe
    issuer: spiffe://prod.example
    keys: {}",
        file.display()
    ));
    let got = verified(text, &token).await.expect("it is one of theirs");
    assert_eq!(got.kind, Kind::Service);
    assert_eq!(got.principal.issuer, "spiffe://prod.example");
    assert_eq!(got.principal.subject, "spiffe://prod.example/ns/pay/sa/api");
    assert!(got.groups.is_empty() && got.claims.is_empty());
}
