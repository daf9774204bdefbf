//! From `secrets:` to the backends that references lead to. What opens a backend is read with one that has no such
//! backend itself, so that none can need itself.

use super::Broken;
use crate::clock::clock;
use crate::config::{self, Loaded};
use portcullis_stream::Tripwires;
use portcullis_vault::{
    Account, AwsAccount, AwsCredentials, Backends, ClusterSecrets, Hashicorp, HashicorpAuth,
    HashicorpServer, SecretCommand, Secrets, Source, VaultError,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where a pod finds what it needs to ask its cluster.
const MOUNTED: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The backends of a configuration. Nobody is asked yet.
///
/// # Errors
/// When a file of authorities cannot be used.
pub fn secrets(loaded: &Loaded, tripwires: &Tripwires) -> Result<Secrets, Broken> {
    let written = &loaded.config.secrets;
    let broken = |error: VaultError| Broken::Secrets(crate::cli::explain(&error));
    let plain = Secrets::new(
        Backends {
            ttl: written.ttl.0,
            commands: commands(loaded),
            ..Backends::none()
        },
        tripwires.clone(),
    );
    let store = || {
        let store = written.store.as_ref()?;
        let key = plain.at(store.key.for_vault(loaded.folder()));
        Some((loaded.path(&store.path), key))
    };
    // What opens a server or an account may stand in the store.
    let ground = Secrets::new(
        Backends {
            ttl: written.ttl.0,
            commands: commands(loaded),
            store: store(),
            ..Backends::none()
        },
        tripwires.clone(),
    );
    let at = |reference: &config::SecretRef| ground.at(reference.for_vault(loaded.folder()));
    let mut vault = BTreeMap::new();
    for (name, server) in &written.vault {
        let server = hashicorp(server, loaded, &at);
        let server = Hashicorp::new(server, tripwires.clone()).map_err(broken)?;
        vault.insert(name.clone(), server);
    }
    let mut aws = BTreeMap::new();
    for (name, account) in &written.aws {
        let account = aws_account(account, loaded, &at);
        let account = Account::new(account, clock(), tripwires.clone()).map_err(broken)?;
        aws.insert(name.clone(), account);
    }
    let kubernetes = match &written.kubernetes {
        Some(cluster) => Some(cluster_secrets(cluster, loaded, &at).map_err(broken)?),
        None => None,
    };
    let backends = Backends {
        ttl: written.ttl.0,
        store: store(),
        commands: commands(loaded),
        vault,
        aws,
        kubernetes,
    };
    Ok(Secrets::new(backends, tripwires.clone()))
}

/// A secret of the file, to be read when it is needed.
#[must_use]
pub fn source(secrets: &Secrets, written: &config::SecretRef, loaded: &Loaded) -> Source {
    secrets.at(written.for_vault(loaded.folder()))
}

/// The store of a configuration, for `portcullis secret`.
#[must_use]
pub fn store(loaded: &Loaded, tripwires: &Tripwires) -> Option<(PathBuf, Source)> {
    let store = loaded.config.secrets.store.as_ref()?;
    let plain = Secrets::new(
        Backends {
            commands: commands(loaded),
            ..Backends::none()
        },
        tripwires.clone(),
    );
    let key = plain.at(store.key.for_vault(loaded.folder()));
    Some((loaded.path(&store.path), key))
}

fn commands(loaded: &Loaded) -> BTreeMap<String, SecretCommand> {
    let command = |written: &config::SecretCommand| {
        let (program, arguments) = written.argv.split_first()?;
        Some(SecretCommand {
            program: program.into(),
            arguments: arguments.to_vec(),
            environment: written.environment.clone(),
            timeout: written.timeout.0,
        })
    };
    let written = loaded.config.secrets.commands.iter();
    written
        .filter_map(|(name, written)| Some((name.clone(), command(written)?)))
        .collect()
}

fn hashicorp(
    written: &config::VaultServer,
    loaded: &Loaded,
    at: &dyn Fn(&config::SecretRef) -> Source,
) -> HashicorpServer {
    let auth = &written.auth;
    let auth = if let Some(token) = &auth.token {
        HashicorpAuth::Token(at(token))
    } else if let Some(role) = &auth.approle {
        HashicorpAuth::AppRole {
            mount: role.mount.clone(),
            role_id: role.role_id.clone(),
            secret_id: at(&role.secret_id),
        }
    } else if let Some(jwt) = &auth.jwt {
        HashicorpAuth::Jwt {
            mount: jwt.mount.clone(),
            role: jwt.role.clone(),
            token: at(&jwt.token),
        }
    } else {
        let kubernetes = auth.kubernetes.as_ref();
        let kubernetes = kubernetes.expect("invariant: the check wants exactly one");
        HashicorpAuth::Jwt {
            mount: kubernetes.mount.clone(),
            role: kubernetes.role.clone(),
            token: at(&kubernetes.token),
        }
    };
    HashicorpServer {
        address: written.address.clone(),
        namespace: written.namespace.clone(),
        ca: written.ca.as_ref().map(|path| loaded.path(path)),
        kv_mount: written.kv_mount.clone(),
        auth,
    }
}

fn aws_account(
    written: &config::AwsAccount,
    loaded: &Loaded,
    at: &dyn Fn(&config::SecretRef) -> Source,
) -> AwsAccount {
    let credentials = match (&written.keys, written.from) {
        (Some(keys), _) => AwsCredentials::Keys {
            access_key_id: keys.access_key_id.clone(),
            secret_access_key: at(&keys.secret_access_key),
            session_token: keys.session_token.as_ref().map(at),
        },
        (None, Some(config::AwsFrom::Instance)) => AwsCredentials::Instance,
        (None, Some(config::AwsFrom::WebIdentity)) => AwsCredentials::WebIdentity,
        (None, Some(config::AwsFrom::Environment) | None) => AwsCredentials::Environment,
    };
    AwsAccount {
        region: written.region.clone(),
        endpoint: written.endpoint.clone(),
        ca: written.ca.as_ref().map(|path| loaded.path(path)),
        credentials,
    }
}

fn cluster_secrets(
    written: &config::ClusterSecrets,
    loaded: &Loaded,
    at: &dyn Fn(&config::SecretRef) -> Source,
) -> Result<ClusterSecrets, VaultError> {
    let address = match &written.address {
        Some(address) => address.clone(),
        None => {
            let said = |name| std::env::var(name).ok();
            let host = said("KUBERNETES_SERVICE_HOST");
            let host = host.unwrap_or_else(|| "kubernetes.default.svc".to_owned());
            let port = said("KUBERNETES_SERVICE_PORT").unwrap_or_else(|| "443".to_owned());
            match host.contains(':') {
                true => format!("https://[{host}]:{port}"),
                false => format!("https://{host}:{port}"),
            }
        }
    };
    let ca = written.ca.as_ref().map(|path| loaded.path(path));
    let ca = ca.unwrap_or_else(|| Path::new(MOUNTED).join("ca.crt"));
    let mounted = || format!("file:{MOUNTED}/token").parse();
    let token = match &written.token {
        Some(token) => token.clone(),
        None => mounted().map_err(|_| VaultError::Reference)?,
    };
    ClusterSecrets::new(address, &ca, at(&token))
}

/// Shared by all ways to targets.
#[derive(Clone)]
pub struct Keyring {
    /// Where references lead.
    pub secrets: Secrets,
    /// What is matched in output.
    pub tripwires: Tripwires,
    /// The time.
    pub clock: portcullis_gate::Clock,
}

impl Keyring {
    /// These.
    #[must_use]
    pub fn of(secrets: &Secrets, tripwires: &Tripwires, clock: &portcullis_gate::Clock) -> Self {
        Self {
            secrets: secrets.clone(),
            tripwires: tripwires.clone(),
            clock: clock.clone(),
        }
    }

    /// A secret of the file.
    #[must_use]
    pub fn at(&self, written: &config::SecretRef, loaded: &Loaded) -> Source {
        source(&self.secrets, written, loaded)
    }
}
