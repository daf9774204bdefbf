//! Tests of the reading of requests: what the API server's own resolver does, and every way past it.

use super::{Asked, Opens, read};
use crate::turned::Turned;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method};
use proptest::prelude::*;

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn ask(method: &str, target: &str) -> Result<Asked, Turned> {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    read(&method, target, &HeaderMap::new())
}

const SOCKET: [(&str, &str); 5] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    (
        "sec-websocket-protocol",
        "v5.channel.k8s.io, v4.channel.k8s.io",
    ),
];

/// `verb group/version resource/subresource namespace name` of a request.
fn shown(method: &str, target: &str) -> String {
    let call = match ask(method, target) {
        Ok(asked) => asked.call,
        Err(turned) => return format!("{} {}", turned.code, turned.rule),
    };
    let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    match &call.resource {
        None => format!("{} {}", call.verb, or(&call.path)),
        Some(resource) => {
            let sub = call.subresource.as_deref().map(|s| format!("/{s}"));
            let group = match call.group.as_str() {
                "" => call.version.clone(),
                group => format!("{group}/{}", call.version),
            };
            format!(
                "{} {group} {resource}{} {} {}",
                call.verb,
                sub.unwrap_or_default(),
                or(&call.namespace),
                or(&call.name)
            )
        }
    }
}

/// Cases of k8s.io/apiserver pkg/endpoints/request/requestinfo_test.go, in words of ours.
const PATHS: &[(&str, &str, &str)] = &[
    ("GET", "/api/v1/namespaces", "list v1 namespaces - -"),
    (
        "GET",
        "/api/v1/namespaces/other",
        "get v1 namespaces other other",
    ),
    (
        "GET",
        "/api/v1/namespaces/other/pods",
        "list v1 pods other -",
    ),
    (
        "GET",
        "/api/v1/namespaces/other/pods/foo",
        "get v1 pods other foo",
    ),
    (
        "HEAD",
        "/api/v1/namespaces/other/pods/foo",
        "get v1 pods other foo",
    ),
    ("GET", "/api/v1/pods", "list v1 pods - -"),
    ("HEAD", "/api/v1/pods", "list v1 pods - -"),
    ("GET", "/api/v1/pods?watch=true", "watch v1 pods - -"),
    ("GET", "/api/v1/pods?watch=1", "watch v1 pods - -"),
    ("GET", "/api/v1/pods?watch", "watch v1 pods - -"),
    ("GET", "/api/v1/pods?watch=", "watch v1 pods - -"),
    ("GET", "/api/v1/pods?watch=0", "list v1 pods - -"),
    ("GET", "/api/v1/pods?%77atch=1", "watch v1 pods - -"),
    ("GET", "/api/v1/watch/pods", "watch v1 pods - -"),
    (
        "GET",
        "/api/v1/watch/namespaces/other/pods",
        "watch v1 pods other -",
    ),
    (
        "GET",
        "/api/v1/watch/namespaces/other/pods/x",
        "watch v1 pods other x",
    ),
    (
        "GET",
        "/api/v1/proxy/namespaces/other/pods/foo",
        "proxy v1 pods/proxy other foo",
    ),
    (
        "GET",
        "/api/v1/namespaces/other/pods/foo/proxy/a/b",
        "proxy v1 pods/proxy other foo",
    ),
    (
        "GET",
        "/api/v1/nodes/n/proxy/pods/",
        "proxy v1 nodes/proxy - n",
    ),
    (
        "POST",
        "/api/v1/namespaces/other/pods",
        "create v1 pods other -",
    ),
    (
        "PUT",
        "/api/v1/namespaces/other/finalize",
        "update v1 namespaces/finalize other other",
    ),
    (
        "PUT",
        "/api/v1/namespaces/other/status",
        "update v1 namespaces/status other other",
    ),
    (
        "DELETE",
        "/api/v1/namespaces/other/pods",
        "deletecollection v1 pods other -",
    ),
    (
        "DELETE",
        "/api/v1/namespaces/other/pods/foo",
        "delete v1 pods other foo",
    ),
    (
        "PATCH",
        "/apis/apps/v1/namespaces/a/deployments/d/scale",
        "patch apps/v1 deployments/scale a d",
    ),
    (
        "GET",
        "/apis/metrics.k8s.io/v1beta1/nodes",
        "list metrics.k8s.io/v1beta1 nodes - -",
    ),
    (
        "GET",
        "/api/v1/namespaces/a/services/https:x:443/proxy/",
        "proxy v1 services/proxy a https:x:443",
    ),
    (
        "GET",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node",
        "get rbac.authorization.k8s.io/v1 clusterroles - system:node",
    ),
    (
        "GET",
        "/api/v1/namespaces/a/pods/p/log/x",
        "get v1 pods/log/x a p",
    ),
    ("GET", "/", "get /"),
    ("GET", "/api", "get /api"),
    ("GET", "/apis/apps/v1", "get /apis/apps/v1"),
    (
        "GET",
        "/openapi/v3/apis/apps/v1?hash=1",
        "get /openapi/v3/apis/apps/v1",
    ),
    ("POST", "/logs", "post /logs"),
];

#[test]
fn paths_are_read_as_the_api_server_reads_them() {
    for (method, target, expected) in PATHS {
        assert_eq!(shown(method, target), *expected, "{method} {target}");
    }
}

#[test]
fn streams_have_verbs_of_their_own() {
    let target = "/api/v1/namespaces/a/pods/p/exec?command=sh&command=-c&command=echo+a%26b&stdin=true&tty=1&container=c";
    for method in [Method::GET, Method::POST] {
        let asked = read(&method, target, &headers(&SOCKET)).unwrap();
        assert_eq!(asked.call.verb, "exec");
        assert_eq!(asked.opens, Opens::Streams);
        assert_eq!(asked.call.command, ["sh", "-c", "echo a&b"]);
        assert_eq!(asked.call.container.as_deref(), Some("c"));
        assert!(asked.call.stdin && asked.call.tty);
        assert_eq!(asked.target, target);
    }
    assert_eq!(
        ask("GET", "/api/v1/namespaces/a/pods/p/exec?command=sh")
            .unwrap_err()
            .rule,
        "kubernetes/upgrade"
    );
    let elsewhere = read(&Method::GET, "/api/v1/pods", &headers(&SOCKET)).unwrap_err();
    assert_eq!(elsewhere.rule, "kubernetes/upgrade");
}

#[test]
fn a_log_and_a_watch_are_streams() {
    let opens = |target| ask("GET", target).unwrap().opens;
    assert_eq!(
        opens("/api/v1/namespaces/a/pods/p/log?follow=true"),
        Opens::Log
    );
    assert_eq!(opens("/api/v1/pods?watch=true"), Opens::Watch);
    assert_eq!(
        opens("/api/v1/namespaces/a/services/s/proxy/x?watch=true"),
        Opens::Proxied
    );
    assert_eq!(opens("/api/v1/pods"), Opens::Answer);
}

#[test]
fn a_dry_run_is_one_only_where_the_server_says_so() {
    use portcullis_model::CallBody;
    use serde_json::json;
    let dry = |method, target, body: CallBody| {
        let mut asked = ask(method, target).unwrap();
        asked.with_body(body);
        asked.call.dry_run
    };
    let object = || CallBody::Object(json!({}));
    assert!(dry(
        "POST",
        "/api/v1/namespaces/a/pods?dryRun=All",
        object()
    ));
    assert!(dry(
        "DELETE",
        "/api/v1/namespaces/a/pods/p?dryRun=All",
        CallBody::None
    ));
    // The server reads the options of a deletion from the body, if there is one.
    assert!(!dry(
        "DELETE",
        "/api/v1/namespaces/a/pods/p?dryRun=All",
        object()
    ));
    // An aggregated API may not know the parameter, whatever its group is called.
    assert!(!dry(
        "POST",
        "/apis/gateway.networking.k8s.io/v1/things?dryRun=All",
        object()
    ));
    for (group, known) in [
        ("example.com", false),
        ("metrics.k8s.io", false),
        ("custom.metrics.k8s.io", false),
        ("gateway.networking.k8s.io", false),
        ("snapshot.storage.k8s.io", false),
        ("k8s.io", false),
        (".k8s.io", false),
        ("networking.k8s.io", true),
        ("rbac.authorization.k8s.io", true),
        ("apps", true),
    ] {
        let said = super::path::is_built_in(group);
        assert_eq!(said, known, "{group}");
    }
    assert!(!dry(
        "GET",
        "/api/v1/namespaces/a/pods/p?dryRun=All",
        CallBody::None
    ));
    assert!(!dry(
        "GET",
        "/api/v1/namespaces/a/pods/p/proxy?dryRun=All",
        CallBody::None
    ));
}

#[test]
fn accept_is_narrowed_to_json() {
    let accept = |line: &str| {
        let asked = read(&Method::GET, "/api/v1/pods", &headers(&[("accept", line)])).unwrap();
        asked.kept.accept.json().map_err(|turned| turned.code)
    };
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
    assert_eq!(accept(table).unwrap(), table.replace(',', ", "));
    assert_eq!(
        accept("application/vnd.kubernetes.protobuf,application/json").unwrap(),
        "application/json"
    );
    assert_eq!(accept("*/*").unwrap(), "application/json");
    assert_eq!(accept("application/vnd.kubernetes.protobuf"), Err(406));
    assert_eq!(accept("application/json;q=0, application/cbor"), Err(406));
}

#[test]
fn only_listed_headers_go_on() {
    let sent = [
        ("user-agent", "kubectl/v1.32"),
        ("authorization", "Bearer x"),
        ("cookie", "a=b"),
        ("x-forwarded-for", "1.1.1.1"),
        ("audit-id", "7"),
        ("if-none-match", "\"a\""),
        ("kubectl-command", "kubectl get"),
        ("connection", "keep-alive, x-secret"),
        ("x-secret", "1"),
        ("x-new", "1"),
    ];
    let asked = read(&Method::GET, "/api/v1/pods", &headers(&sent)).unwrap();
    let mut names: Vec<&str> = asked.kept.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["if-none-match", "kubectl-command", "user-agent"]);
}

/// `tests/bypass/kubernetes.http`: a label and a rule, a tab, then the request with `\r\n` between its lines.
#[test]
fn no_way_past_the_reader() {
    let file = include_str!("../../../../tests/bypass/kubernetes.http");
    let mut count = 0;
    for (number, line) in file.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (expected, request) = line.split_once('\t').expect("a tab");
        let (first, rest) = request.split_once("\\r\\n").unwrap_or((request, ""));
        let (method, target) = first.split_once(' ').expect("a method");
        let lines: Vec<(&str, &str)> = rest
            .split("\\r\\n")
            .filter_map(|line| line.split_once(": "))
            .collect();
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let answer = match read(&method, target, &headers(&lines)) {
            Err(turned) => turned.rule.to_owned(),
            Ok(asked) => match asked.call.resource {
                Some(resource) => format!(
                    "{} {resource}{}",
                    asked.call.verb,
                    asked
                        .call
                        .subresource
                        .map(|s| format!("/{s}"))
                        .unwrap_or_default()
                ),
                None => format!(
                    "{} {}",
                    asked.call.verb,
                    asked.call.path.unwrap_or_default()
                ),
            },
        };
        assert_eq!(answer, expected, "line {}: {request}", number + 1);
        count += 1;
    }
    assert!(count >= 60, "only {count} ways");
}

proptest! {
    #[test]
    fn nothing_panics(method in "GET|POST|DELETE|PUT|PATCH", target in "\\PC{0,80}") {
        let _ = ask(&method, &target);
    }

    #[test]
    fn what_is_read_stands_on_the_path(
        parts in proptest::collection::vec("[a-z0-9.:%/_-]{1,12}|pods|namespaces|api|apis|v1|watch|proxy|%2e|%2F|\\.\\.", 1..9)
    ) {
        let target = format!("/{}", parts.join("/"));
        if let Ok(asked) = ask("GET", &target) {
            // Nothing is repaired: every name is a segment of the path, byte for byte or decoded.
            let path = target.replace("%3A", ":").replace("%3a", ":");
            for text in [&asked.call.namespace, &asked.call.name, &asked.call.resource].into_iter().flatten() {
                prop_assert!(path.split('/').any(|s| s == text), "{text} in {target}");
            }
            prop_assert!(!target.contains("//") && !target.contains("/../") && !target.ends_with("/.."));
            prop_assert!(!target.to_ascii_lowercase().contains("%2f") && !target.to_ascii_lowercase().contains("%2e"));
        }
    }
}
