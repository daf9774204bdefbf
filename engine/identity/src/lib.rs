//! Proof in, identity out: verifies bearer tokens of configured issuers and says who acts.
//!
//! It exists so that nothing else in the gateway ever reads a token. It refuses every token that is not
//! proved to be for this gateway, from a configured issuer, signed with an algorithm the operator named,
//! by a key the issuer publishes, right now; and it refuses to guess at groups that the token left out.

mod certificates;
mod claims;
mod config;
pub mod dev;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod issuers;
mod key_cache;
mod key_set;
mod logins;
mod openpubkey;
mod refused;
mod replay;
mod revocation;
mod saml;
mod scram;
mod session;
mod sign_in;
mod spiffe;
mod strict_json;
mod token;

pub use certificates::{CertificateSettings, Certificates, Certified, POSSESSION, Wanted};
pub use config::{
    Algorithm, ClaimMap, IssuerConfig, Jwks, KindRule, Naming, Required, UnknownAlgorithm,
};
pub use issuers::{IssuerState, Issuers, Misconfigured};
pub use logins::{Issued, Logins};
pub use openpubkey::BoundKey;
pub use refused::{Code, Refused};
pub use revocation::{Full, Revocation, Revocations};
pub use saml::SamlSettings;
pub use scram::Unproved;
pub use session::{
    Delegation, KeyError, MINE, Narrowing, Origin, SessionKey, SessionTokens, delegate,
};
pub use sign_in::{
    Back, CONSOLE_RETURN, DeviceWish, OnDevice, Polled, ProviderSettings, Providers, Refreshed,
    Returned, SignIn, SignInSettings, SignedIn, Wish, token_name,
};

#[cfg(test)]
mod tests;
