//! A provider that signs, and what is made of its responses on the way.

use super::*;
use saml_rs::{
    AuthnRequest, CertificatePem, Credentials, IdpConfig, IdpValidationPolicy, NameId,
    PrivateKeyPem, RespondSso, SpDescriptor, SsoEndpoint, Subject,
};

const URL: &str = "https://gw.example:6443";
const ENTITY: &str = "https://idp.example/metadata";

struct Idp(Saml<saml_rs::Idp>);

impl Idp {
    fn new() -> Self {
        let pair =
            rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)
                .expect("a key");
        let certificate = rcgen::CertificateParams::new(vec!["idp.example".to_owned()])
            .and_then(|p| p.self_signed(&pair))
            .expect("a certificate");
        let credentials = Credentials {
            signing_key: Some(PrivateKeyPem::new(pair.serialize_pem())),
            signing_certificate: Some(CertificatePem::new(certificate.pem())),
            ..Credentials::default()
        };
        let config = IdpConfig::builder(EntityId::new(ENTITY))
            .sso_endpoint(SsoEndpoint::redirect("https://idp.example/sso").expect("an address"))
            .credentials(credentials)
            .validation(IdpValidationPolicy::recommended())
            .build();
        Self(Saml::idp(config.expect("good")).expect("an idp"))
    }

    fn settings(&self) -> SamlSettings {
        SamlSettings {
            name: "sso".to_owned(),
            entity: ENTITY.to_owned(),
            metadata: self.0.metadata_xml().to_owned(),
            subject: None,
            groups: None,
            display: None,
        }
    }

    /// The response to the request behind this address, in base64.
    fn respond(&self, provider: &SamlProvider, url: &str, format: NameIdFormat) -> String {
        self.respond_by(provider, url, format, RespondSso::post())
    }

    /// The same with what the response says besides.
    fn respond_by(
        &self,
        provider: &SamlProvider,
        url: &str,
        format: NameIdFormat,
        how: RespondSso,
    ) -> String {
        let (_, query) = url.split_once('?').expect("a query");
        let trust = MetadataTrustPolicy::UnsignedForCompatibility;
        let sp = SpDescriptor::from_metadata_xml(provider.metadata(), trust).expect("metadata");
        let context =
            SamlValidationContext::new(SystemTime::now(), ReplayPolicy::DisabledForCompatibility);
        let input = BrowserInput::<AuthnRequest>::redirect(query);
        let request = self.0.receive_sso(&sp, input, context).expect("a request");
        let subject = Subject::new(NameId::new("ana", Some(format)), Vec::new());
        let answer = self.0.respond_sso(&sp, &request, subject, how);
        let answer = answer.expect("a response");
        let form = answer.post_form().expect("a form");
        let field = form.fields().iter().find(|f| f.name() == "SAMLResponse");
        field.expect("it is there").value().to_owned()
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a time");
    Timestamp(i64::try_from(since.as_nanos()).expect("fits"))
}

struct Login {
    idp: Idp,
    provider: SamlProvider,
    pending: SamlPending,
    response: String,
    used: Used,
}

fn login(format: NameIdFormat) -> Login {
    let idp = Idp::new();
    let provider = SamlProvider::new(idp.settings(), URL).expect("a provider");
    let (url, pending) = provider.begin("relay", None).expect("begins");
    let response = idp.respond(&provider, &url, format);
    Login {
        idp,
        provider,
        pending,
        response,
        used: Used::new(),
    }
}

impl Login {
    fn finish(&self, response: &str, relay: &str, at: Timestamp) -> Result<Identity, Code> {
        let finished = self
            .provider
            .finish(&self.pending, response, relay, &self.used, at);
        finished.map_err(|refused| refused.code)
    }

    fn text(&self) -> String {
        let bytes = STANDARD.decode(&self.response).expect("base64");
        String::from_utf8(bytes).expect("text")
    }
}

#[test]
fn a_signed_response_names_the_person_once() {
    let login = login(NameIdFormat::Persistent);
    let identity = login.finish(&login.response, "relay", now()).expect("good");
    assert_eq!(identity.principal.issuer, ENTITY);
    assert_eq!(
        (identity.principal.subject.as_str(), identity.kind),
        ("ana", Kind::Human)
    );
    assert_eq!(
        login.finish(&login.response, "relay", now()).err(),
        Some(Code::Replayed)
    );
}

#[test]
fn a_response_to_somebody_else_or_too_late_is_refused() {
    let login = login(NameIdFormat::Persistent);
    let saml = Some(Code::Saml);
    assert_eq!(login.finish(&login.response, "other", now()).err(), saml);
    let (_, pending) = login.provider.begin("relay", None).expect("begins");
    let other = login
        .provider
        .finish(&pending, &login.response, "relay", &login.used, now());
    assert_eq!(other.err().map(|r| r.code), saml, "InResponseTo");
    let hour = now().after(Duration::from_secs(3600));
    assert_eq!(
        login.finish(&login.response, "relay", hour).err(),
        saml,
        "time"
    );
    let before = Timestamp(now().0 - 3_600_000_000_000);
    assert_eq!(
        login.finish(&login.response, "relay", before).err(),
        saml,
        "time"
    );
    // Another gateway: destination, recipient, audience.
    let elsewhere = SamlProvider::new(login.idp.settings(), "https://other.example").expect("good");
    let moved = elsewhere.finish(&login.pending, &login.response, "relay", &login.used, now());
    assert_eq!(moved.err().map(|r| r.code), saml, "audience");
    // Another provider of the same name.
    let stranger = Idp::new();
    let theirs = SamlProvider::new(stranger.settings(), URL).expect("good");
    let forged = theirs.finish(&login.pending, &login.response, "relay", &login.used, now());
    assert_eq!(forged.err().map(|r| r.code), saml, "key");
    // After all that, the genuine one still counts.
    assert!(login.finish(&login.response, "relay", now()).is_ok());
}

#[test]
fn what_was_changed_on_the_way_is_refused() {
    let login = login(NameIdFormat::Persistent);
    let text = login.text();
    let signature = {
        let from = text.find("<ds:Signature").expect("a signature");
        let to = text.find("</ds:Signature>").expect("its end") + "</ds:Signature>".len();
        text[from..to].to_owned()
    };
    assert!(text.contains(">ana</"), "{text}");
    for changed in [
        text.replace(">ana</", ">bea</"),
        text.replace(">ana</", ">ana<!-- -->x</"),
        text.replace(&signature, ""),
        text.replace("rsa-sha256", "rsa-sha1"),
        text.replacen("Destination=\"", "Destination=\"x", 1),
        format!("<!DOCTYPE x>{text}"),
    ] {
        assert_ne!(changed, text);
        let got = login.finish(&STANDARD.encode(&changed), "relay", now());
        assert_eq!(got.err(), Some(Code::Saml), "{changed}");
    }
    for nonsense in ["", "%%%", "PHg+"] {
        assert_eq!(
            login.finish(nonsense, "relay", now()).err(),
            Some(Code::Saml)
        );
    }
    assert!(login.finish(&login.response, "relay", now()).is_ok());
}

#[test]
fn a_name_of_one_login_names_nobody() {
    let login = login(NameIdFormat::Transient);
    assert_eq!(
        login.finish(&login.response, "relay", now()).err(),
        Some(Code::Subject)
    );
}

#[test]
fn the_time_of_the_login_is_the_one_that_the_provider_has_signed() {
    let silent = login(NameIdFormat::Persistent);
    let said = silent
        .finish(&silent.response, "relay", now())
        .expect("good");
    assert_eq!(said.authenticated, None, "nothing was said");

    let idp = Idp::new();
    let provider = SamlProvider::new(idp.settings(), URL).expect("a provider");
    let before = now();
    let respond = |asked: Timestamp| {
        let (url, pending) = provider.begin("relay", Some(asked)).expect("begins");
        assert!(url.contains("SAMLRequest="));
        let how = RespondSso::post().apply_web_browser_sso_generation_rules();
        let response = idp.respond_by(&provider, &url, NameIdFormat::Persistent, how);
        provider.finish(&pending, &response, "relay", &Used::new(), now())
    };
    let identity = respond(before).expect("good");
    let at = identity.authenticated.expect("it was said");
    // Times in assertions are of whole seconds.
    assert!(at.seconds() >= before.seconds() && at <= now(), "{at:?}");
    // As if the provider's cookie had answered a request that came an hour after the login.
    let late = respond(now().after(Duration::from_secs(3600)));
    assert_eq!(late.err().map(|refused| refused.code), Some(Code::TooOld));
}

/// The text from the first `from` to the first `to` behind it, both included.
fn part<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    let start = text.find(from).expect("its beginning");
    let length = text[start..].find(to).expect("its end") + to.len();
    &text[start..start + length]
}

/// `more` as the last child of the first element that ends so.
fn inside(text: &str, end: &str, more: &str) -> String {
    text.replacen(end, &format!("{more}{end}"), 1)
}

/// The eight ways of Somorovsky and others (2012) to have a signature over one thing and the reading of another, each
/// made of a response that the provider has really signed for `ana`, to be taken for `bea`'s.
fn wrapped(text: &str) -> [String; 8] {
    const ASSERTION: &str = "</saml:Assertion>";
    const SIGNATURE: &str = "</ds:Signature>";
    let signed = part(text, "<saml:Assertion", ASSERTION);
    let signature = part(signed, "<ds:Signature", SIGNATURE);
    let bare = signed.replacen(signature, "", 1);
    let own = |text: &str| part(text, " ID=\"", "\" ").to_owned();
    let evil = |text: &str, id: &str| {
        let changed = text.replacen(&own(text), &format!(" ID=\"{id}\" "), 1);
        let changed = changed.replace(">ana</", ">bea</");
        assert_ne!(changed, text);
        changed
    };
    let unsigned = evil(&bare, "_evil");
    let put = |new: &str| text.replacen(signed, new, 1);
    // The signed response, and one around it that is read.
    let inner = &text[text.find("<samlp:Response").expect("a response")..];
    let without = inner.replacen(signature, "", 1);
    let outer = inner.replacen(signed, &unsigned, 1);
    let outer = outer.replacen(&own(&outer), " ID=\"_outer\" ", 1);
    let around = |more: &str| inside(&outer, "</samlp:Response>", more);
    [
        around(&inside(signature, SIGNATURE, &without)),
        around(&format!("{without}{signature}")),
        put(&format!("{unsigned}{signed}")),
        put(&inside(&unsigned, ASSERTION, signed)),
        put(&format!(
            "{}{bare}",
            inside(&unsigned, ASSERTION, signature)
        )),
        put(&inside(
            &unsigned,
            ASSERTION,
            &inside(signature, SIGNATURE, &bare),
        )),
        put(&format!(
            "<samlp:Extensions>{unsigned}</samlp:Extensions>{signed}"
        )),
        put(&inside(
            &unsigned,
            ASSERTION,
            &inside(
                signature,
                SIGNATURE,
                &format!("<ds:Object>{bare}</ds:Object>"),
            ),
        )),
    ]
}

#[test]
fn a_signature_over_one_thing_is_none_over_another() {
    let login = login(NameIdFormat::Persistent);
    let text = login.text();
    for (way, forged) in wrapped(&text).iter().enumerate() {
        assert!(forged.contains(">bea</"), "{way}");
        // It is a document, and all that was signed is still there.
        let read = gate::plain(forged);
        assert!(
            !matches!(read, Ok(()) | Err(gate::Unplain::Malformed)),
            "{way}"
        );
        let value = part(&text, "<ds:SignatureValue", "</ds:SignatureValue>");
        assert!(forged.contains(value), "{way}");
        let got = login.finish(&STANDARD.encode(forged), "relay", now());
        assert_eq!(got.err(), Some(Code::Saml), "{}: {forged}", way + 1);
    }
    assert!(login.finish(&login.response, "relay", now()).is_ok());
}
