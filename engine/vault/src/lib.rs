//! Credentials that the client never sees: minted per session where the target can do it, static where
//! nothing else is possible.
//!
//! It exists so that a secret's bytes have one home. It refuses to show them: a credential answers an
//! upstream's challenges, secrets have no `Debug` and no `Display`, they are wiped when dropped and armed
//! with the tripwire while they live.

mod binding;
mod error;
mod kubernetes;
mod login;
mod postgres;
mod scram;
mod secret;
mod ssh;
mod static_login;
mod tenant_key;

pub use binding::tls_server_end_point;
pub use error::VaultError;
pub use kubernetes::{ClusterLogin, Impersonation};
pub use login::Channel;
pub use postgres::{
    Access, AdminLogin, MintRequest, Minter, PostgresCatalog, PostgresVault, SideTls,
};
pub use secret::{Secret, SecretRef};
pub use ssh::{
    Authority, Bearing, CertificateRequest, FixedKey, FixedPassword, KnownHosts, KnownHostsError,
    Trust, host_key,
};
pub use static_login::{StaticLogin, Weak};
pub use tenant_key::{TenantKeyBytes, tenant_key};
