//! Logging in: a person proves who she is to her provider, in a browser or on another device, and gets a
//! session token of the gateway. The gateway is the provider's client; what the provider gives stays here.
//!
//! Three secrets meet: `state`, `nonce` and PKCE towards the provider, a one-time code and PKCE towards the
//! command line, and a refresh token that changes with every use. It refuses a code without the verifier it
//! was asked for with, anything twice, and a refresh token that was used before: then somebody else has it,
//! and the whole login is over. It keeps nothing over a restart: people log in again then.

mod anew;
mod handed;
mod provider;
mod store;

pub use provider::ProviderSettings;

use crate::issuers::{Issuers, LoginProof};
use crate::refused::{Code, Refused};
use crate::replay::Used;
use crate::saml::{SamlProvider, SamlSettings};
use crate::session::SessionTokens;
use handed::{Before, Presented};
use openidconnect::core::CoreDeviceAuthorizationResponse;
use portcullis_gate::Clock;
use portcullis_model::{Denial, Identity, Kind, Timestamp, limits};
use provider::{Given, Provider, Unserved};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use store::{Browser, Expected, Kept, Secret, Store, Taken};
use zeroize::Zeroizing;

/// How people log in here.
#[derive(Clone)]
pub struct SignInSettings {
    /// The gateway's own address, as browsers reach it.
    pub url: String,
    /// How long a session token is good for.
    pub session: Duration,
    /// How long it may be refreshed for.
    pub longest: Duration,
    /// OpenID providers.
    pub providers: Vec<ProviderSettings>,
    /// SAML providers.
    pub saml: Vec<SamlSettings>,
}

/// What somebody gets after a login, once.
pub struct SignedIn {
    /// The session token.
    pub token: Zeroizing<String>,
    /// What refreshes it, where the provider lets us.
    pub refresh: Option<Zeroizing<String>>,
    /// Who it is; `expires` is the token's.
    pub identity: Arc<Identity>,
    /// A login that has ended with this: they came with a refresh token of it that was used before, so somebody else may have
    /// it. Whatever else came of it is the caller's to end.
    pub copied: Option<Arc<Identity>>,
    /// What they came with.
    before: Before,
}

/// What becomes of a refresh.
pub enum Refreshed {
    /// A new token. The identity is as the provider says it is now.
    Again(Box<SignedIn>),
    /// The login is over, for everything that came of it.
    Over(Arc<Identity>, Denial),
}

/// A login on another device.
pub struct OnDevice {
    /// What to ask again with.
    pub id: Zeroizing<String>,
    /// What to type.
    pub user_code: String,
    /// Where.
    pub verification: String,
    /// The same with the code in it.
    pub complete: Option<String>,
    /// Seconds until it is too late.
    pub seconds: u64,
}

/// Where a login on another device stands.
pub enum Polled {
    /// Ask again in a few seconds.
    Pending,
    /// Done.
    Done(Box<SignedIn>),
}

/// The place where people log in. Providers and times may change; logins under way and refresh tokens stay.
pub struct SignIn {
    store: Arc<Store>,
    used: Used,
    tokens: Arc<SessionTokens>,
    clock: Clock,
}

/// Providers and times, as they are configured now.
pub struct Providers {
    settings: SignInSettings,
    list: Vec<Place>,
}

/// Where one can log in.
enum Place {
    OpenId(Arc<Provider>),
    Saml(Box<SamlProvider>),
}

impl Place {
    fn name(&self) -> &str {
        match self {
            Self::OpenId(provider) => &provider.settings.name,
            Self::Saml(provider) => &provider.settings.name,
        }
    }
}

/// A login in a browser, as the command line asks for it.
pub struct Wish<'a> {
    /// The provider; the only one when not said.
    pub name: Option<&'a str>,
    /// Who asks, and so where the browser goes in the end.
    pub back: Back,
    /// Its PKCE challenge (S256).
    pub challenge: &'a str,
    /// Its own word.
    pub state: &'a str,
    /// The provider is to ask for the proof again, whoever is logged in there already.
    pub fresh: bool,
}

/// A login on another device, as the command line asks for it.
pub struct DeviceWish<'a> {
    /// The provider; the only one when not said.
    pub name: Option<&'a str>,
    /// Its PKCE challenge (S256).
    pub challenge: &'a str,
    /// Only a proof counts that comes after this.
    pub fresh: bool,
}

/// Where a browser goes that has come back from its provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Back {
    /// To a command line that listens on this port of loopback (RFC 8252 section 7.3).
    Loopback(u16),
    /// To the gateway's own pages.
    Console,
}

impl Back {
    fn address(self, url: &str) -> String {
        match self {
            Self::Loopback(port) => format!("http://127.0.0.1:{port}/callback"),
            Self::Console => format!("{url}{CONSOLE_RETURN}"),
        }
    }
}

/// Where the gateway's own pages take a code.
pub const CONSOLE_RETURN: &str = "/console/login/done";

/// What a browser brings back.
pub enum Returned<'a> {
    /// From an OpenID provider.
    Code {
        /// A code, or the provider's word for what went wrong.
        said: Result<&'a str, &'a str>,
        /// Who the provider says it is (RFC 9207).
        issuer: Option<&'a str>,
    },
    /// From a SAML provider: its response.
    Response(&'a str),
}

impl Providers {
    /// Checks authorities and metadata; nobody is asked yet.
    ///
    /// # Errors
    /// The name of the provider that cannot be used, and why.
    pub fn new(settings: SignInSettings) -> Result<Self, String> {
        let mut list = Vec::new();
        for one in &settings.providers {
            let made = Provider::new(one.clone());
            let made = made.map_err(|error| format!("{}: {error}", one.name))?;
            list.push(Place::OpenId(Arc::new(made)));
        }
        for one in &settings.saml {
            let made = SamlProvider::new(one.clone(), &settings.url);
            let made = made.map_err(|error| format!("{}: {error}", one.name))?;
            list.push(Place::Saml(Box::new(made)));
        }
        Ok(Self { list, settings })
    }

    /// Their names.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.list.iter().map(|p| p.name().to_owned()).collect()
    }

    /// The first at which one can log in on another device.
    #[must_use]
    pub fn on_device(&self) -> Option<&str> {
        let mut openid = self.list.iter().filter(|p| matches!(p, Place::OpenId(_)));
        openid.next().map(Place::name)
    }

    /// Our metadata for a SAML provider of that name.
    #[must_use]
    pub fn saml_metadata(&self, name: &str) -> Option<String> {
        self.list.iter().find_map(|place| match place {
            Place::Saml(provider) if provider.settings.name == name => {
                Some(provider.metadata().to_owned())
            }
            _ => None,
        })
    }

    /// True when a SAML provider of this entity id serves.
    #[must_use]
    pub fn vouches(&self, issuer: &str) -> bool {
        self.settings.saml.iter().any(|s| s.entity == issuer)
    }

    fn find(&self, name: Option<&str>) -> Result<&Place, Denial> {
        let wrong = |text: &'static str| {
            Denial::new("login/provider", text).hint(format!(
                "portcullis login --provider NAME, with one of: {}",
                self.names().join(", ")
            ))
        };
        match (name, self.list.as_slice()) {
            (Some(name), all) => all
                .iter()
                .find(|p| p.name() == name)
                .ok_or_else(|| wrong("there is no provider of that name to log in at")),
            (None, [only]) => Ok(only),
            (None, []) => Err(wrong("this gateway has no provider to log in at")),
            (None, _) => Err(wrong("there are several providers to log in at")),
        }
    }

    fn openid(&self, name: Option<&str>) -> Result<&Arc<Provider>, Denial> {
        match self.find(name)? {
            Place::OpenId(provider) => Ok(provider),
            Place::Saml(_) => Err(Denial::new(
                "login/unsupported",
                "a SAML provider logs people in in a browser only",
            )
            .hint("portcullis login, without --device; log in again when the token ends.")),
        }
    }

    fn redirect(&self) -> String {
        format!("{}/v1/login/callback", self.settings.url)
    }
}

impl SignIn {
    /// Nobody is logged in.
    #[must_use]
    pub fn new(tokens: Arc<SessionTokens>, clock: Clock) -> Self {
        Self {
            store: Arc::default(),
            used: Used::new(),
            tokens,
            clock,
        }
    }

    /// Begins a login in a browser: the address to open. `from` is who asks.
    ///
    /// # Errors
    /// A denial for the person.
    pub async fn begin(
        &self,
        providers: &Providers,
        from: IpAddr,
        wish: Wish<'_>,
    ) -> Result<String, Denial> {
        let Wish {
            name,
            back,
            challenge,
            state,
            fresh,
        } = wish;
        well_formed(challenge, state)?;
        let anew = fresh.then(|| (self.clock)());
        let (url, relay, expected) = match providers.find(name)? {
            Place::OpenId(provider) => {
                let begun = provider.begin(&providers.redirect(), fresh).await;
                let begun = begun.map_err(|why| unserved(provider, &why))?;
                let expected = Expected::Code {
                    nonce: begun.nonce,
                    verifier: begun.verifier,
                    names_itself: begun.names_itself,
                };
                (begun.url, begun.state, expected)
            }
            Place::Saml(provider) => {
                let relay = Secret::draw()?.shown();
                let begun = provider.begin(&relay, anew);
                let (url, pending) = begun.map_err(|error| unusable(provider, &error))?;
                (url, relay, Expected::Response(Box::new(pending)))
            }
        };
        let browser = Browser {
            provider: providers.find(name)?.name().to_owned(),
            expected,
            anew,
            back,
            challenge: challenge.to_owned(),
            state: state.to_owned(),
        };
        self.store.begin(&relay, browser, from, (self.clock)());
        Ok(url)
    }

    /// The browser has come back from the provider: where it goes now, on the person's own machine.
    ///
    /// # Errors
    /// A denial to show in the browser.
    pub async fn come_back(
        &self,
        providers: &Providers,
        issuers: &Issuers,
        state: &str,
        returned: Returned<'_>,
    ) -> Result<String, Denial> {
        let now = (self.clock)();
        let browser = self.store.back(state, now)?;
        let back = browser.back.address(&providers.settings.url);
        let place = providers.find(Some(&browser.provider))?;
        if let Returned::Code { issuer, .. } = &returned {
            of_the_asked(place, &browser.expected, *issuer)?;
        }
        let taken = match (place, browser.expected, returned) {
            // What the provider says went wrong is the client's own business, and stays out of the address.
            (_, _, Returned::Code { said: Err(_), .. }) => {
                return Ok(format!(
                    "{back}?error=access_denied&state={}",
                    browser.state
                ));
            }
            (
                Place::OpenId(provider),
                Expected::Code {
                    nonce, verifier, ..
                },
                Returned::Code { said: Ok(code), .. },
            ) => {
                let given = provider
                    .redeem(code, &verifier, &providers.redirect())
                    .await;
                let given = given.map_err(|why| unserved(provider, &why))?;
                let identity = self.verify(provider, issuers, &given, Some(&nonce)).await;
                let identity = identity.map_err(|refused| refused.denial())?;
                Taken::new(identity, given.refresh, &browser.provider)
            }
            (Place::Saml(provider), Expected::Response(pending), Returned::Response(response)) => {
                let identity = provider.finish(&pending, response, state, &self.used, now);
                Taken::new(identity.map_err(|r| r.denial())?, None, &browser.provider)
            }
            _ => return Err(mixed_up()),
        };
        anew::proved(&taken.identity, browser.anew)?;
        let once = self.store.hand_over(browser.challenge, taken, now)?;
        Ok(format!("{back}?code={}&state={}", *once, browser.state))
    }

    /// The command line fetches what its login has brought. With the refresh token of a login `before` of the same person
    /// that one goes on: what stands on it, sessions and remembered keys, does not end because they have proved it anew. Where
    /// it was used before, that login is over ([`SignedIn::copied`]). What is fetched is handed out ([`Self::hand_out`]) or
    /// taken back ([`Self::take_back`]); until then `before` stays good.
    ///
    /// # Errors
    /// The same denial whatever was wrong.
    pub fn fetch(
        &self,
        providers: &Providers,
        code: &str,
        verifier: &str,
        before: Option<&str>,
    ) -> Result<SignedIn, Denial> {
        let taken = self.store.fetch(code, verifier, (self.clock)())?;
        self.keep(providers, taken, before)
    }

    /// Begins a login on another device.
    ///
    /// # Errors
    /// A denial for the person.
    pub async fn begin_on_device(
        self: &Arc<Self>,
        providers: &Arc<Providers>,
        issuers: Arc<Issuers>,
        from: IpAddr,
        wish: DeviceWish<'_>,
    ) -> Result<OnDevice, Denial> {
        well_formed(wish.challenge, "device")?;
        let provider = Arc::clone(providers.openid(wish.name)?);
        let now = (self.clock)();
        let anew = wish.fresh.then_some(now);
        // There is a place for it before the provider is asked.
        let id = self.store.wait_for(wish.challenge, from, now)?;
        let begun = match provider.begin_device(wish.fresh).await {
            Ok(begun) => begun,
            Err(why) => {
                self.store.never_mind(&id);
                return Err(unserved(&provider, &why));
            }
        };
        let shown = OnDevice {
            id: id.shown(),
            user_code: begun.user_code().secret().clone(),
            verification: begun.verification_uri().to_string(),
            complete: begun
                .verification_uri_complete()
                .map(|uri| uri.secret().clone()),
            seconds: begun.expires_in().min(limits::LOGIN_PENDING_MAX).as_secs(),
        };
        let (desk, own) = (Arc::clone(self), id.clone());
        let asking = tokio::spawn(async move {
            let answer = desk.confirmed(&provider, &issuers, &begun, anew).await;
            desk.store.confirm(&own, answer, (desk.clock)());
        });
        self.store.asked_by(&id, asking.abort_handle());
        Ok(shown)
    }

    async fn confirmed(
        &self,
        provider: &Provider,
        issuers: &Issuers,
        begun: &CoreDeviceAuthorizationResponse,
        anew: Option<Timestamp>,
    ) -> Result<Taken, Denial> {
        let given = provider.wait_for_device(begun).await;
        let given = given.map_err(|why| unserved(provider, &why))?;
        // RFC 8628 has no nonce; the device code is what ties the answer to us.
        let identity = self.verify(provider, issuers, &given, None).await;
        let identity = identity.map_err(|refused| refused.denial())?;
        anew::proved(&identity, anew)?;
        Ok(Taken::new(identity, given.refresh, &provider.settings.name))
    }

    /// Where a login on another device stands; `before` as for [`Self::fetch`].
    ///
    /// # Errors
    /// When it was refused, is over or never was.
    pub fn poll(
        &self,
        providers: &Providers,
        id: &str,
        verifier: &str,
        before: Option<&str>,
    ) -> Result<Polled, Denial> {
        match self.store.poll(id, verifier, (self.clock)())? {
            None => Ok(Polled::Pending),
            Some(taken) => {
                let signed_in = self.keep(providers, taken, before)?;
                Ok(Polled::Done(Box::new(signed_in)))
            }
        }
    }

    /// A new token for a refresh token. The provider is asked again who it is: groups that were taken away
    /// are gone from here on, and whoever was locked out there is locked out here.
    ///
    /// # Errors
    /// When the token is unknown, or the provider cannot be asked: then it stays good.
    pub async fn refresh(
        &self,
        providers: &Providers,
        issuers: &Issuers,
        refresh: &str,
    ) -> Result<Refreshed, Denial> {
        let now = (self.clock)();
        let mut presented = match self.store.present(refresh, now)? {
            Ok(kept) => Presented::new(&self.store, refresh, kept),
            Err(identity) => {
                return Ok(Refreshed::Over(identity, reused()));
            }
        };
        let provider = match providers.openid(Some(&presented.kept().provider)) {
            Ok(provider) => Arc::clone(provider),
            Err(denial) => return Ok(Refreshed::Over(presented.use_up(), denial)),
        };
        let given = match presented.ask(&provider).await {
            Ok(given) => given,
            Err(Unserved::Refused(why)) => {
                let identity = presented.use_up();
                tracing::info!(provider = %provider.settings.name, why, "a login was ended by its provider");
                self.store.forget(&identity);
                return Ok(Refreshed::Over(identity, ended()));
            }
            Err(why) => return Err(unserved(&provider, &why)),
        };
        let verified = self.verify(&provider, issuers, &given, None).await;
        let identity = match verified {
            Ok(identity) if identity.principal == presented.kept().identity.principal => identity,
            // Nobody says that she is not who she was: the same token may be presented again.
            Err(refused) if refused.code == Code::KeysUnavailable => return Err(no_keys()),
            Ok(_) | Err(_) => {
                let identity = presented.use_up();
                self.store.forget(&identity);
                return Ok(Refreshed::Over(identity, ended()));
            }
        };
        let mut renewed = self.renew(providers, presented.kept(), identity)?;
        drop(presented.use_up());
        renewed.before = Before::Used(Zeroizing::new(refresh.to_owned()));
        Ok(Refreshed::Again(Box::new(renewed)))
    }

    /// Forgets a login. Returns whose it was.
    #[must_use]
    pub fn leave(&self, refresh: &str) -> Option<Arc<Identity>> {
        self.store.leave(refresh)
    }

    async fn verify(
        &self,
        provider: &Provider,
        issuers: &Issuers,
        given: &Given,
        nonce: Option<&str>,
    ) -> Result<Identity, Refused> {
        let proof = LoginProof {
            provider: &provider.settings.name,
            client: &provider.settings.client_id,
            token: &given.id_token,
            nonce,
        };
        issuers.verify_login(&proof).await
    }

    /// First token of a login.
    fn keep(
        &self,
        providers: &Providers,
        taken: Taken,
        before: Option<&str>,
    ) -> Result<SignedIn, Denial> {
        let now = (self.clock)();
        let mut identity = taken.identity;
        if identity.kind != Kind::Human {
            return Err(Denial::new("login/kind", "only people log in")
                .hint("A workload presents its platform's token as it is."));
        }
        let copied = before.and_then(|refresh| self.store.again(refresh, now));
        let goes_on = before.and_then(|refresh| {
            let name = self.store.goes_on(refresh, &identity, now)?;
            Some((name, refresh))
        });
        let (name, before) = match goes_on {
            Some((name, refresh)) => (name, Some(refresh)),
            None => (token_name()?, None),
        };
        identity.token_id = Some(name);
        identity.expires = now.after(providers.settings.session);
        let identity = Arc::new(identity);
        let token = self.tokens.issue(&identity).map_err(|r| r.denial())?;
        let refresh = match taken.refresh {
            None => None,
            Some(theirs) => Some(self.store.keep(
                Kept {
                    identity: Arc::clone(&identity),
                    provider: taken.provider,
                    refresh: theirs,
                    until: now.after(providers.settings.longest),
                },
                before,
                now,
            )?),
        };
        Ok(SignedIn {
            token,
            refresh,
            identity,
            copied,
            before: before.map_or(Before::Nothing, |refresh| {
                Before::Good(Zeroizing::new(refresh.to_owned()))
            }),
        })
    }

    /// A further token of a login.
    fn renew(
        &self,
        providers: &Providers,
        kept: &Kept,
        mut identity: Identity,
    ) -> Result<SignedIn, Denial> {
        let now = (self.clock)();
        identity.token_id.clone_from(&kept.identity.token_id);
        // When it was that the person proved herself does not change by refreshing.
        identity.authenticated = kept.identity.authenticated.or(identity.authenticated);
        identity.expires = now.after(providers.settings.session).min(kept.until);
        let identity = Arc::new(identity);
        let token = self.tokens.issue(&identity).map_err(|r| r.denial())?;
        let kept = Kept {
            identity: Arc::clone(&identity),
            provider: kept.provider.clone(),
            refresh: kept.refresh.clone(),
            until: kept.until,
        };
        Ok(SignedIn {
            token,
            refresh: Some(self.store.keep(kept, None, now)?),
            identity,
            copied: None,
            before: Before::Nothing,
        })
    }
}

/// A name for a token that nobody can guess or meet twice.
///
/// # Errors
/// When there is no randomness.
pub fn token_name() -> Result<String, Denial> {
    Secret::draw().map(|secret| secret.name())
}

/// An S256 challenge (RFC 7636 section 4.2) and a word that is safe in an address.
fn well_formed(challenge: &str, state: &str) -> Result<(), Denial> {
    let plain = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    match challenge.len() == 43
        && plain(challenge)
        && (1..=128).contains(&state.len())
        && plain(state)
    {
        true => Ok(()),
        false => Err(Denial::new(
            "login/malformed",
            "the login was not asked for as it should be",
        )
        .hint("Use `portcullis login` of the gateway's version.")),
    }
}

/// Refuses an answer of another provider than the one that was asked (RFC 9207 section 2.4): a provider that attacks
/// would have us carry another one's code to it, or its own to us.
fn of_the_asked(place: &Place, expected: &Expected, issuer: Option<&str>) -> Result<(), Denial> {
    let (Place::OpenId(provider), Expected::Code { names_itself, .. }) = (place, expected) else {
        return Err(mixed_up());
    };
    match issuer {
        Some(issuer) if issuer == provider.settings.issuer => Ok(()),
        None if !names_itself => Ok(()),
        _ => Err(Denial::new(
            "login/issuer",
            "another provider answers than the one that was asked",
        )
        .hint("Begin again: portcullis login. If it happens again, tell your security team.")),
    }
}

/// A response where a code belongs, or the other way round.
fn mixed_up() -> Denial {
    Denial::new(
        "login/malformed",
        "the provider answers in another way than it was asked",
    )
    .hint("Begin again: portcullis login")
}

fn unusable(provider: &SamlProvider, error: &dyn std::error::Error) -> Denial {
    tracing::warn!(provider = %provider.settings.name, %error, "a SAML login did not come about");
    Denial::new(
        "login/unavailable",
        "the identity provider's metadata cannot be used",
    )
    .hint("Tell the operator; the gateway's log says why.")
}

fn no_keys() -> Denial {
    Denial::new(
        "login/unavailable",
        "the identity provider's keys cannot be had right now",
    )
    .hint("Try again in a minute: the login goes on.")
}

fn reused() -> Denial {
    Denial::new(
        "login/reused",
        "the refresh token was used before: somebody else may have it, so the login is over",
    )
    .hint("Log in again: portcullis login. If that was not you, tell your security team.")
}

fn ended() -> Denial {
    Denial::new("login/ended", "the identity provider has ended this login")
        .hint("Log in again: portcullis login")
}

fn unserved(provider: &Provider, why: &Unserved) -> Denial {
    let name = &provider.settings.name;
    let mut cause = String::new();
    let mut next = std::error::Error::source(why);
    while let Some(error) = next {
        cause = format!("{cause}: {error}");
        next = error.source();
    }
    tracing::warn!(provider = %name, "a login did not come about: {why}{cause}");
    match why {
        Unserved::Refused(_) => {
            Denial::new("login/refused", "the identity provider refuses the login")
                .hint("Log in again; the gateway's log says what the provider said.")
        }
        Unserved::Unsupported => Denial::new(
            "login/unsupported",
            "the identity provider does not offer this kind of login",
        )
        .hint("Use a browser: portcullis login without --device."),
        _ => Denial::new(
            "login/unavailable",
            "the identity provider cannot be asked right now",
        )
        .hint("Try again in a minute, or tell the operator; the gateway's log says why."),
    }
}

#[cfg(test)]
mod tests;
