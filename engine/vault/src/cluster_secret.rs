//! Secrets of the Kubernetes cluster that the gateway runs in, read from its API with the gateway's own mounted token.
//! It needs `get` on the one Secret, and nothing else.

use crate::error::{Unavailable, VaultError};
use crate::secret::{Secret, Wiped};
use crate::secrets::{Fetched, Source};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Request;
use hyper::header::HeaderValue;
use portcullis_fetch::{Bounds, Fetcher};
use portcullis_model::limits;
use std::path::Path;
use zeroize::Zeroizing;

/// The cluster's API, spoken to.
pub struct ClusterSecrets {
    address: String,
    token: Source,
    fetcher: Fetcher,
}

impl ClusterSecrets {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// When the file of authorities cannot be used.
    pub fn new(address: String, ca: &Path, token: Source) -> Result<Self, VaultError> {
        let fetcher = Fetcher::new(Some(ca));
        let fetcher = fetcher
            .map_err(|e| VaultError::Unavailable(address.clone(), Unavailable::Unreachable(e)))?;
        Ok(Self {
            address,
            token,
            fetcher,
        })
    }

    /// A key of a Secret's data.
    pub(crate) async fn secret(
        &self,
        namespace: &str,
        name: &str,
        key: &str,
    ) -> Result<Fetched, Unavailable> {
        let token = self
            .token
            .read()
            .await
            .map_err(|_| Unavailable::Credential)?;
        let token = token.text().ok_or(Unavailable::Credential)?;
        let bearer = Zeroizing::new(format!("Bearer {token}"));
        let bearer = HeaderValue::from_str(&bearer);
        let mut bearer = bearer.map_err(|_| Unavailable::Credential)?;
        bearer.set_sensitive(true);
        let address = self.address.trim_end_matches('/');
        let request = Request::get(format!(
            "{address}/api/v1/namespaces/{namespace}/secrets/{name}"
        ))
        .header("authorization", bearer)
        .header("accept", "application/json")
        .body(Vec::new())
        .map_err(|_| Unavailable::Credential)?;
        let bounds = Bounds {
            time: limits::SECRET_FETCH_MAX,
            bytes: limits::SECRET_ANSWER_BYTES_MAX,
        };
        let answer = self.fetcher.send_within(request, bounds).await;
        let answer = answer.map_err(Unavailable::Unreachable)?;
        let status = answer.status().as_u16();
        let body = answer.into_body();
        if status != 200 {
            drop(Zeroizing::new(body));
            return Err(Unavailable::Status(status));
        }
        let answer = Wiped::read(body).ok_or(Unavailable::Answer)?;
        let encoded = answer.secret("/data", key).ok_or(Unavailable::Field)?;
        let bytes = STANDARD.decode(encoded.expose());
        let bytes = Zeroizing::new(bytes.map_err(|_| Unavailable::Answer)?);
        Ok(Fetched {
            secret: Secret::bounded(&bytes).ok_or(Unavailable::Field)?,
            ttl: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned::Canned;
    use serde_json::json;

    #[tokio::test]
    async fn a_key_of_a_secret_is_read_as_the_mounted_account() {
        let canned = Canned::serve(|asked| match asked.line.as_str() {
            "GET /api/v1/namespaces/apps/secrets/orders-db" => {
                let data = json!({"password": "SzdyNHQ=", "empty": "", "broken": "*"});
                (200, json!({"kind": "Secret", "data": data}).to_string())
            }
            "GET /api/v1/namespaces/apps/secrets/other" => (403, "{}".to_owned()),
            _ => (404, "{}".to_owned()),
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let (ca, token) = (folder.path().join("ca.crt"), folder.path().join("token"));
        let made = rcgen::generate_simple_self_signed(["cluster".to_owned()]).unwrap();
        std::fs::write(&ca, made.cert.pem()).unwrap();
        std::fs::write(&token, "mounted-token").unwrap();
        let address = canned.url.clone();
        let cluster = ClusterSecrets::new(address, &ca, Source::of_file(&token)).unwrap();
        let secret = cluster.secret("apps", "orders-db", "password").await;
        assert_eq!(secret.ok().unwrap().secret.expose(), b"K7r4t");
        let asked = canned.last("GET /api/v1/namespaces/apps/secrets/orders-db");
        assert!(
            asked
                .headers
                .contains("authorization: bearer mounted-token")
        );
        for (name, key, why) in [
            ("orders-db", "none", "no such field"),
            ("orders-db", "empty", "no such field"),
            ("orders-db", "broken", "promises"),
            ("other", "password", "may not do that"),
            ("none", "password", "nothing of that name"),
        ] {
            let refused = cluster.secret("apps", name, key).await;
            let error = refused.err().unwrap().to_string();
            assert!(error.contains(why), "{name}#{key}: {error}");
        }
        std::fs::remove_file(&token).unwrap();
        let refused = cluster.secret("apps", "orders-db", "password").await;
        assert!(matches!(refused.err(), Some(Unavailable::Credential)));
    }
}
