//! Tests of the reading of bodies: JSON with one reading, protobuf against messages built by hand from the
//! `.proto` files, and masks that come back.

use super::{marker, read};
use crate::mask::NUMBER;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_model::rows::mask_text;
use portcullis_model::{Call, CallBody, limits};
use proptest::prelude::*;
use serde_json::{Value, json};

pub(crate) fn call(verb: &str, content_type: &str) -> Call {
    Call {
        verb: verb.to_owned(),
        path: None,
        group: String::new(),
        version: "v1".to_owned(),
        resource: Some("secrets".to_owned()),
        subresource: None,
        namespace: Some("shop".to_owned()),
        name: (verb != "create").then(|| "db".to_owned()),
        label_selector: None,
        field_selector: None,
        dry_run: false,
        content_type: Some(content_type.to_owned()),
        command: Vec::new(),
        container: None,
        stdin: false,
        tty: false,
        ports: Vec::new(),
        body: CallBody::None,
    }
}

fn json(text: &str) -> Result<CallBody, &'static str> {
    read(&call("create", "application/json"), text.as_bytes()).map_err(|t| t.rule)
}

#[test]
fn json_has_one_reading() {
    assert_eq!(
        json(r#"{"a":[1,-2,2.5,null,"x"]}"#),
        Ok(CallBody::Object(json!({"a": [1, -2, 2.5, null, "x"]})))
    );
    for text in [
        r#"{"a":1,"a":2}"#,
        r#"{"a":{"b":1,"b":2}}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"{"a":1} {"b":2}"#,
        r#"{"a":1"#,
        "kind: Secret",
        "\u{feff}{}",
        r#"{"a":01}"#,
        r#"{'a':1}"#,
        "{\"a\":1,}",
    ] {
        assert_eq!(json(text), Err("kubernetes/body"), "{text}");
    }
    assert_eq!(
        read(&call("create", "application/json"), b"{\"a\":\"\xff\"}").map_err(|t| t.rule),
        Err("kubernetes/body")
    );
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(json(&deep(limits::CALL_BODY_DEPTH_MAX)).is_ok());
    assert!(json(&deep(limits::CALL_BODY_DEPTH_MAX + 1)).is_err());
}

#[test]
fn sorts_that_nobody_reads_are_turned_away() {
    let code = |verb, kind, body: &[u8]| read(&call(verb, kind), body).map_err(|t| t.code);
    assert_eq!(code("create", "application/cbor", b"\xa0"), Err(415));
    assert_eq!(code("create", "application/yaml", b"a: b"), Err(415));
    assert_eq!(
        code("patch", "application/apply-patch+yaml", b"a: b"),
        Err(400)
    );
    assert_eq!(
        code("patch", "application/apply-patch+yaml", b"{}"),
        Ok(CallBody::Object(json!({})))
    );
    assert_eq!(code("get", "application/json", b"{}"), Err(400));
    assert_eq!(code("get", "application/json", b""), Ok(CallBody::None));
    let long = vec![b' '; limits::CALL_BODY_BYTES_MAX + 1];
    assert_eq!(code("create", "application/json", &long), Err(413));
}

#[test]
fn the_object_is_the_one_on_the_path() {
    let code = |verb, body: Value| {
        let body = body.to_string();
        read(&call(verb, "application/json"), body.as_bytes())
            .map(|_| ())
            .map_err(|t| t.code)
    };
    assert_eq!(code("create", json!({"metadata": {"name": "x"}})), Ok(()));
    assert_eq!(
        code("create", json!({"metadata": {"namespace": "shop"}})),
        Ok(())
    );
    assert_eq!(
        code("create", json!({"metadata": {"namespace": "kube-system"}})),
        Err(400)
    );
    assert_eq!(code("update", json!({"metadata": {"name": "db"}})), Ok(()));
    assert_eq!(
        code("update", json!({"metadata": {"name": "other"}})),
        Err(400)
    );
}

#[test]
fn masks_do_not_come_back() {
    let mask = mask_text("secret", None);
    for body in [
        json!({"stringData": {"a": mask}}).to_string(),
        json!({"data": {"a": STANDARD.encode(&mask)}}).to_string(),
        json!({"data": {"a": STANDARD.encode(format!("x{mask}"))}}).to_string(),
        json!({"data": {"a": STANDARD.encode(format!("xy{mask}zz"))}}).to_string(),
        json!({"metadata": {"annotations": {"last": json!({"data": {"a": STANDARD.encode(&mask)}}).to_string()}}}).to_string(),
        format!("{{\"a\":\"{}\"}}", mask.replace('[', "\\u005b")),
    ] {
        assert_eq!(json(&body), Err("portcullis/mask-marker"), "{body}");
    }
    assert!(marker::refuse(b"{\"a\":\"pc-mask\"}").is_ok());
}

/// A length-delimited field.
fn field(number: u8, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
    out
}

fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let meta = [field(1, api_version), field(2, kind)].concat();
    [
        b"k8s\0".to_vec(),
        field(1, meta),
        field(2, raw),
        field(3, ""),
        field(4, ""),
    ]
    .concat()
}

fn protobuf(bytes: &[u8]) -> Result<CallBody, &'static str> {
    read(
        &call("create", "application/vnd.kubernetes.protobuf"),
        bytes,
    )
    .map_err(|t| t.rule)
}

#[test]
fn protobuf_becomes_the_json_of_the_same_object() {
    let entry = [field(1, "password"), field(2, "hunter2")].concat();
    let secret = [
        field(1, field(1, "db")),
        field(2, entry),
        field(3, "Opaque"),
    ]
    .concat();
    assert_eq!(
        protobuf(&envelope("v1", "Secret", &secret)),
        Ok(CallBody::Object(json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "db"}, "data": {"password": "aHVudGVyMg=="}, "type": "Opaque",
        })))
    );
    // Pod.spec = 2; volumes = 1, containers = 2; SecurityContext.privileged = 2 of Container.securityContext = 15.
    let volume = [field(1, "root"), field(2, field(1, field(1, "/")))].concat();
    let container = [field(1, "c"), field(15, [2 << 3, 1])].concat();
    let spec = [field(1, volume), field(2, container)].concat();
    let pod = [field(1, field(1, "p")), field(2, spec)].concat();
    assert_eq!(
        protobuf(&envelope("v1", "Pod", &pod)),
        Ok(CallBody::Object(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
            "spec": {
                "volumes": [{"name": "root", "hostPath": {"path": "/"}}],
                "containers": [{"name": "c", "securityContext": {"privileged": true}}],
            },
        })))
    );
    let options = field(5, "All");
    let mut deletion = call("delete", "application/vnd.kubernetes.protobuf");
    deletion.resource = Some("pods".to_owned());
    assert_eq!(
        read(&deletion, &envelope("apps/v1", "DeleteOptions", &options)).unwrap(),
        CallBody::Object(
            json!({"apiVersion": "apps/v1", "kind": "DeleteOptions", "dryRun": ["All"]})
        )
    );
}

#[test]
fn protobuf_that_is_not_known_is_opaque() {
    assert_eq!(
        protobuf(&envelope("example.com/v1", "Thing", b"")),
        Ok(CallBody::Opaque)
    );
    assert_eq!(
        protobuf(&envelope("v1", "Secret", &[0xf8, 0x07, 1])),
        Ok(CallBody::Opaque)
    );
    let extension = field(2, field(1, "{}"));
    assert_eq!(
        protobuf(&envelope("v1", "List", &extension)),
        Ok(CallBody::Opaque)
    );
}

#[test]
fn protobuf_that_is_none_is_turned_away() {
    for bytes in [
        b"k8s".to_vec(),
        b"{}".to_vec(),
        b"k8s\0\x0a\xff".to_vec(),
        envelope(
            "v1",
            "Secret",
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ),
        envelope("v1", "Secret", b"\x0b"),
        envelope("v1", "Secret", &field(3, b"\xff")),
        // A singular message in two parts is joined by decoders.
        envelope("v1", "Pod", &[field(2, ""), field(2, "")].concat()),
        [envelope("v1", "Secret", b""), field(2, field(3, "x"))].concat(),
        [envelope("v1", "Secret", b""), field(1, field(2, "Pod"))].concat(),
    ] {
        assert_eq!(protobuf(&bytes), Err("kubernetes/body"), "{bytes:?}");
    }
}

#[test]
fn masked_numbers_do_not_come_back() {
    let whole = NUMBER.to_string();
    for body in [
        json!({"spec": {"card": NUMBER}}).to_string(),
        json!({"spec": [{"deep": [1, f64::from(NUMBER)]}]}).to_string(),
        "{\"spec\":{\"card\":-1.936484205e9}}".to_owned(),
        "{\"spec\":{\"card\":-19364842050e-1}}".to_owned(),
        json!({"metadata": {"annotations": {"copy": json!({"card": NUMBER}).to_string()}}})
            .to_string(),
        json!({"binaryData": {"a": STANDARD.encode(format!("xy{whole}"))}}).to_string(),
        "{\"a\":\"\\u002d1936484205\"}".to_owned(),
    ] {
        assert_eq!(json(&body), Err("portcullis/mask-marker"), "{body}");
    }
    for body in [
        json!({"a": 0, "b": -1, "c": 1_936_484_205}),
        json!({"a": i64::from(NUMBER) * 2}),
    ] {
        assert!(json(&body.to_string()).is_ok(), "{body}");
    }
    let merge = read(
        &call("patch", "application/merge-patch+json"),
        json!({"spec": {"card": NUMBER}}).to_string().as_bytes(),
    );
    assert_eq!(merge.map_err(|t| t.rule), Err("portcullis/mask-marker"));
}

#[test]
fn masked_numbers_do_not_come_back_in_protobuf() {
    let sent = i64::from(NUMBER).cast_unsigned();
    let mut number = vec![1 << 3];
    let mut rest = sent;
    while rest > 127 {
        number.push((rest & 127) as u8 | 128);
        rest >>= 7;
    }
    number.push(rest as u8);
    // The number of copies of a Deployment, and a kind that nobody here reads.
    for (group, kind, raw) in [
        ("apps/v1", "Deployment", field(2, &number)),
        ("shop.example/v1", "Card", number.clone()),
    ] {
        let body = envelope(group, kind, &raw);
        assert_eq!(protobuf(&body), Err("portcullis/mask-marker"), "{kind}");
    }
}

#[test]
fn masks_do_not_come_back_in_protobuf() {
    let entry = [field(1, "password"), field(2, mask_text("secret", None))].concat();
    let secret = envelope("v1", "Secret", &field(2, entry));
    assert_eq!(protobuf(&secret), Err("portcullis/mask-marker"));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in "Pod|Secret|Role|List") {
        let _ = protobuf(&envelope("v1", &kind, &bytes));
        let _ = json(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn json_is_read_as_others_read_it(depth in 0..4_usize, text in "\\PC{0,20}", number in any::<i64>()) {
        let mut value = json!({"text": text, "number": number, "list": [true, null]});
        for _ in 0..depth {
            value = json!({"inner": value, "more": [value]});
        }
        prop_assert_eq!(json(&value.to_string()), Ok(CallBody::Object(value)));
    }
}
