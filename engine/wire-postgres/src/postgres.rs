//! One PostgreSQL listener: from an accepted socket to the end of its session.

use crate::auth_upstream::{self, Login, Target};
use crate::bearer::Bearer;
use crate::greet::{ALPN, Arrival, Greeted, Offered, Terms, greet};
use crate::keys::{Key, Keys};
use crate::pump::{Lines, Pump, Surroundings};
use crate::refuse::{self, Severity};
use crate::startup::{Startup, Walsender};
use crate::values;
use crate::wait_room::{AUTHENTICATION_OK, admit};
use bytes::Bytes;
use portcullis_gate::{
    Admission, BoxFuture, Clock, Credential, FrontDesk, Gate, House, Knock, Outgoing, Proof,
    Unreleased, Upstream, Way,
};
use portcullis_link::{
    ClientWriter, Inner, Lobby, Opening, Protocol as WireProtocol, Socket, UpstreamLobby, dial,
    tls_server_end_point,
};
use portcullis_model::{BatchKind, Blame, Client, Denial, Fault, Protocol};
use rustls::ServerConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// What a listener is made of.
pub struct Listener {
    /// Certificate and key. None: TLS is refused.
    pub tls: Option<Arc<ServerConfig>>,
    /// The certificate itself (DER), for proofs that are bound to the channel.
    pub certificate: Option<Vec<u8>>,
    /// Tokens come by OAUTHBEARER here; in the place of a password when none.
    pub bearer: Option<Bearer>,
    /// Clients on this machine may come without TLS.
    pub allow_plaintext_on_loopback: bool,
    /// The time.
    pub clock: Clock,
    /// From accept to admission, and again for the login upstream.
    pub handshake: Duration,
}

/// The PostgreSQL protocol on one listener.
pub struct Postgres {
    terms: Terms,
    clock: Clock,
    handshake: Duration,
    keys: Arc<Keys>,
}

impl Postgres {
    /// Opens it. Cancel keys are known to the listener that issued them.
    #[must_use]
    pub fn new(listener: Listener) -> Self {
        let tls = listener.tls.map(|config| {
            let mut config = (*config).clone();
            config.alpn_protocols = vec![ALPN.to_vec()];
            Arc::new(config)
        });
        Self {
            terms: Terms {
                tls,
                bearer: listener.bearer,
                allow_plaintext_on_loopback: listener.allow_plaintext_on_loopback,
                binding: listener
                    .certificate
                    .as_deref()
                    .and_then(tls_server_end_point),
                within: false,
            },
            clock: listener.clock,
            handshake: listener.handshake,
            keys: Arc::new(Keys::default()),
        }
    }

    async fn converse(&self, socket: Socket, desk: &dyn FrontDesk) -> Result<(), Fault> {
        let lobby = Lobby::new(socket).map_err(|e| e.blame(Blame::Client))?;
        self.receive(lobby, &self.terms, None, desk).await
    }

    /// Serves a stream inside of another protocol's connection: no password is asked for, since that connection's login
    /// has proved who it is.
    ///
    /// # Errors
    /// What was wrong with the connection, for the log.
    pub async fn serve_within(&self, inner: Inner, desk: &dyn FrontDesk) -> Result<(), Fault> {
        let Inner {
            stream,
            peer,
            identity,
            session,
            targets,
        } = inner;
        let lobby = Lobby::within(stream, peer);
        let around = Around {
            proof: Proof::Within { identity, session },
            targets,
        };
        self.receive(lobby, &Terms::within(), Some(around), desk)
            .await
    }

    async fn receive(
        &self,
        lobby: Lobby,
        terms: &Terms,
        around: Option<Around>,
        desk: &dyn FrontDesk,
    ) -> Result<(), Fault> {
        let greeted = timeout(self.handshake, greet(lobby, terms)).await;
        let arrival = match greeted {
            Err(_) => return Err(Fault::bare(Blame::Client, "finish the handshake in time")),
            Ok(Err(turned)) => return Err(Fault::new(Blame::Client, "log in", turned)),
            Ok(Ok(Greeted::Nobody)) => return Ok(()),
            Ok(Ok(Greeted::Cancel(lobby, process, key))) => {
                let from = lobby.peer().ip();
                self.keys.cancel(process, &key, from, (self.clock)());
                // A client that cancels over TLS waits for its proper end.
                lobby.close().await;
                return Ok(());
            }
            Ok(Ok(Greeted::Arrival(arrival))) => *arrival,
        };
        let Arrival {
            mut lobby,
            mut startup,
            tls,
            proof,
        } = arrival;
        let proof = match around {
            Some(around) => {
                startup.database = around.named(&startup.database);
                around.proof
            }
            None => offered(proof, &startup, tls.as_ref().and(terms.binding.as_ref()))?,
        };
        let knock = Knock {
            protocol: Protocol::Postgres,
            proof,
            client: Client {
                address: lobby.peer(),
                program: startup.settings.get("application_name").cloned(),
                tls: protection(terms, tls.map(|tls| tls.version)),
            },
            target: startup.database,
            login: startup.user,
            settings: startup.settings,
            replication: startup.replication.is_some(),
        };
        match admit(&mut lobby, desk, knock, self.handshake).await {
            Ok((admission, told)) => {
                let long = startup.minor >= 2;
                let key = self.keys.issue(long)?;
                let entering = Entering {
                    clock: self.clock.clone(),
                    handshake: self.handshake,
                    told,
                    replication: startup.replication,
                };
                entering.enter(lobby, admission, key).await
            }
            Err(denial) => {
                // The client may be gone already; the desk has recorded the denial.
                let _told = lobby.write(&turned_away(denial)).await;
                lobby.close().await;
                Ok(())
            }
        }
    }
}

/// What protects a stream within is the connection around it.
fn protection(terms: &Terms, tls: Option<String>) -> Option<String> {
    match terms.within {
        true => Some("SSH".to_owned()),
        false => tls,
    }
}

/// What a client has offered, as the desk takes it.
fn offered(offered: Offered, startup: &Startup, binding: Option<&Vec<u8>>) -> Result<Proof, Fault> {
    Ok(match offered {
        Offered::Token(token) => Proof::Password(Box::new(token)),
        Offered::Certificate(certificate) => Proof::Certificate(certificate),
        Offered::Login => Proof::Login {
            name: startup.user.clone(),
            binding: binding.cloned(),
        },
        Offered::Nothing => return Err(Fault::bare(Blame::Gateway, "find a proof")),
    })
}

/// What is known of a stream by the connection around it.
struct Around {
    proof: Proof,
    targets: Vec<Arc<portcullis_model::Target>>,
}

impl Around {
    /// The connection that is meant: by its name, or by its database where only one has that. No other one, however it
    /// is named, is behind the address that the stream leads to; nobody has a name that is empty.
    fn named(&self, database: &str) -> String {
        if self.targets.iter().any(|target| target.name == database) {
            return database.to_owned();
        }
        let same =
            |target: &&Arc<portcullis_model::Target>| target.database.as_deref() == Some(database);
        let mut same = self.targets.iter().filter(same);
        match (same.next(), same.next()) {
            (Some(only), None) => only.name.clone(),
            _ => String::new(),
        }
    }
}

/// The frame of a refusal at login. A wrong secret of a login has PostgreSQL's own code.
fn turned_away(denial: Denial) -> Bytes {
    let code = match denial.rule == "identity/login" {
        true => refuse::PASSWORD,
        false => refuse::LOGIN,
    };
    let none = portcullis_gate::Sequence(0);
    refuse::denial(Severity::Fatal, code, &hinted(denial), None, none)
}

/// Every refusal at login says what to do.
fn hinted(mut denial: Denial) -> Denial {
    denial
        .hint
        .get_or_insert_with(|| "Get a fresh token from your identity provider.".to_owned());
    denial
}

impl WireProtocol for Postgres {
    fn serve(
        self: Arc<Self>,
        socket: Socket,
        desk: Arc<dyn FrontDesk>,
    ) -> BoxFuture<'static, Result<(), Fault>> {
        Box::pin(async move { self.converse(socket, &*desk).await })
    }
}

fn unreachable() -> Denial {
    Denial::new("fault/upstream", "the upstream could not be entered")
        .hint("Nothing was run. Tell the operator of the gateway if it persists.")
}

/// Somebody has been admitted and is not yet connected.
struct Entering {
    clock: Clock,
    handshake: Duration,
    told: bool,
    replication: Option<Walsender>,
}

impl Entering {
    async fn enter(self, lobby: Lobby, admission: Admission, key: Key) -> Result<(), Fault> {
        let Admission {
            mut gate,
            way,
            tether,
            approvals,
            session,
            ..
        } = admission;
        let (client, mut to_client) = lobby.admitted();
        let Way::Postgres(way) = way else {
            return self.no_way(gate, to_client).await;
        };
        let (mut credential, upstream) = (way.credential, way.upstream);
        let target = Target {
            database: &way.database,
            settings: &way.settings,
            replication: self.replication,
        };
        let login = self.log_in(&upstream, &mut gate, &mut *credential, target);
        let (line, login) = match timeout(self.handshake, login).await {
            Ok(Ok(entered)) => entered,
            Ok(Err(fault)) if fault.blame == Blame::Journal => {
                to_client.journal_dead(refuse::JOURNAL_DEAD);
                let _told = to_client.close().await;
                return Err(fault);
            }
            failed => {
                let fault = match failed {
                    Ok(Err(fault)) => fault,
                    _ => Fault::bare(Blame::Upstream, "accept the login in time"),
                };
                let state = refuse::UPSTREAM_UNREACHABLE;
                return self
                    .turn_out(gate, to_client, &unreachable(), state, Some(fault))
                    .await;
            }
        };
        if let Err(fault) = self.welcome(&mut gate, &mut to_client, &login, &key).await {
            if fault.blame == Blame::Journal {
                to_client.journal_dead(refuse::JOURNAL_DEAD);
            }
            let _told = to_client.close().await;
            let _sealed = gate.finish("fault", (self.clock)());
            return Err(fault);
        }
        let (upstream_reader, to_upstream) = line.entered();
        let lines = Lines {
            client,
            to_client,
            upstream: upstream_reader,
            to_upstream,
        };
        let around = Surroundings {
            clock: self.clock.clone(),
            approvals,
            tether,
            target: upstream,
            login,
            key,
            session,
            replication: self.replication,
        };
        let ended = Box::pin(Pump::new(lines, gate, around).run()).await;
        // Only now: dropping it revokes the login.
        drop(credential);
        ended
    }

    /// The target speaks another protocol.
    async fn no_way(&self, gate: Gate, to_client: ClientWriter) -> Result<(), Fault> {
        let fault = Fault::bare(Blame::Gateway, "find a way to a PostgreSQL server");
        let state = refuse::UPSTREAM_UNREACHABLE;
        self.turn_out(gate, to_client, &unreachable(), state, Some(fault))
            .await
    }

    /// Dials and logs in.
    async fn log_in(
        &self,
        upstream: &Upstream,
        gate: &mut Gate,
        credential: &mut dyn Credential,
        target: Target<'_>,
    ) -> Result<(UpstreamLobby, Login), Fault> {
        let mut line = dial(upstream, Opening::PostgresRequest)
            .await
            .map_err(|e| e.blame(Blame::Upstream))?;
        let login = auth_upstream::login(&mut line, gate, credential, target, &self.clock).await?;
        Ok((line, login))
    }

    /// AuthenticationOk, the server's settings, our cancel key, ReadyForQuery.
    async fn welcome(
        &self,
        gate: &mut Gate,
        to_client: &mut ClientWriter,
        login: &Login,
        key: &Key,
    ) -> Result<(), Fault> {
        let now = (self.clock)();
        if !self.told {
            let ok = Bytes::from_static(&AUTHENTICATION_OK);
            to_client.say(gate.house(House::Greeting, ok, now)?);
        }
        let mut outgoing = Vec::with_capacity(login.parameters.len());
        for frame in &login.parameters {
            let (batch, rewrite) = values::fields(BatchKind::Parameter, frame.clone())?;
            outgoing.push(Outgoing::Values {
                batch,
                rewrite,
                facts: None,
                obligations: None,
            });
        }
        let release = gate
            .release(outgoing, now)
            .await
            .map_err(|error| match error {
                Unreleased::Fault(fault) => fault,
                Unreleased::Budget(_) => {
                    Fault::bare(Blame::Policy, "release the server's settings")
                }
            })?;
        to_client.release(release);
        let mut last = crate::frame::build(b'K', |frame| {
            frame.extend_from_slice(&key.process().to_be_bytes());
            frame.extend_from_slice(key.secret());
        })
        .to_vec();
        last.extend_from_slice(&refuse::ready(b'I'));
        to_client.say(gate.house(House::Greeting, last.into(), now)?);
        Ok(())
    }

    /// Admitted, but there is no way on.
    async fn turn_out(
        &self,
        mut gate: Gate,
        mut to_client: ClientWriter,
        denial: &Denial,
        state: &str,
        fault: Option<Fault>,
    ) -> Result<(), Fault> {
        let now = (self.clock)();
        let session = gate.session().id;
        let refusal = gate.reject_session(denial, now, |denial, sequence| {
            vec![refuse::denial(
                Severity::Fatal,
                state,
                denial,
                Some(session),
                sequence,
            )]
        });
        match refusal {
            Ok(refusal) => to_client.refuse(refusal),
            Err(_) => to_client.journal_dead(refuse::JOURNAL_DEAD),
        }
        // The client may be gone already.
        let _told = timeout(Duration::from_secs(2), to_client.close()).await;
        let sealed = gate.finish("not entered", now);
        match fault {
            Some(fault) => Err(fault),
            None => sealed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_model::Target;

    #[test]
    fn a_stream_within_names_only_what_stands_behind_its_address() {
        let target = |name: &str, database: &str| {
            Arc::new(Target {
                name: name.to_owned(),
                protocol: Protocol::Postgres,
                labels: std::collections::BTreeMap::new(),
                database: Some(database.to_owned()),
                role: None,
            })
        };
        let around = |targets| Around {
            proof: Proof::Password(Box::new(String::new())),
            targets,
        };
        let both = around(vec![
            target("orders", "shop"),
            target("audit", "shop"),
            target("hr", "people"),
        ]);
        assert_eq!(both.named("orders"), "orders");
        assert_eq!(both.named("people"), "hr");
        // Two connections lead to this database: one has to be named.
        assert_eq!(both.named("shop"), "");
        // It may be a connection, but not one behind this address.
        assert_eq!(both.named("payroll"), "");
        assert_eq!(
            around(vec![target("orders", "shop")]).named("shop"),
            "orders"
        );
    }
}
