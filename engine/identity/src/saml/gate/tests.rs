//! What is plain, and every trick that we know of to make it look so.

use super::*;

const SIGNED: &str = "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo>\
<ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>\
<ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"/>\
<ds:Reference URI=\"#_a1\"><ds:Transforms><ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>\
<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\">\
<ec:InclusiveNamespaces xmlns:ec=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"xs\"/></ds:Transform></ds:Transforms>\
<ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><ds:DigestValue>AA==</ds:DigestValue></ds:Reference>\
</ds:SignedInfo><ds:SignatureValue>AA==</ds:SignatureValue></ds:Signature>";

fn response() -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" \
ID=\"_r1\" Version=\"2.0\" InResponseTo=\"_q1\"><saml:Issuer>https://idp</saml:Issuer>\
<samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></samlp:Status>\
<saml:Assertion xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" \
ID=\"_a1\" Version=\"2.0\"><saml:Issuer>https://idp</saml:Issuer>{SIGNED}\
<saml:Subject><saml:NameID Format=\"persistent\">ana</saml:NameID></saml:Subject>\
<saml:AttributeStatement><saml:Attribute Name=\"groups\"><saml:AttributeValue xsi:type=\"xs:string\">R&amp;D</saml:AttributeValue>\
</saml:Attribute></saml:AttributeStatement></saml:Assertion></samlp:Response>\n"
    )
}

#[test]
fn a_plain_response_passes() {
    assert_eq!(plain(&response()), Ok(()));
}

/// A change of the plain response, and why it then does not pass.
fn changed(from: &str, to: &str) -> Result<(), Unplain> {
    let text = response();
    assert!(text.contains(from), "{from}");
    plain(&text.replacen(from, to, 1))
}

const EVIL: &str =
    "<saml:Assertion ID=\"_e\"><saml:Issuer>https://idp</saml:Issuer></saml:Assertion>";

/// `why | from | to` on each line; `@` in `to` stands for `from`.
const TRICKS: &str = include_str!("tricks.txt");

#[test]
fn what_two_readers_read_in_two_ways_does_not_pass() {
    let lines = TRICKS
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'));
    let mut tried = 0;
    let mut wrong = Vec::new();
    for line in lines {
        let mut parts = line.splitn(3, " | ");
        let mut part = || parts.next().expect("three parts").replace("\\n", "\n");
        let (why, from, to) = (part(), part(), part());
        let to = to
            .replace('@', &from)
            .replace("EVIL", EVIL)
            .replace("SIGNED", SIGNED);
        let got = changed(&from, &to.replace("\\0", "\0"));
        if got.map_err(|w| format!("{w:?}")) != Err(why) {
            wrong.push(format!("{line}: {got:?}"));
        }
        tried += 1;
    }
    assert!(
        tried > 50 && wrong.is_empty(),
        "{tried}\n{}",
        wrong.join("\n")
    );
}

#[test]
fn what_is_large_does_not_pass() {
    let deep = "<saml:Subject>".repeat(40);
    assert_eq!(changed("<saml:Subject>", &deep), Err(Unplain::Large));
    let many = "<saml:AttributeValue/>".repeat(limits::SAML_ELEMENTS_MAX);
    assert_eq!(
        changed("<saml:Subject>", &format!("{many}<saml:Subject>")),
        Err(Unplain::Large)
    );
    let long = format!(">{}<", "a".repeat(limits::SAML_BYTES_MAX));
    assert_eq!(changed(">ana<", &long), Err(Unplain::Large));
    let wide: String = (0..40).map(|n| format!(" a{n}=\"1\"")).collect();
    assert_eq!(
        changed("<saml:Subject>", &format!("<saml:Subject{wide}>")),
        Err(Unplain::Large)
    );
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_gate(text in ".{0,300}", at in 0_usize..2000, cut in 0_usize..2000) {
        let _ = plain(&text);
        let whole = response();
        let clean = |n: usize| (0..=n.min(whole.len())).rev().find(|n| whole.is_char_boundary(*n)).unwrap_or(0);
        let spliced = format!("{}{text}{}", &whole[..clean(at)], &whole[clean(cut)..]);
        let _ = plain(&spliced);
    }
}
