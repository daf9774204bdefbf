//! The HTTPS listener for clients: what somebody with a verified token may have from the gateway itself, such as
//! a login of minutes for a tool that cannot send a token, and the console. Without the console one request per
//! connection; bounded in bytes and time. It decides nothing (that is [`Counter`]'s), and it refuses to speak in the clear but on
//! loopback where the operator allows it.

mod entrance;
mod hooks;
mod strangers;
mod turnstile;

pub use hooks::Hooks;

pub use entrance::{
    Begun, BrowserWish, Certified, DeviceBegun, DeviceWish, Entrance, Granted, KeyWish, Offers,
    Returned, TokenError, TokenRequest, WhoAmI,
};

use crate::operations::Refused;
use crate::web::Console;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
pub(crate) use entrance::Source;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use portcullis_gate::{BoxFuture, FrontDesk};
use portcullis_link::{Protocol, Socket};
use portcullis_model::{Blame, Fault, limits};
use rustls::ServerConfig;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strangers::{Stranger, Strangers};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use turnstile::Turnstile;
pub(crate) use turnstile::block;
use zeroize::Zeroizing;

/// A request says little.
const BODY_BYTES_MAX: usize = 4 * 1024;

/// What clients may ask for. Implemented by `portcullis`.
pub trait Counter: Send + Sync {
    /// A login for whoever this token proves.
    fn database_login<'a>(
        &'a self,
        token: &'a str,
        lasts: Duration,
    ) -> BoxFuture<'a, Result<IssuedLogin, Refused>>;
}

/// How long a login is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginWish {
    /// Seconds.
    pub seconds: u64,
}

/// A login, shown once.
#[derive(Clone, Serialize, Deserialize)]
pub struct IssuedLogin {
    /// The user name.
    pub user: String,
    /// The secret, wiped after use.
    pub password: Zeroizing<String>,
    /// Until when, RFC 3339.
    pub until: String,
}

/// The listener.
pub struct Portal {
    tls: Option<Arc<ServerConfig>>,
    routes: Router,
    turnstile: Arc<Turnstile>,
    console: Option<Arc<Console>>,
    /// Connections, where one carries several requests.
    connections: Turnstile,
    strangers: Arc<Strangers>,
}

impl Portal {
    /// With this certificate; without one only clients on this machine are served. Without an entrance nobody
    /// logs in here.
    #[must_use]
    pub fn new(
        tls: Option<Arc<ServerConfig>>,
        counter: Arc<dyn Counter>,
        entrance: Option<Arc<dyn Entrance>>,
    ) -> Self {
        let tls = tls.map(|config| {
            let mut config = (*config).clone();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Arc::new(config)
        });
        let routes = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/v1/logins/database", post(database_login))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(counter);
        let routes = match entrance {
            Some(entrance) => routes.merge(entrance::routes(entrance)),
            None => routes,
        };
        Self {
            tls,
            routes: routes.fallback(nothing),
            turnstile: Arc::new(Turnstile::new(limits::PORTAL_REQUESTS_PER_MINUTE)),
            console: None,
            connections: Turnstile::new(limits::PORTAL_CONNECTIONS_PER_MINUTE),
            strangers: Strangers::new(limits::PORTAL_STRANGERS_MAX),
        }
    }

    /// The same, with doors for other systems.
    #[must_use]
    pub fn with_hooks(mut self, hooks: Arc<dyn Hooks>) -> Self {
        self.routes = self.routes.merge(hooks::routes(hooks));
        self
    }

    /// The same with the console, whose connections carry more than one request. It needs TLS: without, there is none.
    #[must_use]
    pub fn with_console(mut self, console: Arc<Console>) -> Self {
        if self.tls.is_some() {
            self.routes = self.routes.merge(console.routes());
            self.console = Some(console);
        }
        self
    }

    async fn converse(&self, socket: Socket) -> Result<(), Fault> {
        let Socket { stream, peer, slot } = socket;
        let now = Instant::now();
        let passes = match &self.console {
            None => self.turnstile.passes(peer.ip(), now),
            Some(_) => self.connections.passes(peer.ip(), now),
        };
        if !passes {
            return Err(Fault::bare(Blame::Client, "ask less often"));
        }
        let stranger = match &self.console {
            None => None,
            Some(_) => Some(self.strangers.enter(peer.ip()).ok_or_else(|| {
                Fault::bare(
                    Blame::Client,
                    "open fewer connections before it proves anything",
                )
            })?),
        };
        let served = match &self.tls {
            Some(config) => {
                let tls = TlsAcceptor::from(Arc::clone(config)).accept(stream);
                let tls = timeout(limits::HANDSHAKE_MAX, tls)
                    .await
                    .map_err(|_| late())?;
                let tls = tls.map_err(|e| Fault::new(Blame::Client, "shake hands over TLS", e))?;
                self.answer(tls, peer.ip(), stranger).await
            }
            None if peer.ip().is_loopback() => self.answer(stream, peer.ip(), stranger).await,
            None => Err(Fault::bare(Blame::Client, "come over TLS")),
        };
        drop(slot);
        served
    }

    async fn answer(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send,
        from: IpAddr,
        stranger: Option<Stranger>,
    ) -> Result<(), Fault> {
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new())
            .keep_alive(self.console.is_some())
            .max_buf_size(limits::PROOF_BYTES_MAX * 2);
        let mut routes = self.routes.clone();
        let stranger = stranger.map(Arc::new);
        if let (Some(console), Some(stranger)) = (&self.console, &stranger) {
            http.header_read_timeout(limits::HANDSHAKE_MAX);
            let counted = Counted {
                console: Arc::clone(console),
                turnstile: Arc::clone(&self.turnstile),
                from,
                stranger: Arc::clone(stranger),
            };
            routes = routes.layer(middleware::from_fn_with_state(counted, counted_request));
        }
        let routes = routes.layer(axum::Extension(Source(from)));
        let served = async {
            http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes))
                .await
                .map_err(|e| Fault::new(Blame::Client, "speak HTTP", e))
        };
        let mut served = pin!(served);
        // Whoever has not proved anything by then does not stay.
        match timeout(limits::HANDSHAKE_MAX * 2, &mut served).await {
            Ok(served) => served,
            Err(_) if stranger.is_some_and(|stranger| !stranger.is_known()) => Err(late()),
            Err(_) => served.await,
        }
    }
}

/// What a request on a connection that stays open is counted with.
#[derive(Clone)]
struct Counted {
    console: Arc<Console>,
    turnstile: Arc<Turnstile>,
    from: IpAddr,
    stranger: Arc<Stranger>,
}

/// Whoever is known has limits of their own, and a connection that stays open; everybody else is counted by address, and
/// comes again for the next request. An answer begins in time or not at all.
async fn counted_request(State(counted): State<Counted>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let ours = path.starts_with("/console") || path.starts_with("/api/");
    let heads = ours.then(|| request.headers().clone());
    let knows = || heads.as_ref().is_some_and(|h| counted.console.knows(h));
    if !knows() && !counted.turnstile.passes(counted.from, Instant::now()) {
        let refused = Refused::new(429, "this address asks too often").hint("wait a minute");
        return closing(refused.into_response());
    }
    let answer = match timeout(limits::HANDSHAKE_MAX, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => Refused::new(503, "this takes too long").into_response(),
    };
    // Asked once more: a token is known only after it was verified, and nobody is known after they have left.
    match knows() {
        true => {
            counted.stranger.is_known_now();
            answer
        }
        false => closing(answer),
    }
}

fn closing(mut answer: Response) -> Response {
    let close = HeaderValue::from_static("close");
    answer.headers_mut().insert(header::CONNECTION, close);
    answer
}

fn late() -> Fault {
    Fault::bare(Blame::Client, "finish its request in time")
}

impl Protocol for Portal {
    fn serve(
        self: Arc<Self>,
        socket: Socket,
        _: Arc<dyn FrontDesk>,
    ) -> BoxFuture<'static, Result<(), Fault>> {
        Box::pin(async move {
            let within = match &self.console {
                None => limits::HANDSHAKE_MAX,
                Some(_) => limits::CONSOLE_CONNECTION_MAX,
            };
            match timeout(within, self.converse(socket)).await {
                Ok(served) => served,
                Err(_) => Err(late()),
            }
        })
    }
}

async fn database_login(
    State(counter): State<Arc<dyn Counter>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let token = bearer(&headers).ok_or_else(|| {
        Refused::new(401, "no token was given")
            .hint("send it as `Authorization: Bearer …`; portcullis takes it from PORTCULLIS_TOKEN")
    })?;
    let wish: LoginWish = serde_json::from_slice(&body).map_err(|_| {
        Refused::new(400, "the body is not what belongs here").hint("send {\"seconds\": 900}")
    })?;
    let lasts = Duration::from_secs(wish.seconds);
    let login = counter.database_login(&token, lasts).await?;
    let keep_out = [(header::CACHE_CONTROL, "no-store")];
    Ok((keep_out, Json(login)).into_response())
}

async fn nothing() -> Refused {
    Refused::new(404, "there is nothing here")
}

pub(crate) fn bearer(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let values = headers.get_all(header::AUTHORIZATION).iter();
    let token = portcullis_model::bearer(values.map(HeaderValue::as_bytes))?;
    Some(Zeroizing::new(token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tower::ServiceExt as _;

    struct Booth;
    impl Counter for Booth {
        fn database_login<'a>(
            &'a self,
            token: &'a str,
            lasts: Duration,
        ) -> BoxFuture<'a, Result<IssuedLogin, Refused>> {
            Box::pin(async move {
                match token {
                    "good" => Ok(IssuedLogin {
                        user: "pcl_x".to_owned(),
                        password: Zeroizing::new("pcs_y".to_owned()),
                        until: format!("in {} s", lasts.as_secs()),
                    }),
                    _ => Err(Refused::new(401, "proves nothing")),
                }
            })
        }
    }

    struct Nobody;
    impl FrontDesk for Nobody {
        fn admit<'a>(
            &'a self,
            _: portcullis_gate::Knock,
            _: portcullis_gate::Knocking<'a>,
        ) -> BoxFuture<'a, Result<portcullis_gate::Admission, portcullis_model::Denial>> {
            Box::pin(async { Err(portcullis_model::Denial::new("test/nobody", "nobody")) })
        }
    }

    async fn ask(request: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        let portal = Arc::new(Portal::new(None, Arc::new(Booth), None));
        let serving = tokio::spawn(async move {
            let (stream, peer) = listener.accept().await.expect("accepts");
            let slot = Box::new(());
            let _ended = portal
                .serve(Socket { stream, peer, slot }, Arc::new(Nobody))
                .await;
        });
        let mut stream = TcpStream::connect(address).await.expect("connects");
        stream.write_all(request.as_bytes()).await.expect("writes");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("reads");
        serving.await.expect("ends");
        answer
    }

    fn post(authorization: &str, body: &str) -> String {
        format!(
            "POST /v1/logins/database HTTP/1.1\r\nHost: x\r\n{authorization}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    #[tokio::test]
    async fn a_token_buys_a_login_and_nothing_else_does() {
        let good = ask(&post("Authorization: Bearer good\r\n", "{\"seconds\":60}")).await;
        assert!(
            good.starts_with("HTTP/1.1 200") && good.contains("no-store"),
            "{good}"
        );
        assert!(
            good.contains("\"password\":\"pcs_y\"") && good.contains("in 60 s"),
            "{good}"
        );
        for (request, status) in [
            (post("", "{\"seconds\":60}"), "401"),
            (
                post("Authorization: Basic good\r\n", "{\"seconds\":60}"),
                "401",
            ),
            (
                post("Authorization: Bearer bad\r\n", "{\"seconds\":60}"),
                "401",
            ),
            (
                post("Authorization: Bearer good\r\n", "{\"seconds\":-1}"),
                "400",
            ),
            (
                post(
                    "Authorization: Bearer good\r\n",
                    "{\"seconds\":1,\"more\":2}",
                ),
                "400",
            ),
            (
                post("Authorization: Bearer good\r\n", &"x".repeat(5000)),
                "413",
            ),
            (
                "GET /v1/sessions HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
                "404",
            ),
        ] {
            let answer = ask(&request).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{status}: {answer}"
            );
            assert!(!answer.contains("pcs_"), "{answer}");
        }
    }

    #[tokio::test]
    async fn whoever_is_not_known_comes_again_and_whoever_is_stays() {
        let console = crate::web::tests::console();
        let from = IpAddr::from([192, 0, 2, 1]);
        let stranger = Strangers::new(1).enter(from).map(Arc::new).expect("room");
        let counted = Counted {
            console: Arc::clone(&console),
            turnstile: Arc::new(Turnstile::new(2)),
            from,
            stranger: Arc::clone(&stranger),
        };
        let routes = console
            .routes()
            .layer(axum::Extension(Source(from)))
            .layer(middleware::from_fn_with_state(counted, counted_request));
        for (token, status, stays) in [
            ("none", 401, false),
            ("t-ana", 200, true),
            ("none", 429, false),
            ("t-ana", 200, true),
        ] {
            let before = stranger.is_known();
            let request = Request::get("/api/v1/me")
                .header("authorization", format!("Bearer {token}"))
                .body(axum::body::Body::empty())
                .expect("a request");
            let answer = routes.clone().oneshot(request).await.expect("answers");
            assert_eq!(answer.status().as_u16(), status);
            let closes = answer.headers().get(header::CONNECTION);
            assert_eq!(closes.is_none(), stays, "{token}: {closes:?}");
            assert_eq!(stranger.is_known(), before || stays, "{token}");
        }
    }
}
