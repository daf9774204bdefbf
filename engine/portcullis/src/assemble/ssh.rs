//! SSH, put together: host keys of a listener, the way to a host, and what level of control a session has. It refuses a
//! listener without a key, and a session of a machine without a word of policy anything but single commands.

use super::Broken;
use super::secrets::Keyring;
use crate::config::{Connection as Written, Listener, Loaded, SshCertificate};
use crate::front_desk::{Login, Opening};
use crate::paths;
use portcullis_console::ConnectionRow;
use portcullis_gate::{
    BoxFuture, Catalog, Clock, HostKeys, Relation, SshErrand, SshErrands, SshKey, SshOffer, SshWay,
    Way,
};
use portcullis_link::Indoors;
use portcullis_model::limits;
use portcullis_model::{Blame, Control, Fault, Kind, Obligations, Session, SessionId};
use portcullis_vault::{
    Agent, Authority, Bearing, CertificateRequest, FixedKey, FixedPassword, KeyFile, KnownHosts,
    Signer, SigningRole, SshSigner, Trust, VaultError, Weak, host_key,
};
use portcullis_wire_ssh::Ssh;
use std::sync::Arc;
use std::time::Duration;

/// Opens the protocol of a listener. Its host key is made when none is named.
///
/// # Errors
/// When a key or certificate cannot be used.
pub fn protocol(
    listener: &Listener,
    loaded: &Loaded,
    clock: &Clock,
    indoors: Option<Arc<dyn Indoors>>,
) -> Result<Ssh, Broken> {
    let broken = |reason: String| Broken::Protocol {
        protocol: "ssh",
        reason,
    };
    let state = loaded.path(&loaded.config.state_dir);
    let mut keys = Vec::new();
    if listener.host_keys.is_empty() {
        let made = host_key(&paths::ssh_host_key(&state));
        keys.push(made.map_err(|e| broken(e.to_string()))?.to_string());
    }
    let read = |path: &std::path::PathBuf| {
        let path = loaded.path(path);
        std::fs::read_to_string(&path).map_err(|e| broken(format!("read {}: {e}", path.display())))
    };
    for path in &listener.host_keys {
        keys.push(read(path)?);
    }
    let certificates = listener.host_certificates.iter().map(read);
    let certificates = certificates.collect::<Result<Vec<_>, _>>()?;
    Ssh::new(portcullis_wire_ssh::Listener {
        keys,
        certificates,
        post_quantum: listener.post_quantum,
        people: super::login::certificates(loaded).is_some()
            || loaded
                .config
                .issuers
                .iter()
                .any(|issuer| !issuer.openpubkey_clients.is_empty()),
        remember: listener.remember_keys.map(|within| within.0),
        indoors,
        spill: state.clone(),
        spill_max: limits::SSH_SPILL_BYTES_MAX,
        clock: Arc::clone(clock),
    })
    .map_err(|e| broken(e.to_string()))
}

/// How sessions log in to a host.
pub(super) fn login(written: &Written, loaded: &Loaded, keyring: &Keyring) -> Arc<dyn Login> {
    let credential = &written.credential;
    let tripwires = keyring.tripwires.clone();
    let key = match (&credential.certificate, &credential.key, &credential.fixed) {
        (Some(certificate), _, _) => Keys::Certificate {
            authority: Arc::new(authority(certificate, loaded, keyring)),
            ttl: certificate.ttl.0,
            source_addresses: certificate.source_addresses.clone(),
        },
        (None, Some(key), _) => {
            let file = KeyFile {
                key: keyring.at(&key.private_key, loaded),
                passphrase: key.passphrase.as_ref().map(|p| keyring.at(p, loaded)),
            };
            Keys::Fixed(FixedKey::new(file, tripwires))
        }
        (None, None, Some(login)) => {
            let weak = match login.allow_weak {
                true => Weak::Allow,
                false => Weak::Refuse,
            };
            let password = keyring.at(&login.password, loaded);
            Keys::Password(FixedPassword::new(password, weak, tripwires))
        }
        (None, None, None) => unreachable!("invariant: the check wants exactly one"),
    };
    Arc::new(Host {
        user: user(written).to_owned(),
        port: written.port(),
        floor: written.control,
        hosts: Arc::new(known_hosts(written, loaded)),
        keys: key,
    })
}

/// Whoever signs certificates; `check` tries it.
pub fn authority(written: &SshCertificate, loaded: &Loaded, keyring: &Keyring) -> Authority {
    let signer = match (&written.authority, &written.agent, &written.vault) {
        (Some(key), _, _) => Signer::Key(KeyFile {
            key: keyring.at(key, loaded),
            passphrase: written.passphrase.as_ref().map(|p| keyring.at(p, loaded)),
        }),
        (None, Some(agent), _) => {
            let agent = Agent::new(loaded.path(&agent.socket), &agent.public_key);
            Signer::Agent(agent.expect("invariant: the check has read the key"))
        }
        (None, None, Some(role)) => {
            let role = SigningRole {
                server: role.server.clone(),
                mount: role.mount.clone(),
                role: role.role.clone(),
            };
            Signer::Hashicorp(SshSigner::new(role, keyring.secrets.clone()))
        }
        (None, None, None) => unreachable!("invariant: the check wants exactly one"),
    };
    Authority::new(
        signer,
        keyring.tripwires.clone(),
        Arc::clone(&keyring.clock),
    )
}

/// How the host of a connection is known.
#[must_use]
pub fn known_hosts(written: &Written, loaded: &Loaded) -> KnownHosts {
    let hosts = written.host_keys.as_ref();
    let hosts = hosts.expect("invariant: the check wants host keys");
    KnownHosts::new(match &hosts.known_hosts {
        Some(path) if hosts.accept_new => Trust::AcceptNew(loaded.path(path)),
        Some(path) => Trust::File(loaded.path(path)),
        None => Trust::Pinned(hosts.pinned.clone()),
    })
}

/// The login on the host, unless policy names another.
pub(super) fn user(written: &Written) -> &str {
    let credential = &written.credential;
    let certificate = credential.certificate.as_ref().map(|c| c.user.as_str());
    let key = credential.key.as_ref().map(|k| k.user.as_str());
    let fixed = credential.fixed.as_ref().map(|f| f.user.as_str());
    certificate.or(key).or(fixed).unwrap_or_default()
}

/// As it stands in a list.
pub(super) fn row(written: &Written) -> ConnectionRow {
    let credential = &written.credential;
    let way = match (&credential.certificate, &credential.key) {
        (Some(_), _) => "certificate",
        (None, Some(_)) => "key",
        (None, None) => "static",
    };
    let control = written.control.map_or("by policy", Control::word);
    ConnectionRow {
        name: written.name.clone(),
        protocol: "ssh".to_owned(),
        address: format!("{}:{}", written.host, written.port()),
        database: user(written).to_owned(),
        credential: way.to_owned(),
        tls: control.to_owned(),
        labels: written.labels.clone(),
    }
}

struct Host {
    user: String,
    port: u16,
    floor: Option<Control>,
    hosts: Arc<dyn HostKeys>,
    keys: Keys,
}

enum Keys {
    Certificate {
        authority: Arc<Authority>,
        ttl: Duration,
        source_addresses: Vec<String>,
    },
    Fixed(FixedKey),
    Password(FixedPassword),
}

impl Keys {
    async fn key(
        &self,
        session: &Session,
        login: &str,
        control: Control,
    ) -> Result<(Arc<dyn SshKey>, Option<Arc<dyn SshErrands>>), VaultError> {
        match self {
            Self::Certificate {
                authority,
                ttl,
                source_addresses,
            } => {
                let request = CertificateRequest {
                    key_id: format!("{} {}", session.id, session.identity.name),
                    principals: vec![login.to_owned()],
                    valid_for: *ttl,
                    source_addresses: source_addresses.clone(),
                    bearing: match control.allows_terminals() {
                        true => Bearing::Interactive,
                        false => Bearing::Commands,
                    },
                    command: None,
                };
                let errands = Arc::new(Errands {
                    authority: Arc::clone(authority),
                    request: request.clone(),
                });
                match control {
                    // No certificate of such a session is good for more than one command.
                    Control::Argv => Ok((Arc::new(NoKey), Some(errands))),
                    _ => Ok((authority.issue(request).await?, Some(errands))),
                }
            }
            Self::Fixed(key) => Ok((key.credential().await?, None)),
            Self::Password(password) => Ok((password.credential().await?, None)),
        }
    }
}

/// A certificate for each errand.
struct Errands {
    authority: Arc<Authority>,
    request: CertificateRequest,
}

impl SshErrands for Errands {
    fn key<'a>(&'a self, errand: SshErrand<'a>) -> BoxFuture<'a, Result<Arc<dyn SshKey>, Fault>> {
        Box::pin(async move {
            let mut request = self.request.clone();
            match errand {
                SshErrand::Command(command) => request.command = Some(command.to_owned()),
                // The session's own certificate permits neither.
                SshErrand::Back(back) => {
                    request.bearing = Bearing::Back {
                        agent: back.agent,
                        x11: back.x11,
                    };
                }
            }
            request.valid_for = request.valid_for.min(limits::SSH_ERRAND_TTL_MAX);
            Ok(self.authority.issue(request).await?)
        })
    }
}

/// The key of a session whose commands have keys of their own.
struct NoKey;

impl SshKey for NoKey {
    fn offer<'a>(&'a self) -> BoxFuture<'a, Result<SshOffer, Fault>> {
        Box::pin(async { Err(Fault::bare(Blame::Gateway, "log in without a command")) })
    }

    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, Fault> {
        Err(Fault::bare(Blame::Gateway, "log in without a command"))
    }
}

/// The level of a session: never less than the connection's own, and of a machine single commands unless policy says
/// otherwise.
fn control(floor: Option<Control>, kind: Kind, granted: &Obligations) -> Control {
    let usual = match kind {
        Kind::Human => Control::Record,
        _ => Control::ExecOnly,
    };
    let asked = granted.control.unwrap_or(usual);
    asked.max(floor.unwrap_or(Control::Record))
}

impl Login for Host {
    fn name(&self, _: SessionId) -> String {
        self.user.clone()
    }

    fn open<'a>(&'a self, opening: Opening<'a>) -> BoxFuture<'a, Result<Way, Fault>> {
        Box::pin(async move {
            let session = opening.session;
            let login = session.target.role.as_deref().unwrap_or(&self.user);
            let control = control(self.floor, session.identity.kind, opening.granted);
            let (key, errands) = self.keys.key(session, login, control).await?;
            Ok(Way::Ssh(SshWay {
                key,
                errands,
                upstream: opening.upstream,
                port: self.port,
                login: login.to_owned(),
                hosts: Arc::clone(&self.hosts),
                control,
            }))
        })
    }

    fn settle(&self, _: Duration) -> BoxFuture<'_, usize> {
        Box::pin(async { 0 })
    }
}

/// A host has no relations.
pub(super) struct NoCatalog;

impl Catalog for NoCatalog {
    fn relation(&self, _: u32) -> Option<Arc<Relation>> {
        None
    }

    fn named(&self, _: &str) -> Vec<Arc<Relation>> {
        Vec::new()
    }

    fn refresh<'a>(&'a self, _: &'a [u32]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_send_single_commands_unless_policy_says_otherwise_and_never_less_than_the_connection_says()
     {
        let said = |control| {
            let mut granted = Obligations::none();
            granted.control = control;
            granted
        };
        let nothing = said(None);
        assert_eq!(control(None, Kind::Human, &nothing), Control::Record);
        for kind in [Kind::Agent, Kind::Ci, Kind::Service] {
            assert_eq!(control(None, kind, &nothing), Control::ExecOnly);
        }
        let record = said(Some(Control::Record));
        assert_eq!(control(None, Kind::Agent, &record), Control::Record);
        assert_eq!(
            control(Some(Control::Argv), Kind::Human, &record),
            Control::Argv
        );
    }
}
