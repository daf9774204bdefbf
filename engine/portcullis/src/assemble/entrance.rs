//! Logging in and exchanging tokens, as the HTTPS listener asks for it: the place where people log in, with
//! the record, the revocations and the open sessions beside it. What is issued is on record first. It refuses
//! whoever is revoked, and ends the sessions of a login that is over.

use super::Gateway;
use super::issuers::{Doormen, Front};
use crate::front_desk::{Reception, Verify, revoked};
use crate::guesses::{Guesser, Guesses};
use crate::registry::kind_name;
use crate::revocation::Ledger;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_console::{
    Begun, BrowserWish, Certified, DeviceBegun, DeviceWish, Entrance, Granted, KeyWish, Offers,
    Refused, Returned, TokenError, TokenRequest, WhoAmI,
};
use portcullis_gate::{BoxFuture, Clock};
use portcullis_identity::Returned as Brought;
use portcullis_identity::{
    Back, CertificateSettings, Delegation, DeviceWish as WishOnDevice, Polled, Refreshed, SignedIn,
    Wanted, Wish, delegate,
};
use portcullis_journal::Journal;
use portcullis_model::{Denial, Identity, limits};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Seconds between two polls of a login on another device.
const POLL_SECONDS: u64 = 2;
/// An exchanged token is good for this long when nothing else is asked for, and at most.
const EXCHANGED: Duration = Duration::from_secs(15 * 60);
const EXCHANGED_MAX: Duration = Duration::from_secs(3600);

/// The entrance of a gateway, when its configuration has one.
pub(super) fn entrance(gateway: &Gateway) -> Option<Arc<dyn Entrance>> {
    gateway.doormen.front()?;
    Some(Arc::new(Hall {
        doormen: Arc::clone(&gateway.doormen),
        reception: Arc::clone(&gateway.reception),
        ledger: Arc::clone(&gateway.ledger),
        journal: Arc::clone(&gateway.journal),
        guesses: Arc::clone(&gateway.guesses),
        exchange: gateway
            .loaded
            .load()
            .config
            .login
            .as_ref()
            .is_some_and(|l| l.exchange),
        certificates: super::login::certificates(&gateway.loaded.load()),
        clock: Arc::clone(&gateway.clock),
    }))
}

struct Hall {
    doormen: Arc<Doormen>,
    reception: Arc<Reception>,
    ledger: Arc<Ledger>,
    journal: Arc<Journal>,
    guesses: Arc<Guesses>,
    exchange: bool,
    certificates: Option<CertificateSettings>,
    clock: Clock,
}

impl Entrance for Hall {
    fn offers(&self) -> Offers {
        match self.doormen.front() {
            Some(front) => Offers {
                issuer: front.tokens.issuer().to_owned(),
                providers: front.providers.load().names(),
            },
            None => Offers {
                issuer: String::new(),
                providers: Vec::new(),
            },
        }
    }

    fn keys(&self) -> Value {
        match self.doormen.front() {
            Some(front) => front.tokens.jwks(),
            None => json!({"keys": []}),
        }
    }

    fn saml_metadata(&self, name: &str) -> Option<String> {
        self.doormen.front()?.providers.load().saml_metadata(name)
    }

    fn begin<'a>(
        &'a self,
        from: IpAddr,
        wish: &'a BrowserWish,
    ) -> BoxFuture<'a, Result<Begun, Refused>> {
        Box::pin(async move {
            let front = self.front()?;
            let providers = front.providers.load_full();
            let wish = Wish {
                name: wish.provider.as_deref(),
                back: match wish.console {
                    true => Back::Console,
                    false => Back::Loopback(wish.port),
                },
                challenge: &wish.challenge,
                state: &wish.state,
                fresh: wish.fresh,
            };
            let begun = front.desk.begin(&providers, from, wish).await;
            let url = begun.map_err(|denial| refused(&denial))?;
            Ok(Begun { url })
        })
    }

    fn come_back<'a>(
        &'a self,
        from: IpAddr,
        returned: &'a Returned,
    ) -> BoxFuture<'a, Result<String, Refused>> {
        Box::pin(async move {
            let front = self.front()?;
            let (providers, issuers) = (front.providers.load_full(), self.doormen.issuers());
            let brought = match (&returned.code, &returned.error, &returned.response) {
                (Some(code), None, None) => Brought::Code {
                    said: Ok(code),
                    issuer: returned.issuer.as_deref(),
                },
                (_, Some(error), None) => Brought::Code {
                    said: Err(error),
                    issuer: returned.issuer.as_deref(),
                },
                (None, None, Some(response)) => Brought::Response(response),
                _ => return Err(Refused::new(400, "the provider sends no answer")),
            };
            let to = front
                .desk
                .come_back(&providers, &issuers, &returned.state, brought)
                .await;
            to.map_err(|denial| {
                self.note_refusal(from, &denial);
                refused(&denial)
            })
        })
    }

    fn begin_on_device<'a>(
        &'a self,
        from: IpAddr,
        wish: &'a DeviceWish,
    ) -> BoxFuture<'a, Result<DeviceBegun, Refused>> {
        Box::pin(async move {
            let front = self.front()?;
            let (providers, issuers) = (front.providers.load_full(), self.doormen.issuers());
            let wish = WishOnDevice {
                name: wish.provider.as_deref(),
                challenge: &wish.challenge,
                fresh: wish.fresh,
            };
            let begun = front
                .desk
                .begin_on_device(&providers, issuers, from, wish)
                .await;
            let begun = begun.map_err(|denial| refused(&denial))?;
            Ok(DeviceBegun {
                device_code: begun.id,
                user_code: begun.user_code,
                verification_uri: begun.verification,
                verification_uri_complete: begun.complete,
                expires_in: begun.seconds,
                interval: POLL_SECONDS,
            })
        })
    }

    fn token<'a>(&'a self, request: TokenRequest) -> BoxFuture<'a, Result<Granted, TokenError>> {
        Box::pin(async move {
            let front = self
                .front()
                .map_err(|r| TokenError::new(404, "invalid_request", r.error))?;
            let providers = front.providers.load_full();
            let grant = |denial: Denial| invalid_grant(&denial);
            match request {
                TokenRequest::Code {
                    code,
                    verifier,
                    before,
                } => {
                    let before = self.in_force(front, before.as_ref());
                    let signed_in = front.desk.fetch(&providers, &code, &verifier, before);
                    self.logged_in(front, &signed_in.map_err(grant)?)
                }
                TokenRequest::Device {
                    code,
                    verifier,
                    before,
                } => {
                    let before = self.in_force(front, before.as_ref());
                    let polled = front.desk.poll(&providers, &code, &verifier, before);
                    match polled.map_err(grant)? {
                        Polled::Done(signed_in) => self.logged_in(front, &signed_in),
                        Polled::Pending => Err(TokenError::new(
                            400,
                            "authorization_pending",
                            "nobody has confirmed yet",
                        )),
                    }
                }
                TokenRequest::Refresh { token } => {
                    let issuers = self.doormen.issuers();
                    let again = front.desk.refresh(&providers, &issuers, &token).await;
                    self.refreshed(front, again.map_err(grant)?)
                }
                TokenRequest::Exchange {
                    subject,
                    actor,
                    scope,
                    task,
                    lasts,
                } => {
                    let asked = delegation(scope.as_deref(), task, lasts)?;
                    self.exchanged(front, &subject, &actor, asked).await
                }
            }
        })
    }

    fn certify<'a>(
        &'a self,
        from: IpAddr,
        token: &'a str,
        wish: &'a KeyWish,
    ) -> BoxFuture<'a, Result<Certified, Refused>> {
        Box::pin(self.certified(from, token, wish))
    }

    fn leave<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<(), Refused>> {
        Box::pin(async move {
            let front = self.front()?;
            if let Some(identity) = front.desk.leave(token) {
                return self.over(&identity, "logout").map(drop);
            }
            match front.tokens.verify(token) {
                Some(Ok(identity)) => self.over(&identity, "logout").map(drop),
                // Leaving twice is leaving (RFC 7009 section 2.2).
                _ => Ok(()),
            }
        })
    }

    fn who<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<WhoAmI, Refused>> {
        Box::pin(async move {
            let identity = self.verified(token).await.map_err(|d| refused(&d))?;
            let principal = |p: &portcullis_model::Principal| format!("{} {}", p.issuer, p.subject);
            Ok(WhoAmI {
                name: identity.name.clone(),
                issuer: identity.principal.issuer.clone(),
                subject: identity.principal.subject.clone(),
                kind: kind_name(identity.kind).to_owned(),
                groups: identity.groups.clone(),
                actors: identity.actors.iter().map(principal).collect(),
                until: identity.expires.rfc3339(),
                token_id: identity.token_id.clone(),
            })
        })
    }
}

impl Hall {
    fn front(&self) -> Result<&Front, Refused> {
        self.doormen
            .front()
            .ok_or_else(|| Refused::new(404, "nobody logs in here"))
    }

    /// Who that is, and not revoked.
    async fn verified(&self, token: &str) -> Result<Identity, Denial> {
        let identity = self.doormen.verify(token).await?;
        self.not_revoked(&identity)?;
        Ok(identity)
    }

    fn not_revoked(&self, identity: &Identity) -> Result<(), Denial> {
        let revocations = &self.reception.desk().revocations;
        match revocations.covers(identity, None, (self.clock)()) {
            None => Ok(()),
            Some(_) => Err(revoked()),
        }
    }

    /// The refresh token of a login that can go on: under a name that is revoked nothing does, and whoever proves themselves
    /// anew gets another.
    fn in_force<'a>(
        &self,
        front: &Front,
        before: Option<&'a zeroize::Zeroizing<String>>,
    ) -> Option<&'a str> {
        let before = before?.as_str();
        match front.desk.whose(before) {
            Some(whose) => self.not_revoked(&whose).is_ok().then_some(before),
            // It is no longer good, or never was: the desk tells which.
            None => Some(before),
        }
    }

    /// On record first, then handed out.
    fn signed_in(
        &self,
        front: &Front,
        signed_in: &SignedIn,
        how: &str,
    ) -> Result<Granted, TokenError> {
        let identity = &signed_in.identity;
        let revoked = self.not_revoked(identity);
        let revoked = revoked.inspect_err(|_| front.desk.take_back(signed_in));
        revoked.map_err(|d| invalid_grant(&d))?;
        let recorded = self.on_record(how, identity, &json!({}));
        recorded.inspect_err(|_| front.desk.take_back(signed_in))?;
        let handed = front.desk.hand_out(signed_in);
        handed.map_err(|denial| self.ended(identity, &denial))?;
        Ok(Granted {
            access_token: signed_in.token.clone(),
            token_type: "Bearer".to_owned(),
            expires_in: identity.expires.since((self.clock)()).as_secs(),
            refresh_token: signed_in.refresh.clone(),
            issued_token_type: None,
        })
    }

    /// A login, which may be one before that goes on: what the provider says now holds for what stands on it.
    fn logged_in(&self, front: &Front, signed_in: &SignedIn) -> Result<Granted, TokenError> {
        if let Some(copied) = &signed_in.copied {
            // Before anything else is handed out.
            let over = self.over(copied, "login/reused");
            let over = over.inspect_err(|_| front.desk.take_back(signed_in));
            over.map_err(|r| TokenError::new(r.status, "server_error", r.error))?;
        }
        let granted = self.signed_in(front, signed_in, "login")?;
        self.ask_again(signed_in);
        Ok(granted)
    }

    fn ask_again(&self, signed_in: &SignedIn) {
        let severed = self.reception.ask_again_as(&signed_in.identity);
        if severed > 0 {
            tracing::info!(severed, "sessions have lost their ground with a refresh");
        }
    }

    fn refreshed(&self, front: &Front, refreshed: Refreshed) -> Result<Granted, TokenError> {
        match refreshed {
            Refreshed::Again(signed_in) => {
                let granted = self.signed_in(front, &signed_in, "login-refreshed")?;
                self.ask_again(&signed_in);
                Ok(granted)
            }
            Refreshed::Over(identity, denial) => Err(self.ended(&identity, &denial)),
        }
    }

    /// A login is over, with everything that came of it.
    fn ended(&self, identity: &Identity, denial: &Denial) -> TokenError {
        match self.over(identity, &denial.rule) {
            Ok(_) => invalid_grant(denial),
            Err(kept) => TokenError::new(kept.status, "server_error", kept.error),
        }
    }

    async fn exchanged(
        &self,
        front: &Front,
        subject: &str,
        actor: &str,
        asked: Delegation,
    ) -> Result<Granted, TokenError> {
        if !self.exchange {
            return Err(TokenError::new(
                400,
                "unsupported_grant_type",
                "this gateway exchanges no tokens; the operator allows it with `login: { exchange: true }`",
            ));
        }
        let invalid = |denial: Denial| invalid_grant(&denial);
        let subject = self.verified(subject).await.map_err(invalid)?;
        let actor = self.verified(actor).await.map_err(invalid)?;
        let id = portcullis_identity::token_name().map_err(invalid)?;
        let acting = delegate(&subject, &actor, asked, &id, (self.clock)()).map_err(invalid)?;
        let token = front.tokens.issue(&acting);
        let token = token.map_err(|refused| invalid(refused.denial()))?;
        let bounds = acting.claims.get(portcullis_identity::MINE).cloned();
        self.on_record("token-exchanged", &acting, &json!({"bounds": bounds}))?;
        Ok(Granted {
            access_token: token,
            token_type: "Bearer".to_owned(),
            expires_in: acting.expires.since((self.clock)()).as_secs(),
            refresh_token: None,
            issued_token_type: Some("urn:ietf:params:oauth:token-type:jwt".to_owned()),
        })
    }

    /// Certificates for whoever holds a session token of ours and the key. On record first, then handed out.
    async fn certified(
        &self,
        from: IpAddr,
        token: &str,
        wish: &KeyWish,
    ) -> Result<Certified, Refused> {
        let front = self.front()?;
        let settings = self.certificates.ok_or_else(|| {
            Refused::new(404, "this gateway certifies nobody").hint(
                "use the token as the password; the operator allows certificates with `login: { certificates: {} }`",
            )
        })?;
        if front.tokens.verify(token).is_none() {
            return Err(
                Refused::new(401, "only whoever has logged in here is certified")
                    .hint("log in first: portcullis login"),
            );
        }
        let identity = self.verified(token).await.map_err(|d| refused(&d))?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        let (key, signature) = (decode(&wish.key), decode(&wish.signature));
        let wanted = Wanted {
            token,
            identity: &identity,
            key: &key,
            signature: &signature,
            from,
        };
        let made = front.certificates.issue(&wanted, settings);
        let made = made.map_err(|denial| refused(&denial))?;
        let entry =
            json!({"serial": made.serial, "key": wish.key, "good_until": made.until.rfc3339()});
        self.on_record("certified", &identity, &entry)
            .map_err(|e| Refused::new(e.status, e.error_description))?;
        Ok(Certified {
            x509: made.x509,
            ssh: made.ssh,
            until: made.until.rfc3339(),
            expires_in: made.until.since((self.clock)()).as_secs(),
        })
    }

    /// A login is over: nothing that came of it is good any more, and what it had open ends.
    fn over(&self, identity: &Identity, why: &str) -> Result<usize, Refused> {
        let now = (self.clock)();
        let Some(id) = identity.token_id.clone() else {
            return Ok(0);
        };
        let entry = json!({"identity": identity.principal, "token_id": id, "why": why});
        self.journal.node("login-over", &entry).map_err(|fault| {
            tracing::error!(fault = fault.chain(), "the end of a login is not on record");
            Refused::new(503, "the record cannot be written, so nothing was done")
        })?;
        let kept = self
            .ledger
            .revoke_token(identity.principal.issuer.clone(), id, now);
        let ended = self.reception.desk().end_revoked(now);
        match kept {
            Ok(()) => Ok(ended),
            Err(error) => {
                tracing::error!(%error, "the end of a login does not outlive a restart");
                Err(Refused::new(500, "in force, but not kept over a restart"))
            }
        }
    }

    fn on_record(&self, event: &str, identity: &Identity, more: &Value) -> Result<(), TokenError> {
        let mut entry = json!({
            "identity": identity.principal, "name": identity.name, "kind": identity.kind,
            "groups": identity.groups, "actors": identity.actors, "token_id": identity.token_id,
            "until": identity.expires.rfc3339(),
        });
        if let (Some(entry), Some(more)) = (entry.as_object_mut(), more.as_object()) {
            entry.extend(more.clone());
        }
        self.journal.node(event, &entry).map(drop).map_err(|fault| {
            tracing::error!(
                fault = fault.chain(),
                "a token was not issued: it is not on record"
            );
            TokenError::new(
                503,
                "temporarily_unavailable",
                "the record cannot be written, so nothing is issued",
            )
        })
    }

    /// Anybody can come back from nowhere: it takes nothing of the reserve, and whoever goes on is counted.
    fn note_refusal(&self, from: IpAddr, denial: &Denial) {
        let who = Guesser::other(json!({"address": from}));
        let detail = json!({"rule": denial.rule, "reason": denial.reason});
        self.guesses.note(&who, "login-refused", detail);
    }
}

/// `scope`, as an exchange has it: `target:NAME` for each target, `read_only`.
fn delegation(
    scope: Option<&str>,
    task: Option<String>,
    lasts: Option<u64>,
) -> Result<Delegation, TokenError> {
    let mut asked = Delegation {
        task,
        lasts: lasts
            .map_or(EXCHANGED, Duration::from_secs)
            .min(EXCHANGED_MAX),
        ..Delegation::default()
    };
    for word in scope
        .unwrap_or_default()
        .split(' ')
        .filter(|w| !w.is_empty())
    {
        match word.strip_prefix("target:") {
            Some(name) => asked.targets.get_or_insert_default().push(name.to_owned()),
            None if word == "read_only" => asked.read_only = true,
            None => {
                return Err(TokenError::new(
                    400,
                    "invalid_scope",
                    "a scope is `target:NAME` or `read_only`",
                ));
            }
        }
    }
    if asked
        .targets
        .as_ref()
        .is_some_and(|t| t.len() > limits::NARROWED_TARGETS_MAX)
    {
        return Err(TokenError::new(400, "invalid_scope", "too many targets"));
    }
    Ok(asked)
}

fn refused(denial: &Denial) -> Refused {
    let status = match denial.rule.as_ref() {
        "login/unavailable" => 503,
        "login/busy" | "login/full" => 429,
        rule if rule.starts_with("fault/") => 503,
        rule if rule.starts_with("login/") => 400,
        _ => 401,
    };
    Refused::denied(status, denial)
}

fn invalid_grant(denial: &Denial) -> TokenError {
    let Refused {
        status,
        error,
        hint,
    } = refused(denial);
    let code = match status {
        429 | 503 => "temporarily_unavailable",
        _ => "invalid_grant",
    };
    // RFC 6749 section 5.2: what is wrong with a grant is a 400.
    let status = if status == 401 { 400 } else { status };
    TokenError {
        hint,
        ..TokenError::new(status, code, error)
    }
}
