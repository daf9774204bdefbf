//! Credentials that the client never sees: minted per session where the target can do it, static where
//! nothing else is possible.
//!
//! It exists so that a secret's bytes have one home. It refuses to show them: a credential answers an
//! upstream's challenges, secrets have no `Debug` and no `Display`, they are wiped when dropped and armed
//! with the tripwire while they live.

mod aws;
mod binding;
#[cfg(test)]
mod canned;
mod cluster_secret;
mod command;
mod error;
mod hashicorp;
mod kubernetes;
mod local;
mod login;
mod postgres;
mod reference;
mod rfc3339;
mod scram;
mod secret;
mod secrets;
mod ssh;
mod static_login;
mod store;
mod tenant_key;

pub use aws::{Account, AwsAccount, AwsCredentials, AwsRequest, RdsLogins, RdsRole};
pub use binding::tls_server_end_point;
pub use cluster_secret::ClusterSecrets;
pub use command::SecretCommand;
pub use error::{Unavailable, VaultError};
pub use hashicorp::{
    DatabaseLogins, DatabaseRole, Hashicorp, HashicorpAuth, HashicorpServer, SigningRole, SshSigner,
};
pub use kubernetes::{ClientCertificate, ClusterLogin, Impersonation, SessionAccount};
pub use login::Channel;
pub use postgres::{
    Access, AdminLogin, MintRequest, Minter, PostgresCatalog, PostgresVault, SideLogin, SideTls,
};
pub use reference::{FORMS, SecretRef};
pub use secret::Secret;
pub use secrets::{Backends, Held, Secrets, Source};
pub use ssh::{
    Agent, Authority, Bearing, CertificateRequest, FixedKey, FixedPassword, KeyFile, KnownHosts,
    KnownHostsError, Signer, Trust, host_key,
};
pub use static_login::{StaticLogin, Weak};
#[cfg(fuzzing)]
pub use store::fuzzing as store_fuzzing;
pub use store::{Store, StoreError};
pub use tenant_key::{TenantKeyBytes, tenant_key};
