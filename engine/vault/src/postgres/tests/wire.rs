//! The least client that can log in with a `Credential`, and ask.

use crate::binding::tls_server_end_point;
use portcullis_gate::{Challenge, Credential, Reply};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

pub(super) struct Session {
    socket: Box<dyn Socket>,
}

impl Session {
    /// Logs in without TLS, or with it and channel binding.
    pub(super) async fn open(
        port: u16,
        tls: Option<Arc<rustls::ClientConfig>>,
        credential: &mut dyn Credential,
    ) -> Result<Self, String> {
        let mut plain = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let mut binding = None;
        let socket: Box<dyn Socket> = match tls {
            None => Box::new(plain),
            Some(config) => {
                plain
                    .write_all(&[0, 0, 0, 8, 4, 210, 22, 47])
                    .await
                    .unwrap();
                assert_eq!(plain.read_u8().await.unwrap(), b'S');
                let name = "127.0.0.1".try_into().unwrap();
                let connector = tokio_rustls::TlsConnector::from(config);
                let stream = connector.connect(name, plain).await.unwrap();
                let (_, state) = stream.get_ref();
                binding = tls_server_end_point(&state.peer_certificates().unwrap()[0]);
                assert!(binding.is_some());
                Box::new(stream)
            }
        };
        let mut session = Self { socket };
        session.startup(credential.user()).await;
        session.authenticate(credential, binding.as_deref()).await?;
        session.until_ready().await?;
        Ok(session)
    }

    /// The first column of every row.
    pub(super) async fn ask(&mut self, query: &str) -> Result<Vec<String>, String> {
        self.send(b'Q', &[query.as_bytes(), b"\0"].concat()).await;
        self.until_ready().await
    }

    async fn startup(&mut self, user: &str) {
        let mut body = vec![0, 3, 0, 0];
        for text in ["user", user, "database", "postgres", ""] {
            body.extend_from_slice(text.as_bytes());
            body.push(0);
        }
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        self.socket
            .write_all(&[&length[..], &body].concat())
            .await
            .unwrap();
    }

    async fn authenticate(
        &mut self,
        credential: &mut dyn Credential,
        binding: Option<&[u8]>,
    ) -> Result<(), String> {
        loop {
            let (tag, body) = self.receive().await?;
            assert_eq!(tag, b'R');
            let rest = &body[4..];
            let offered = String::from_utf8_lossy(rest).into_owned();
            let mechanisms: Vec<&str> = offered.split('\0').filter(|m| !m.is_empty()).collect();
            let challenge = match body[3] {
                0 => return Ok(()),
                3 => Challenge::Cleartext,
                5 => Challenge::Md5(rest.try_into().unwrap()),
                10 => Challenge::Sasl {
                    mechanisms: &mechanisms,
                    binding,
                },
                11 => Challenge::SaslContinue(rest),
                12 => Challenge::SaslFinal(rest),
                other => panic!("authentication request {other}"),
            };
            match credential.answer(challenge).map_err(|f| f.chain())? {
                Reply::Nothing => {}
                Reply::Sasl(data) => self.send(b'p', &data).await,
                Reply::Password(text) => {
                    let body = [text.as_ref().as_ref(), b"\0"].concat();
                    self.send(b'p', &body).await;
                }
                Reply::SaslInitial { mechanism, data } => {
                    if binding.is_some() {
                        assert_eq!(mechanism, "SCRAM-SHA-256-PLUS");
                    }
                    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
                    let body = [mechanism.as_bytes(), b"\0", &length, &data].concat();
                    self.send(b'p', &body).await;
                }
            }
        }
    }

    async fn until_ready(&mut self) -> Result<Vec<String>, String> {
        let (mut rows, mut failed) = (Vec::new(), None);
        loop {
            let (tag, body) = self.receive().await?;
            match tag {
                b'D' => {
                    let length = u32::from_be_bytes(body[2..6].try_into().unwrap());
                    let value = body.get(6..6 + length as usize).unwrap_or_default();
                    rows.push(String::from_utf8_lossy(value).into_owned());
                }
                b'E' => failed = Some(String::from_utf8_lossy(&body).into_owned()),
                b'Z' => return failed.map_or(Ok(rows), Err),
                _ => {}
            }
        }
    }

    async fn send(&mut self, tag: u8, body: &[u8]) {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        let frame = [&[tag][..], &length, body].concat();
        self.socket.write_all(&frame).await.unwrap();
    }

    async fn receive(&mut self) -> Result<(u8, Vec<u8>), String> {
        let gone = |_| "the connection is gone".to_owned();
        let tag = self.socket.read_u8().await.map_err(gone)?;
        let length = self.socket.read_u32().await.map_err(gone)?;
        let mut body = vec![0; length as usize - 4];
        self.socket.read_exact(&mut body).await.map_err(gone)?;
        match tag {
            // FATAL: no ReadyForQuery follows.
            b'E' if body.windows(6).any(|w| w == b"SFATAL") => {
                Err(String::from_utf8_lossy(&body).into_owned())
            }
            _ => Ok((tag, body)),
        }
    }
}
