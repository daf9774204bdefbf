//! Values in the words of an error: a refused write is answered with the object that is there, written as Go writes structs
//! (`core.EnvVar{Name: "A", Value: "b"}`), as a difference of two of them, or as JSON. No member's name tells what is in it.
//!
//! It refuses to take such a text apart: wherever an object is written out in it all of it is a secret, but for the
//! few that hold none, since every other immutable field is told by those.

use memchr::memmem;

/// Types that hold no value that is masked: what an immutable selector, or a port that stands twice, is told by.
const HARMLESS: [&[u8]; 7] = [
    b"ContainerPort",
    b"IntOrString",
    b"LabelSelector",
    b"LabelSelectorRequirement",
    b"ObjectReference",
    b"OwnerReference",
    b"ServicePort",
];

/// Types that are written in small letters, and JSON with values in it. What cannot be decoded is cut out of its middle.
const SIGNS: [&[u8]; 14] = [
    b"interface {",
    b"struct {",
    b"string{",
    b"uint8{",
    b"byte{",
    b"Value:",
    b"StringData:",
    b"\"value\":",
    b"\"env\":",
    b"\"httpHeaders\":",
    b"\"data\":",
    b"\"stringData\":",
    b"error found in #",
    b"bigger context",
];

/// A map of labels, as a selector has it.
const LABELS: &[u8] = b"MatchLabels:";

/// True where an object may be written out in it.
pub(super) fn is_in(text: &[u8]) -> bool {
    let said = match memmem::find(text, LABELS) {
        None => text.to_vec(),
        Some(_) => without_labels(text),
    };
    SIGNS.iter().any(|sign| memmem::find(&said, sign).is_some())
        || memmem::find(&said, b"map[").is_some()
        || memchr::memchr_iter(b'{', &said).any(|at| opens_struct(said.get(..at)))
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
            r"a DNS-1123 label must consist of lower case characters (regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?', at most \d{3})",
            "${NAME} and $(NAME) and {} and {name} and X{",
        ] {
            assert!(!is_in(text.as_bytes()), "{text}");
        }
    }
}
