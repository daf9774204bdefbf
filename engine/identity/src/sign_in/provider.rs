//! The gateway as a client of one OpenID provider (OpenID Connect Core, RFC 6749, 7636, 8628): where to send
//! the browser, and what the provider gives for a code, a device code or a refresh token.
//!
//! It refuses endpoints that would lead a remote provider's requests to our own machine, and it believes
//! nothing that it gets: an ID token goes to the verifier that every other token goes to.

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClaimName, CoreClaimType,
    CoreClient, CoreClientAuthMethod, CoreDeviceAuthorizationResponse, CoreGrantType,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm,
    CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType, CoreTokenResponse,
};
use openidconnect::{
    AdditionalProviderMetadata, AsyncHttpClient, AuthorizationCode, ClientId, ClientSecret,
    CsrfToken, DeviceAuthorizationUrl, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier,
    ProviderMetadata, RedirectUrl, RefreshToken, RequestTokenError, Scope, TokenResponse as _,
};
use portcullis_fetch::{FetchError, Fetcher, is_plain};
use portcullis_gate::BoxFuture;
use portcullis_model::limits;
use serde::{Deserialize, Serialize};
use std::path::Path;
use zeroize::Zeroizing;

/// A provider that people log in at.
#[derive(Clone)]
pub struct ProviderSettings {
    /// The configured name of the issuer.
    pub name: String,
    /// Its `iss`; discovery starts here.
    pub issuer: String,
    /// Our name there.
    pub client_id: String,
    /// Our secret there, where we have one.
    pub client_secret: Option<Zeroizing<String>>,
    /// What to ask for besides `openid`.
    pub scopes: Vec<String>,
    /// PEM file of the only authorities trusted for its TLS; the public ones when none.
    pub ca_file: Option<std::path::PathBuf>,
}

/// Why a provider could not be asked, or gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unserved {
    #[error("reach the provider")]
    Fetch(#[from] FetchError),
    #[error("use the provider's discovery document")]
    Discovery,
    #[error("use the provider's answer: {0}")]
    Answer(String),
    /// The grant is over: expired, revoked, refused by the person.
    #[error("the provider refuses: {0}")]
    Refused(String),
    #[error("use the provider: it offers no such login")]
    Unsupported,
}

/// What a provider gave.
pub(super) struct Given {
    /// The ID token, as it came.
    pub id_token: String,
    /// What refreshes it.
    pub refresh: Option<Zeroizing<String>>,
}

/// Discovery, with RFC 8628 section 4 and RFC 9207 section 3.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Further {
    device_authorization_endpoint: Option<DeviceAuthorizationUrl>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for Further {}

type Metadata = ProviderMetadata<
    Further,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// One provider, and how it is reached.
pub(super) struct Provider {
    pub(super) settings: ProviderSettings,
    http: Http,
}

/// Where the browser goes, and what has to come back.
pub(super) struct Begun {
    pub url: String,
    pub state: Zeroizing<String>,
    pub nonce: Zeroizing<String>,
    pub verifier: Zeroizing<String>,
    /// The provider says who it is when it answers.
    pub names_itself: bool,
}

impl Provider {
    pub(super) fn new(settings: ProviderSettings) -> Result<Self, Unserved> {
        let ca: Option<&Path> = settings.ca_file.as_deref();
        Ok(Self {
            http: Http(Fetcher::new(ca)?),
            settings,
        })
    }

    /// OpenID Connect Discovery 1.0 section 4, at every login: providers move their endpoints, and logins
    /// are rare.
    async fn metadata(&self) -> Result<Metadata, Unserved> {
        let root = self.settings.issuer.trim_end_matches('/');
        let address = format!("{root}/.well-known/openid-configuration");
        let document = self.http.0.get(&address).await?.value;
        let local = is_plain(root);
        let endpoints = [
            "authorization_endpoint",
            "token_endpoint",
            "device_authorization_endpoint",
        ];
        let text = |name: &str| document.get(name).and_then(serde_json::Value::as_str);
        let astray = endpoints
            .iter()
            .any(|e| text(e).is_some_and(|url| is_plain(url) && !local));
        if astray || text("issuer") != Some(self.settings.issuer.as_str()) {
            return Err(Unserved::Discovery);
        }
        serde_json::from_value(document).map_err(|_| Unserved::Discovery)
    }

    fn client(&self, metadata: Metadata) -> Client {
        let secret = self.settings.client_secret.as_ref();
        CoreClient::from_provider_metadata(
            metadata,
            ClientId::new(self.settings.client_id.clone()),
            secret.map(|secret| ClientSecret::new(secret.to_string())),
        )
    }

    fn scopes(&self) -> impl Iterator<Item = Scope> + '_ {
        self.settings.scopes.iter().cloned().map(Scope::new)
    }

    /// Where to send the browser.
    pub(super) async fn begin(&self, redirect: &str, fresh: bool) -> Result<Begun, Unserved> {
        let redirect = RedirectUrl::new(redirect.to_owned()).map_err(|_| Unserved::Discovery)?;
        let metadata = self.metadata().await?;
        let further = metadata.additional_metadata();
        let names_itself = further.authorization_response_iss_parameter_supported;
        let client = self.client(metadata).set_redirect_uri(redirect);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .add_scopes(self.scopes())
            .set_pkce_challenge(challenge);
        if fresh {
            // With `max_age` the provider has to say when it was (OpenID Connect Core section 3.1.2.1).
            request = request
                .add_prompt(CoreAuthPrompt::Login)
                .set_max_age(std::time::Duration::ZERO);
        }
        let (url, state, nonce) = request.url();
        Ok(Begun {
            url: url.to_string(),
            state: Zeroizing::new(state.into_secret()),
            nonce: Zeroizing::new(nonce.secret().clone()),
            verifier: Zeroizing::new(verifier.into_secret()),
            names_itself,
        })
    }

    /// What a code is worth (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
    pub(super) async fn redeem(
        &self,
        code: &str,
        verifier: &str,
        redirect: &str,
    ) -> Result<Given, Unserved> {
        let redirect = RedirectUrl::new(redirect.to_owned()).map_err(|_| Unserved::Discovery)?;
        let client = self
            .client(self.metadata().await?)
            .set_redirect_uri(redirect);
        let answer = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|_| Unserved::Unsupported)?
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned()))
            .request_async(&self.http)
            .await;
        given(&answer.map_err(|error| refused(&error))?)
    }

    /// What a refresh token is worth (RFC 6749 section 6).
    pub(super) async fn refresh(&self, token: &str) -> Result<Given, Unserved> {
        let client = self.client(self.metadata().await?);
        let token = RefreshToken::new(token.to_owned());
        let answer = client
            .exchange_refresh_token(&token)
            .map_err(|_| Unserved::Unsupported)?
            .request_async(&self.http)
            .await;
        given(&answer.map_err(|error| refused(&error))?)
    }

    /// Begins a login without a browser (RFC 8628 section 3.1).
    pub(super) async fn begin_device(
        &self,
        fresh: bool,
    ) -> Result<CoreDeviceAuthorizationResponse, Unserved> {
        let metadata = self.metadata().await?;
        let endpoint = metadata
            .additional_metadata()
            .device_authorization_endpoint
            .clone();
        let endpoint = endpoint.ok_or(Unserved::Unsupported)?;
        let client = self.client(metadata).set_device_authorization_url(endpoint);
        let mut request = client.exchange_device_code().add_scopes(self.scopes());
        if fresh {
            // A provider that does not know them there ignores them (section 3.1); what counts is what it says then. An age of
            // zero is another way to say `prompt`, which is left out by some where there is no browser yet.
            request = request
                .add_extra_param("prompt", "login")
                .add_extra_param("max_age", "1");
        }
        let answer = request.request_async(&self.http).await;
        answer.map_err(|error| refused(&error))
    }

    /// Waits until the person has confirmed, or time is up (RFC 8628 section 3.4).
    pub(super) async fn wait_for_device(
        &self,
        begun: &CoreDeviceAuthorizationResponse,
    ) -> Result<Given, Unserved> {
        let client = self.client(self.metadata().await?);
        let answer = client
            .exchange_device_access_token(begun)
            .map_err(|_| Unserved::Unsupported)?
            .request_async(
                &self.http,
                tokio::time::sleep,
                Some(limits::LOGIN_PENDING_MAX),
            )
            .await;
        given(&answer.map_err(|error| refused(&error))?)
    }
}

fn given(answer: &CoreTokenResponse) -> Result<Given, Unserved> {
    let id_token = answer
        .id_token()
        .ok_or_else(|| Unserved::Answer("it gives no ID token".to_owned()))?;
    Ok(Given {
        id_token: id_token.to_string(),
        refresh: answer
            .refresh_token()
            .map(|token| Zeroizing::new(token.secret().clone())),
    })
}

/// What the provider said, in a few printable characters: it comes from outside and goes into the log.
fn refused<E, T>(error: &RequestTokenError<E, T>) -> Unserved
where
    E: std::error::Error,
    T: openidconnect::ErrorResponse,
{
    let words = |text: String| -> String {
        let plain = text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ');
        plain.take(120).collect()
    };
    match error {
        RequestTokenError::ServerResponse(said) => Unserved::Refused(words(format!("{said:?}"))),
        other => Unserved::Answer(words(other.to_string())),
    }
}

/// Our own HTTP client, as the library wants to see it.
struct Http(Fetcher);

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = FetchError;
    type Future = BoxFuture<'c, Result<HttpResponse, FetchError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.0.send(request))
    }
}
