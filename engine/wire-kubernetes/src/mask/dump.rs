//! Values in the words of an error: a refused write is answered with the object that is there, written as Go writes structs
//! (`core.EnvVar{Name: "A", Value: "b"}`), as a difference of two of them, or as JSON. No member's name tells what is in it.
//!
//! It refuses to take such a text apart: wherever an object is written out in it all of it is a secret, but for the
//! few that hold none, since every other immutable field is told by those.

use memchr::memmem;

/// Types that hold no value that is masked: what immutable selectors, roles and claims, or a port that stands twice, are told by.
const HARMLESS: [&[u8]; 15] = [
    b"ContainerPort",
    b"IntOrString",
    b"LabelSelector",
    b"LabelSelectorRequirement",
    b"ObjectReference",
    b"OwnerReference",
    b"PersistentVolumeClaimSpec",
    b"Quantity",
    b"ResourceList",
    b"ResourceRequirements",
    b"RoleRef",
    b"ServicePort",
    b"TypedLocalObjectReference",
    b"TypedObjectReference",
    b"VolumeResourceRequirements",
];

/// Types that are written in small letters, and JSON with values in it. What cannot be decoded is cut out of its middle.
const SIGNS: [&[u8]; 12] = [
    b"interface {",
    b"struct {",
    b"uint8{",
    b"byte{",
    b"StringData:",
    b"\"value\":",
    b"\"env\":",
    b"\"httpHeaders\":",
    b"\"data\":",
    b"\"stringData\":",
    b"error found in #",
    b"bigger context",
];

/// The member of a variable, as Go writes it.
const VALUE: &[u8] = b"Value:";

/// A map of labels, as a selector has it.
const LABELS: &[u8] = b"MatchLabels:";

/// True where an object may be written out in it.
pub(crate) fn is_in(text: &[u8]) -> bool {
    // Each sign has one of these; most cells of a table have none.
    if !text
        .iter()
        .any(|b| matches!(b, b'{' | b'[' | b':' | b'#' | b'|'))
    {
        return false;
    }
    let mut said = match memmem::find(text, LABELS) {
        None => text.to_vec(),
        Some(_) => without_labels(text),
    };
    // However often it was quoted, and by whom.
    said.retain(|b| *b != b'\\');
    said.iter_mut()
        .filter(|b| **b == b'\'')
        .for_each(|b| *b = b'"');
    SIGNS.iter().any(|sign| memmem::find(&said, sign).is_some())
        || memmem::find(&said, b"map[").is_some()
        || memmem::find_iter(&said, VALUE).any(|at| !ends_word(said.get(..at)))
        || memchr::memchr_iter(b'{', &said).any(|at| opens_struct(said.get(..at)))
        || said.split(|b| *b == b'\n').skip(1).any(is_yaml)
}

/// A code as `InvalidParameterValue:` is no member of that name.
fn ends_word(before: Option<&[u8]>) -> bool {
    let last = before.and_then(<[u8]>::last);
    last.is_some_and(u8::is_ascii_alphanumeric)
}

/// A line of YAML that has a value, or values below it; also in a difference.
fn is_yaml(line: &[u8]) -> bool {
    let lead = |b: &u8| matches!(b, b' ' | b'\t' | b'-' | b'+');
    let begins = line.iter().position(|b| !lead(b)).unwrap_or(line.len());
    let line = line.get(begins..).unwrap_or_default().trim_ascii_end();
    line.starts_with(b"value: ") || matches!(line, b"data:" | b"stringData:")
}

/// A type's name stands in front of the brace: a capital letter first, as of every type that is written with its package.
fn opens_struct(before: Option<&[u8]>) -> bool {
    let before = before.unwrap_or_default();
    let letter = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let length = before.iter().rev().take_while(|b| letter(b)).count();
    let name = before.get(before.len().saturating_sub(length)..);
    let name = name.unwrap_or_default();
    name.len() > 1 && name.first().is_some_and(u8::is_ascii_uppercase) && !HARMLESS.contains(&name)
}

/// The text with the type of every `MatchLabels` taken out.
fn without_labels(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut from = 0;
    for at in memmem::find_iter(text, LABELS) {
        let end = at + LABELS.len();
        out.extend_from_slice(text.get(from..end).unwrap_or_default());
        let rest = text.get(end..).unwrap_or_default();
        from = match rest.strip_prefix(b"map[string]string{") {
            Some(rest) => text.len() - rest.len(),
            None => end,
        };
    }
    out.extend_from_slice(text.get(from..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::is_in;

    #[test]
    fn an_object_in_the_words_of_an_error_is_known_however_it_is_written() {
        for text in [
            r#"spec: Forbidden: pod updates may not change fields: core.PodSpec{... Env: []core.EnvVar{{Name: "A", Value: "b"}}"#,
            "  core.PodSpec{\n  \tContainers: []core.Container{\n- \t\tValue: \"b\",",
            r#"-Env: []core.EnvVar{{Name: "A", Value: "b"}}"#,
            "&EnvVar{Name:A,Value:b,ValueFrom:nil,}",
            r#"core.HTTPHeader{Name:"A", Value:"b"}"#,
            r#"spec.template: Invalid value: core.PodTemplateSpec{ObjectMeta:v1.ObjectMeta{}}: field is immutable"#,
            r#"core.Secret{Data: map[string][]uint8{"a": []uint8{0x62}}}"#,
            r#"Invalid value: map[string]interface {}{"password":"b"}"#,
            "Invalid value: map[password:b]",
            "Data:\u{a0}map[string][]byte{",
            "{Name:A Value:b}",
            r#"Invalid value: {"containers":[{"env":[{"name":"A","value":"b"}]}]}: field is immutable"#,
            r#"error found in #10 byte of ...|"A","val|..., bigger context ...|b"#,
            // Quoted, by whoever passes it on.
            r#"admission webhook denied: "{\"env\":[{\"name\":\"A\",\"value\":\"b\"}]}""#,
            r#"body: "{\\\"stringData\\\":{}}""#,
            "could not apply {'name': 'A', 'value': 'b'}",
            "could not apply:\nenv:\n- name: A\n  value: b\n",
            "changed:\n data:\n-  password: eA==\n+  password: eQ==",
            // What is harmless takes nothing else with it.
            r#"v1.LabelSelector{MatchLabels:map[string]string{"a":"b"}}, core.EnvVar{Value:"b"}"#,
            r#"MatchLabels:map[string]string{"a":"b"}, Data:map[string]string{"a":"b"}"#,
            "MatchLabels:map[a:b]",
        ] {
            assert!(is_in(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn other_errors_are_read_as_they_are() {
        for text in [
            "",
            r#"pods "cart-0" not found"#,
            r#"secrets "db" is forbidden: User "anna" cannot get resource "secrets" in API group "" in the namespace "shop""#,
            "Operation cannot be fulfilled on deployments.apps \"cart\": the object has been modified",
            r#"spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string{"app":"cart"}, MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: field is immutable"#,
            r#"spec.ports[1]: Duplicate value: core.ServicePort{Name:"", Protocol:"TCP", Port:80, TargetPort:intstr.IntOrString{Type:0, IntVal:0, StrVal:""}}"#,
            r#"roleRef: Invalid value: rbac.RoleRef{APIGroup:"rbac.authorization.k8s.io", Kind:"Role", Name:"a"}: cannot change roleRef"#,
            r#"spec.clusterIPs[0]: Invalid value: []string{"10.0.0.1"}: may not change once set"#,
            r#"spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/data": must be unique"#,
            r#"pods "a" is forbidden: exceeded quota: q, requested: limits.cpu=2, used: limits.cpu=3, limited: limits.cpu=4"#,
            "spec: Forbidden: spec is immutable after creation except resources.requests\n  core.PersistentVolumeClaimSpec{\n  \tResources: core.VolumeResourceRequirements{\n- \t\tRequests: core.ResourceList{s\"storage\": {i: resource.int64Amount{value: 2}, s: \"2Gi\"}},",
            "Failed build model due to InvalidParameterValue: 1 validation error detected\nvalue is required",
            "0/3 nodes are available: 3 node(s) had untolerated taint {node.kubernetes.io/not-ready: }",
            "data: Forbidden: field is immutable when `immutable` is set",
            r"a DNS-1123 label must consist of lower case characters (regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?', at most \d{3})",
            "${NAME} and $(NAME) and {} and {name} and X{",
        ] {
            assert!(!is_in(text.as_bytes()), "{text}");
        }
    }
}
