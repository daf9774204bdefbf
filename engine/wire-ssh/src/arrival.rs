//! What russh calls when a client says something: login, channels, requests. Nothing here waits for people or for a host,
//! since everything else of the connection would wait too; channels are tasks of their own, and get what is theirs through
//! their inbox. Requests are answered at once, since russh remembers only one of them per channel.
//!
//! It refuses what no policy could allow: channels of kinds that are nobody's, and answers to what was not asked. A forward
//! from the host back to the client is the one thing that is waited for, and for a moment at most: its answer cannot be given
//! later.

use crate::back::Place as Listening;
use crate::channel::{self, Line, RemoteForward};
use crate::conversation::{Conversation, Standing};
use crate::inbox::{Event, Full, Inbox};
use crate::keyring;
use crate::listener::Ssh;
use crate::naming::{Wanted, sound};
use crate::passage::Passage;
use crate::sides::ClientSide;
use crate::spill::Share;
use crate::start::{Display, Draft, Size, Terminal, Wish};
use crate::tap::Program;
use bytes::Bytes;
use portcullis_gate::{FrontDesk, Knock, Proof};
use portcullis_link::Place;
use portcullis_model::limits::{
    HANDSHAKE_MAX, PROOF_BYTES_MAX, SSH_CHANNELS_MAX, SSH_COMMAND_BYTES_MAX, SSH_REMOTE_ANSWER_MAX,
    SSH_SIGN_IN_MAX, SSH_TRIES_MAX,
};
use portcullis_model::{Client, Protocol};
use russh::keys::{Algorithm, Certificate, PublicKey};
use russh::server::{
    Auth, ChannelOpenHandle, Handle, Handler, Msg, PublicKeyOffer, Response, Session,
    VerifiedPublicKey,
};
use russh::{Channel, ChannelId, ChannelOpenFailure, Error, MethodKind, MethodSet, Pty, Sig};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// What a client is asked where it can show a prompt. Tools that type passwords for people look for the word. There are no
/// instructions besides: `ssh` prints them among what a script reads on standard error.
const PROMPT: &str = "Password (the token of your identity provider): ";
/// The same where people can sign in at a provider.
const PROMPT_OR_SIGN_IN: &str =
    "Password (the token of your identity provider, or nothing to sign in with a browser): ";

/// One client connection, as russh calls it.
pub(crate) struct Arrival {
    pub listener: Arc<Ssh>,
    pub desk: Arc<dyn FrontDesk>,
    pub conversation: Arc<Conversation>,
    pub peer: SocketAddr,
    pub program: Program,
    /// Inside of a jump: the target that the jump named.
    pub jumped_to: Option<String>,
    pub tries: usize,
    pub share: Share,
    pub channels: HashMap<ChannelId, Line>,
}

impl Drop for Arrival {
    fn drop(&mut self) {
        for line in self.channels.values() {
            line.inbox.close();
        }
    }
}

impl Arrival {
    /// A proof, whichever way it came.
    async fn proof(&mut self, user: &str, proof: Proof) -> Auth {
        let standing = self.knocked(user, proof).await;
        self.answered(&standing)
    }

    /// Nothing: whoever it is signs in elsewhere, and is told where before anything else is asked.
    async fn invited(&mut self, user: &str) -> Auth {
        match self.knocked(user, Proof::Elsewhere).await {
            Standing::Invited(words) => Auth::Partial {
                name: Cow::Borrowed(""),
                instructions: Cow::Owned(words.to_string()),
                // Nothing has to be typed here: clients answer at once, and wait.
                prompts: Cow::Borrowed(&[]),
            },
            standing => self.answered(&standing),
        }
    }

    async fn knocked(&mut self, user: &str, proof: Proof) -> Standing {
        self.tries += 1;
        let length = match &proof {
            Proof::Password(token) => (**token).as_ref().len(),
            Proof::Certificate(certificate) => certificate.len(),
            Proof::Login { name, .. } => name.len(),
            Proof::Bound { token, key } => token.len() + key.len(),
            Proof::Key { key, .. } => key.len(),
            Proof::Elsewhere | Proof::Within { .. } => 0,
        };
        let fits = length <= PROOF_BYTES_MAX && self.tries <= SSH_TRIES_MAX;
        let Some(wanted) = Wanted::read(user).filter(|_| fits) else {
            return Standing::Refused;
        };
        let target = self.jumped_to.clone().or(wanted.target);
        let knock = Knock {
            protocol: Protocol::Ssh,
            proof,
            client: Client {
                address: self.peer,
                program: self.program.name(),
                tls: None,
            },
            target: target.unwrap_or_default(),
            login: wanted.login,
            settings: BTreeMap::new(),
            replication: false,
        };
        let asked = self.conversation.ask(&self.desk, knock, HANDSHAKE_MAX);
        asked.await
    }

    fn answered(&self, standing: &Standing) -> Auth {
        match standing {
            Standing::Stranger | Standing::Invited(_) | Standing::Refused => self.rejected(),
            Standing::Known(_) | Standing::In(_) | Standing::Out(_) => {
                self.listener.startups().succeeded(self.peer.ip());
                Auth::Accept
            }
        }
    }

    fn rejected(&self) -> Auth {
        let now = (self.conversation.clock)();
        self.listener.startups().failed(self.peer.ip(), now);
        self.passed_over()
    }

    /// Something that proved nothing, and was no try: whatever is left may be tried.
    fn passed_over(&self) -> Auth {
        let methods = match self.tries < SSH_TRIES_MAX {
            true => methods(self.listener.asks_for_keys()),
            false => spent(),
        };
        Auth::Reject {
            proceed_with_methods: Some(methods),
            partial_success: false,
        }
    }

    /// Whether a signature is asked for: a login with this key may be proved, or it may be remembered.
    fn asks_for(&self, key: &PublicKey, algorithm: &Algorithm) -> bool {
        let Ok(bytes) = key.to_bytes() else {
            return false;
        };
        if self.listener.certifies() && self.desk.may_prove(&bytes) {
            return true;
        }
        self.listener.remembers().is_some()
            && keyring::sound(key, algorithm)
            && self.conversation.keyring.asks_once_more()
    }

    fn begin(&mut self, id: ChannelId, wish: Wish, session: &mut Session) -> Result<(), Error> {
        let begun = self.channels.get_mut(&id).and_then(|line| {
            let start = line.draft.start(wish)?;
            line.inbox.put(Event::Start(Box::new(start))).ok()
        });
        match begun {
            Some(()) => session.channel_success(id),
            None => session.channel_failure(id),
        }
    }

    /// Gives a channel something; one that has no room ends.
    fn put(&mut self, id: ChannelId, event: Event) {
        let put = self.channels.get(&id).map(|line| line.inbox.put(event));
        if put == Some(Err(Full)) {
            self.overrun(id);
        }
    }

    /// The channel says so itself, once its client reads: what russh cannot send at once it keeps, and sends nothing of
    /// any channel until it could.
    fn overrun(&mut self, id: ChannelId) {
        if let Some(line) = self.channels.remove(&id) {
            line.inbox.overrun();
        }
    }

    /// Whether one more channel may be. One that was never opened, or has ended by itself, is none.
    fn has_room(&mut self) -> bool {
        self.channels.retain(|_, line| line.inbox.is_open());
        // What hosts open has a bound of its own.
        let own = self.channels.values().filter(|line| !line.back);
        own.count() < SSH_CHANNELS_MAX
    }

    /// The port at which the host listens for the client from now on; 0 for a socket. `None` when it does not.
    async fn listens(&mut self, place: Listening, handle: Handle) -> Option<u16> {
        let remote = self.conversation.back.remote(place)?;
        let (answer, answered) = oneshot::channel();
        let forward = RemoteForward {
            conversation: Arc::clone(&self.conversation),
            handle,
            share: self.share.clone(),
            remote,
        };
        self.conversation.tasks.spawn(forward.live(answer));
        match timeout(SSH_REMOTE_ANSWER_MAX, answered).await {
            Ok(Ok(port)) => Some(port),
            _ => None,
        }
    }

    fn line(&self) -> Line {
        Line {
            inbox: Arc::new(Inbox::new(self.share.clone())),
            draft: Draft::default(),
            back: false,
        }
    }
}

/// A token in the place of a password.
fn token(text: &str) -> Proof {
    Proof::Password(Box::new(Zeroizing::new(text.to_owned())))
}

/// After the last try. ssh(1) takes an empty list for any way it likes, and asks on; a way that nobody has ends it at once.
fn spent() -> MethodSet {
    let mut methods = MethodSet::empty();
    methods.push(MethodKind::HostBased);
    methods
}

/// The extension in which `opkssh` carries a PK token.
const PK_TOKEN: &str = "openpubkey-pkt";

/// What a certificate proves, or may.
fn certificate_proof(certificate: &Certificate) -> Option<Proof> {
    let Some(token) = certificate.extensions().get(PK_TOKEN) else {
        return certificate.to_bytes().ok().map(Proof::Certificate);
    };
    // Nobody here knows what such a certificate would be limited to.
    let limited = !certificate.critical_options().is_empty();
    let key = PublicKey::from(certificate.public_key().clone()).to_bytes();
    match key {
        Ok(key) if !limited => Some(Proof::Bound {
            token: token.clone(),
            key,
        }),
        _ => None,
    }
}

/// The ways to prove oneself. Keys are asked for where people have certificates for theirs, or keys are remembered.
pub(crate) fn methods(keys: bool) -> MethodSet {
    let mut methods = MethodSet::empty();
    if keys {
        methods.push(MethodKind::PublicKey);
    }
    methods.push(MethodKind::KeyboardInteractive);
    methods.push(MethodKind::Password);
    methods
}

impl Handler for Arrival {
    type Error = Error;

    async fn auth_none(&mut self, _: &str) -> Result<Auth, Error> {
        Ok(Auth::Reject {
            proceed_with_methods: Some(methods(self.listener.asks_for_keys())),
            partial_success: false,
        })
    }

    /// russh shows the key of a certificate here, and not the certificate: a signature is asked for where a login with this
    /// key may be proved, and where keys are remembered.
    async fn auth_publickey_offered(
        &mut self,
        _: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Error> {
        match self.asks_for(offer.public_key, offer.algorithm) {
            true => Ok(Auth::Accept),
            false => Ok(self.passed_over()),
        }
    }

    /// russh has seen that the client holds the key. One that stands for nobody yet may, once its client has logged in otherwise.
    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Error> {
        let (Some(within), true, Ok(bytes)) = (
            self.listener.remembers(),
            keyring::sound(key.public_key, key.algorithm),
            key.public_key.to_bytes(),
        ) else {
            return Ok(self.passed_over());
        };
        if self.desk.remembers(&bytes, self.peer.ip(), within) {
            let proof = Proof::Key { key: bytes, within };
            return Ok(self.proof(user, proof).await);
        }
        self.conversation.keyring.show(bytes, within);
        Ok(self.passed_over())
    }

    /// russh has seen that the client holds the key, and that the certificate's times and signature are good; the desk
    /// knows which certificates are the gateway's own. One that carries a token is worth what the token is: whoever has
    /// signed it is nobody, and what it permits is for another server.
    async fn auth_openssh_certificate(
        &mut self,
        user: &str,
        certificate: &Certificate,
    ) -> Result<Auth, Error> {
        let key = PublicKey::from(certificate.public_key().clone()).to_bytes();
        if !key.is_ok_and(|key| self.desk.may_prove(&key)) {
            // Asked for in case it were a bare key: somebody else's certificate is no try.
            return Ok(self.passed_over());
        }
        let usable = self.listener.certifies() && certificate.cert_type().is_user();
        match certificate_proof(certificate) {
            Some(proof) if usable => Ok(self.proof(user, proof).await),
            _ => Ok(self.rejected()),
        }
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Error> {
        Ok(self.proof(user, token(password)).await)
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Error> {
        let signs_in = self.desk.signs_in();
        let Some(mut response) = response else {
            self.conversation.uninvite();
            let prompt = match signs_in {
                true => PROMPT_OR_SIGN_IN,
                false => PROMPT,
            };
            return Ok(Auth::Partial {
                name: Cow::Borrowed(""),
                instructions: Cow::Borrowed(""),
                prompts: Cow::Owned(vec![(Cow::Borrowed(prompt), false)]),
            });
        };
        let said = response.next().unwrap_or_default();
        if self.conversation.is_invited() {
            let standing = self.conversation.signed_in(SSH_SIGN_IN_MAX).await;
            return Ok(self.answered(&standing));
        }
        match std::str::from_utf8(&said) {
            Ok(text) if signs_in && text.trim().is_empty() => Ok(self.invited(user).await),
            Ok(text) => Ok(self.proof(user, token(text.trim())).await),
            Err(_) => {
                self.tries += 1;
                Ok(self.rejected())
            }
        }
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Error> {
        if !self.has_room() {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        let id = channel.id();
        // Bytes come through `data` below: the channel's own queue would park the connection.
        let (_, half) = channel.split();
        let line = self.line();
        let side = ClientSide::new(half, session.handle());
        let talk = channel::Talk::new(&self.conversation, &line.inbox, side);
        self.channels.insert(id, line);
        reply.accept().await;
        self.conversation.tasks.spawn(talk.run());
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Error> {
        let port = u16::try_from(port).unwrap_or(0);
        if !self.has_room() || port == 0 || !sound(host) {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        let id = channel.id();
        let (_, half) = channel.split();
        let line = self.line();
        let inbox = Arc::clone(&line.inbox);
        self.channels.insert(id, line);
        if let Standing::Out(parting) = self.conversation.standing()
            && let Some(who) = &parting.open
        {
            let passage = Passage {
                listener: Arc::clone(&self.listener),
                conversation: Arc::clone(&self.conversation),
                desk: Arc::clone(&self.desk),
                who: Arc::clone(who),
                peer: self.peer,
                // One jump names the target. Each of many within each other would multiply what a connection may open.
                may_jump: self.jumped_to.is_none(),
                place: Place {
                    host: host.to_owned(),
                    port,
                    through: None,
                },
            };
            self.conversation
                .tasks
                .spawn(passage.lead(inbox, half, reply));
            return Ok(());
        }
        let side = ClientSide::new(half, session.handle());
        let talk = channel::Talk::new(&self.conversation, &inbox, side);
        let forward = talk.forward(self.listener.indoors(), host.to_owned(), port, reply);
        self.conversation.tasks.spawn(forward);
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Error> {
        if !self.has_room() {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        let id = channel.id();
        let (_, half) = channel.split();
        let line = self.line();
        let inbox = Arc::clone(&line.inbox);
        self.channels.insert(id, line);
        let side = ClientSide::new(half, session.handle());
        let talk = channel::Talk::new(&self.conversation, &inbox, side);
        self.conversation
            .tasks
            .spawn(talk.socket(path.to_owned(), reply));
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _: &mut Session) -> Result<(), Error> {
        // One whose last bytes are on their way keeps its place until they are there.
        if let Some(line) = self.channels.get(&id) {
            if line.inbox.finish() {
                self.conversation.see_out(Arc::clone(&line.inbox));
            }
            if !line.inbox.is_open() {
                self.channels.remove(&id);
            }
        }
        Ok(())
    }

    async fn channel_eof(&mut self, id: ChannelId, _: &mut Session) -> Result<(), Error> {
        self.put(id, Event::Eof);
        Ok(())
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], _: &mut Session) -> Result<(), Error> {
        let Some(inbox) = self.channels.get(&id).map(|line| Arc::clone(&line.inbox)) else {
            return Ok(());
        };
        if inbox.put_data(Bytes::copy_from_slice(data)).await == Err(Full) {
            self.overrun(id);
        }
        Ok(())
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        term: &str,
        columns: u32,
        rows: u32,
        width: u32,
        height: u32,
        modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Error> {
        let named = !term.is_empty()
            && term.len() <= 64
            && term
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-+._".contains(&b));
        let size = Size {
            columns,
            rows,
            width,
            height,
        };
        match self.channels.get_mut(&id) {
            // Where the level has no terminals that is said once the channel begins: ssh(1) shows no reason for a failure here.
            Some(line) if named && !line.draft.started() => {
                line.draft.terminal = Some(Terminal::new(term, size, modes));
                session.channel_success(id)
            }
            _ => session.channel_failure(id),
        }
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), Error> {
        let line = self.channels.get_mut(&id);
        match line.is_some_and(|line| line.draft.set(name, value)) {
            true => session.channel_success(id),
            false => session.channel_failure(id),
        }
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Error> {
        self.begin(id, Wish::Shell, session)
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), Error> {
        if command.len() > SSH_COMMAND_BYTES_MAX {
            return session.channel_failure(id);
        }
        self.begin(id, Wish::Exec(Bytes::copy_from_slice(command)), session)
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Error> {
        self.begin(id, Wish::Subsystem(name.to_owned()), session)
    }

    async fn window_change_request(
        &mut self,
        id: ChannelId,
        columns: u32,
        rows: u32,
        width: u32,
        height: u32,
        _: &mut Session,
    ) -> Result<(), Error> {
        let size = Size {
            columns,
            rows,
            width,
            height,
        };
        self.put(id, Event::Resize(size));
        Ok(())
    }

    async fn signal(&mut self, id: ChannelId, signal: Sig, _: &mut Session) -> Result<(), Error> {
        self.put(id, Event::Signal(signal));
        Ok(())
    }

    async fn x11_request(
        &mut self,
        id: ChannelId,
        single: bool,
        protocol: &str,
        cookie: &str,
        screen: u32,
        session: &mut Session,
    ) -> Result<(), Error> {
        let display = Display::new(single, protocol, cookie, screen);
        match (self.channels.get_mut(&id), display) {
            // Policy is asked once the channel begins.
            (Some(line), Some(display)) if !line.draft.started() => {
                line.draft.display = Some(display);
                session.channel_success(id)
            }
            _ => session.channel_failure(id),
        }
    }

    async fn agent_request(&mut self, id: ChannelId, _: &mut Session) -> Result<bool, Error> {
        match self.channels.get_mut(&id) {
            Some(line) if !line.draft.started() => {
                line.draft.agent = true;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// A channel that a host has opened: what the client sends on it from here on has an inbox. One that says so of a channel that
    /// nobody opens towards it breaks the protocol, and would have another's place, or none that counts.
    async fn channel_open_confirmation(
        &mut self,
        id: ChannelId,
        _: u32,
        _: u32,
        _: &mut Session,
    ) -> Result<(), Error> {
        let inbox = match self.channels.contains_key(&id) {
            true => None,
            false => self.conversation.back.confirmed(id, &self.share),
        };
        let Some(inbox) = inbox else {
            self.conversation.forged().await;
            return Err(Error::Inconsistent);
        };
        let line = Line {
            inbox,
            draft: Draft::default(),
            back: true,
        };
        self.channels.retain(|_, line| line.inbox.is_open());
        self.channels.insert(id, line);
        Ok(())
    }

    async fn tcpip_forward(
        &mut self,
        address: &str,
        port: &mut u32,
        session: &mut Session,
    ) -> Result<bool, Error> {
        let Ok(wanted) = u16::try_from(*port) else {
            return Ok(false);
        };
        let place = Listening::Port(address.to_owned(), wanted);
        match self.listens(place, session.handle()).await {
            Some(given) => {
                *port = u32::from(given);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    async fn cancel_tcpip_forward(
        &mut self,
        address: &str,
        port: u32,
        _: &mut Session,
    ) -> Result<bool, Error> {
        let Ok(port) = u16::try_from(port) else {
            return Ok(false);
        };
        let place = Listening::Port(address.to_owned(), port);
        Ok(self.conversation.back.cancel(&place).await)
    }

    async fn streamlocal_forward(
        &mut self,
        path: &str,
        session: &mut Session,
    ) -> Result<bool, Error> {
        let place = Listening::Socket(path.to_owned());
        Ok(self.listens(place, session.handle()).await.is_some())
    }

    async fn cancel_streamlocal_forward(
        &mut self,
        path: &str,
        _: &mut Session,
    ) -> Result<bool, Error> {
        let place = Listening::Socket(path.to_owned());
        Ok(self.conversation.back.cancel(&place).await)
    }
}
