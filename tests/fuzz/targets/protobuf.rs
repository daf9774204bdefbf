//! Protobuf bodies for a cluster, in whose JSON policies read and secrets are masked. Laws: nothing panics; a body that
//! was read has one reading: the same bytes give the same object, and the object is JSON that says which kind it is.
//!
//! Input: a byte that chooses what is asked for, the bytes behind the four that say it is protobuf.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::Input;
use portcullis_model::{Call, CallBody};
use portcullis_wire_kubernetes::fuzzing::{asked, body};

const TARGETS: [(&str, &str); 4] = [
    ("POST", "/api/v1/namespaces/shop/secrets"),
    ("POST", "/api/v1/namespaces/shop/pods"),
    ("PUT", "/apis/apps/v1/namespaces/shop/deployments/cart"),
    ("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
];

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let (method, target) = input.choose(&TARGETS);
    let headers = [("content-type", "application/vnd.kubernetes.protobuf")];
    let call: Call = asked(method, target, &headers).expect("it is a request of kubectl's");
    let bytes = [b"k8s\0", input.rest()].concat();
    let read = body(&call, &bytes);
    assert_eq!(read, body(&call, &bytes), "it has two readings");
    if let Some(CallBody::Object(object)) = read {
        let members = object.as_object().expect("an object");
        assert!(members.contains_key("kind"), "it is of no kind");
        let text = serde_json::to_string(&object).expect("JSON");
        let again: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(again, object, "its JSON says something else");
    }
});
