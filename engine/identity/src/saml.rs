//! SAML 2.0 as a service provider: where to send the browser, and whom a posted response stands for.
//!
//! The library verifies, with its strictest settings; the gate in front of it lets nothing through that two
//! readers could read in two ways. It refuses responses that nobody asked for (no login that the provider
//! begins), unsigned assertions, signatures with SHA-1, assertions for others or used before, names that change with
//! every login, and a login from before the one that was asked for.

mod gate;
mod proof;

use crate::refused::{Code, Refused};
use crate::replay::Used;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_model::{Identity, Kind, Principal, Timestamp, limits};
use saml_rs::{
    AcsEndpoint, AssertionSignaturePolicy, AudienceValidationPolicy, BrowserInput, ClockSkew,
    EntityId, ForceAuthn, FormField, IdpDescriptor, MetadataTrustPolicy, NameIdFormat,
    PendingAuthnRequest, RelayStateParam, ReplayCache, ReplayKey, ReplayPolicy, Saml, SamlError,
    SamlInstant, SamlValidationContext, Sp, SpConfig, SpValidationPolicy, SsoResponse, SsoSession,
    StartSso, XmlSignatureProfile,
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Clocks may differ by this much; as for tokens.
const SKEW_MILLIS: i64 = 60_000;
/// A response is remembered for this long after it ends.
const SPARE: Duration = Duration::from_secs(120);

/// A SAML provider that people log in at.
#[derive(Clone)]
pub struct SamlSettings {
    /// What it is called here.
    pub name: String,
    /// Its entity id: the issuer in records and policies.
    pub entity: String,
    /// Its metadata, with the certificates that it signs with: from the operator, never from the network.
    pub metadata: String,
    /// The attribute that names people for good; the NameID when none.
    pub subject: Option<String>,
    /// The attribute that lists groups.
    pub groups: Option<String>,
    /// The attribute with a name to show.
    pub display: Option<String>,
}

/// One provider.
pub(crate) struct SamlProvider {
    pub(crate) settings: SamlSettings,
    sp: Saml<Sp>,
    idp: IdpDescriptor,
}

/// A login that is under way there.
pub(crate) struct SamlPending {
    request: PendingAuthnRequest,
    /// When the provider was asked for a new proof, if it was.
    anew: Option<Timestamp>,
}

impl SamlProvider {
    /// The gateway at `url` as a client of this provider.
    pub(crate) fn new(settings: SamlSettings, url: &str) -> Result<Self, SamlError> {
        let policy = SpValidationPolicy {
            assertions: AssertionSignaturePolicy::RequireSigned,
            xml_signatures: XmlSignatureProfile::StrictRsaSha2,
            audience: AudienceValidationPolicy::Validate,
            ..SpValidationPolicy::recommended()
        };
        let config = SpConfig::builder(EntityId::try_new(format!("{url}/v1/login/saml"))?)
            .acs_endpoint(AcsEndpoint::post(format!("{url}/v1/login/saml"))?)
            .validation(policy)
            .build()?;
        let entity = EntityId::try_new(settings.entity.clone())?;
        // The operator's own file: it is trusted as the rest of the configuration is.
        let trust = MetadataTrustPolicy::UnsignedForCompatibility;
        Ok(Self {
            sp: Saml::sp(config)?,
            idp: IdpDescriptor::from_metadata_xml_for(entity, &settings.metadata, trust)?,
            settings,
        })
    }

    /// Our metadata, for whoever runs the provider.
    pub(crate) fn metadata(&self) -> &str {
        self.sp.metadata_xml()
    }

    /// Where the browser goes. `relay` comes back with it. With `anew`, the time that it is, the person has to prove
    /// again who they are.
    pub(crate) fn begin(
        &self,
        relay: &str,
        anew: Option<Timestamp>,
    ) -> Result<(String, SamlPending), SamlError> {
        let relay = RelayStateParam::try_from_option(Some(relay.to_owned()))?;
        let mut start = StartSso::redirect().relay_state(relay);
        if anew.is_some() {
            start = start.force_authn(ForceAuthn::Required);
        }
        let started = self.sp.start_sso(&self.idp, start)?;
        let url = started.outbound.redirect_url()?.to_owned();
        let request = started.pending;
        Ok((url, SamlPending { request, anew }))
    }

    /// Whom a response stands for that answers this request.
    pub(crate) fn finish(
        &self,
        pending: &SamlPending,
        response: &str,
        relay: &str,
        used: &Used,
        now: Timestamp,
    ) -> Result<Identity, Refused> {
        self.let_through(response)?;
        let fields = vec![
            FormField::new("SAMLResponse", response),
            FormField::new("RelayState", relay),
        ];
        let mut memory = Memory {
            used,
            entity: &self.settings.entity,
            now,
        };
        let at = UNIX_EPOCH + Duration::from_nanos(u64::try_from(now.0).unwrap_or(0));
        let context = SamlValidationContext::new(at, ReplayPolicy::RequireCache(&mut memory))
            .with_clock_skew(ClockSkew::from_millis(-SKEW_MILLIS, SKEW_MILLIS));
        let input = BrowserInput::<SsoResponse>::post(fields);
        let session = self
            .sp
            .finish_sso(&self.idp, &pending.request, input, context)
            .map_err(|error| {
                tracing::info!(provider = %self.settings.name, %error, "a SAML response is refused");
                match error {
                    SamlError::ReplayDetected { .. } => Refused::new(
                        Code::Replayed,
                        "the SAML response has been used already",
                        "Log in again: portcullis login",
                    ),
                    _ => refused(),
                }
            })?;
        let statements = session.authn_sessions().iter();
        let said = statements.map(|said| said.authn_instant().map(SamlInstant::as_str));
        let authenticated = proof::proved(said, pending.anew, now)?;
        Ok(Identity {
            authenticated,
            ..self.identity(&session, now)?
        })
    }

    fn let_through(&self, response: &str) -> Result<(), Refused> {
        if response.len() > limits::SAML_BYTES_MAX * 4 / 3 + 4 {
            return Err(refused());
        }
        let bytes = STANDARD.decode(response).map_err(|_| refused())?;
        let text = std::str::from_utf8(&bytes).map_err(|_| refused())?;
        gate::plain(text).map_err(|why| {
            tracing::warn!(provider = %self.settings.name, "a SAML response is refused: {why}");
            refused()
        })
    }

    fn identity(&self, session: &SsoSession, now: Timestamp) -> Result<Identity, Refused> {
        let values = |name: &Option<String>| -> Vec<String> {
            let named = name.as_deref().and_then(|n| session.attributes().get(n));
            let values = named.into_iter().flat_map(|a| a.values());
            values.map(|v| v.as_str().to_owned()).collect()
        };
        let subject = match &self.settings.subject {
            None => stable(session).ok_or_else(unstable)?,
            Some(_) => match values(&self.settings.subject).as_slice() {
                [one] => one.clone(),
                _ => return Err(unstable()),
            },
        };
        let groups = values(&self.settings.groups);
        let fits = |text: &String| !text.is_empty() && text.len() <= limits::TOKEN_NAME_BYTES_MAX;
        if !fits(&subject) || groups.len() > limits::TOKEN_GROUPS_MAX || !groups.iter().all(fits) {
            return Err(refused());
        }
        let display = values(&self.settings.display).into_iter().next();
        Ok(Identity {
            principal: Principal {
                issuer: self.settings.entity.clone(),
                subject: subject.clone(),
            },
            provider: self.settings.name.clone(),
            kind: Kind::Human,
            name: display.filter(fits).unwrap_or(subject),
            groups,
            claims: serde_json::Map::new(),
            actors: Vec::new(),
            owner: None,
            authenticated: None,
            methods: Vec::new(),
            assurance: None,
            token_id: None,
            expires: now,
        })
    }
}

/// The gate alone, for the fuzz target.
#[cfg(fuzzing)]
pub(crate) fn plain(response: &str) -> bool {
    gate::plain(response).is_ok()
}

/// A NameID that is the same at every login.
fn stable(session: &SsoSession) -> Option<String> {
    let name = session.name_id();
    let lasting = !matches!(name.format(), None | Some(NameIdFormat::Transient));
    lasting.then(|| name.value().to_owned())
}

fn refused() -> Refused {
    Refused::new(
        Code::Saml,
        "the SAML response proves nothing to this gateway",
        "Log in again: portcullis login. The gateway's log says what was wrong with it.",
    )
}

fn unstable() -> Refused {
    Refused::new(
        Code::Subject,
        "the SAML response does not name the person for good",
        "The operator lets the provider send a persistent NameID, or maps the attribute that names people.",
    )
}

/// What was used, as the library asks for it.
struct Memory<'u> {
    used: &'u Used,
    entity: &'u str,
    now: Timestamp,
}

impl ReplayCache for Memory<'_> {
    fn check_and_store(&mut self, key: ReplayKey, until: SystemTime) -> Result<(), SamlError> {
        let name = key.cache_key();
        let seconds = until.duration_since(UNIX_EPOCH).unwrap_or_default() + SPARE;
        let until = Timestamp(i64::try_from(seconds.as_nanos()).unwrap_or(i64::MAX));
        let once = self.used.once(self.entity, Some(&name), until, self.now);
        once.map_err(|_| SamlError::ReplayDetected { key: name })
    }
}

#[cfg(test)]
mod tests;
