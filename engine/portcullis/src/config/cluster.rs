//! The parts of a login to a cluster that have parts of their own.

use super::duration::Period;
use super::secret::SecretRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A client certificate by reference.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterCertificate {
    /// The certificate, and those that lead from it to the cluster's authority, in PEM.
    pub certificate: SecretRef,
    /// Its private key, in PEM without a passphrase.
    pub key: SecretRef,
}

/// A ServiceAccount whose tokens sessions carry.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ServiceAccount")]
pub struct SessionAccount {
    /// Its namespace.
    pub namespace: String,
    /// Its name. Without `impersonate` policy may name another one of the namespace (`{"type": "credential", "role": …}`).
    pub name: String,
    /// For whom its tokens are good. The API server's own when not given, which is what it wants to see.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// How long a token is good for. It is renewed while its session lasts. Clusters give none of less than ten minutes.
    #[serde(default = "token_ttl")]
    pub ttl: Period,
}

fn token_ttl() -> Period {
    Period(Duration::from_secs(10 * 60))
}
