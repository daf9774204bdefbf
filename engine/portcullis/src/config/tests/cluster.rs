//! Who the gateway is in a cluster: exactly one way, and accounts that a cluster could have.

use super::*;

fn said(more: &str, credential: &str) -> String {
    problems(&cluster(more, credential)).to_string()
}

const SHOWN: &str = "client_certificate: { certificate: file:a.crt, key: file:a.key }";

#[test]
fn sessions_may_come_with_tokens_that_are_made_for_them() {
    for way in ["token: env:T", SHOWN] {
        for more in [
            "",
            ", impersonate: { user_prefix: \"pc:\" }",
            ", path_prefix: /k8s",
        ] {
            let account = "service_account: { namespace: gates, name: people.v1 }";
            assert_eq!(
                said("", &format!("cluster: {{ {way}, {account}{more} }}")),
                ""
            );
        }
    }
    let text = "cluster: { token: env:T, service_account: { namespace: g, name: p, audiences: [a], ttl: 1h } }";
    assert_eq!(said("", text), "");
    let loaded = parse(Path::new("p.yaml"), cluster("", text)).expect("good");
    let credential = &loaded.config.connections[0].credential;
    let login = credential.cluster.as_ref().expect("cluster");
    let account = login.service_account.as_ref().expect("service_account");
    assert_eq!(account.ttl.0.as_secs(), 3600);
    assert_eq!(references(&loaded.config).len(), 1);
    let text = format!("cluster: {{ {SHOWN} }}");
    let loaded = parse(Path::new("p.yaml"), cluster("", &text)).expect("good");
    assert_eq!(references(&loaded.config).len(), 2);
}

#[test]
fn what_no_cluster_would_take_is_refused_with_what_to_do() {
    let account =
        |what: &str| format!("cluster: {{ token: env:T, service_account: {{ {what} }} }}");
    let files = "    client_certificate: a.pem\n    client_key: b.pem\n";
    for (more, credential, says) in [
        (
            "",
            account("namespace: Gates, name: p"),
            "no name that a cluster would have",
        ),
        (
            "",
            account("namespace: g, name: \"a/b\""),
            "no name that a cluster would have",
        ),
        (
            "",
            account("namespace: g, name: \"..\""),
            "no name that a cluster would have",
        ),
        (
            "",
            account("namespace: g, name: p, ttl: 9m"),
            "leave the key out for 10m",
        ),
        (
            "",
            account("namespace: g, name: p, ttl: 25h"),
            "leave the key out for 10m",
        ),
        (
            "",
            account("namespace: g, name: p, ttl: 10m500ms"),
            "leave the key out for 10m",
        ),
        (
            "",
            account("namespace: g, name: p, audiences: [\"\"]"),
            "no token could have",
        ),
        ("", account("namespace: g"), "missing field `name`"),
        (
            "",
            format!("cluster: {{ token: env:T, {SHOWN} }}"),
            "needs exactly one of `token`, `client_certificate`",
        ),
        (
            files,
            format!("cluster: {{ {SHOWN} }}"),
            "needs exactly one of `token`, `client_certificate`",
        ),
        (
            "",
            "cluster: { client_certificate: { certificate: file:a } }".to_owned(),
            "missing field `key`",
        ),
        (
            "",
            "cluster: { service_account: { namespace: g, name: p } }".to_owned(),
            "needs exactly one of `token`",
        ),
    ] {
        let said = said(more, &credential);
        assert!(said.contains(says), "{credential}: {said}");
    }
}

#[test]
fn nothing_that_opens_a_cluster_travels_in_clear_or_leads_nowhere() {
    let account = "cluster: { token: env:T, service_account: { namespace: g, name: p } }";
    let plain = |credential: &str| {
        let text = cluster("", credential).replace("    tls: verify-full\n", "    tls: disable\n");
        problems(&text.replace("    host: 127.0.0.1", "    host: cluster.example")).to_string()
    };
    let made = plain(account);
    assert!(made.contains("in clear"), "{made}");
    let shown = plain(&format!("cluster: {{ {SHOWN} }}"));
    assert!(shown.contains("without TLS"), "{shown}");
    let nowhere = said(
        "",
        "cluster: { client_certificate: { certificate: store:a, key: store:b } }",
    );
    assert!(nowhere.contains("`secrets.store`"), "{nowhere}");
}
