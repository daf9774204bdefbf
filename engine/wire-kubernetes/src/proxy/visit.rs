//! One client's connection: who came with which proof to which cluster, and the sessions that were opened for that.
//!
//! It refuses a request without a token or a certificate of the gateway's, one to a cluster that has no name, and one in a session that has ended.

use super::Kubernetes;
use super::live::Live;
use super::refuse::{
    Answer, Refused, at_the_desk_to, broken, closed, denied_with, unheard, without_credential,
};
use crate::call::parameter;
use crate::status;
use crate::turned::Turned;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use hyper::{HeaderMap, Request};
use portcullis_gate::{BoxFuture, FrontDesk, Gate, Knock, Proof, Waiting};
use portcullis_model::{Client, Denial, Fault, Protocol, Timestamp, limits};
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

/// A connection.
pub(super) struct Visit {
    pub(super) house: Arc<Kubernetes>,
    desk: Arc<dyn FrontDesk>,
    client: Client,
    /// The certificate that the client has shown, when it claims to be of this gateway.
    certificate: Option<Vec<u8>>,
    /// By token and target. A client has one of each, as good as always.
    lives: Mutex<Vec<(Zeroizing<String>, String, Arc<Live>)>>,
    /// Answers and streams that still run.
    tasks: parking_lot::Mutex<JoinSet<()>>,
}

/// Where a request goes, and who sent it.
pub(super) struct Errand {
    /// Where the client has come with a certificate and nothing else, its text, which no token can be.
    pub token: Zeroizing<String>,
    /// It is a certificate.
    pub certified: bool,
    pub cluster: String,
    /// The target behind the cluster's name.
    pub target: String,
}

impl Visit {
    pub(super) fn new(
        house: Arc<Kubernetes>,
        desk: Arc<dyn FrontDesk>,
        client: Client,
        certificate: Option<Vec<u8>>,
    ) -> Self {
        Self {
            house,
            desk,
            client,
            certificate,
            lives: Mutex::new(Vec::new()),
            tasks: parking_lot::Mutex::new(JoinSet::new()),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.house.clock)()
    }

    /// Lets something run that outlives its request. It ends with the connection at the latest.
    pub(super) fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// The answer to one request.
    pub(super) async fn answer(self: &Arc<Self>, request: Request<Incoming>) -> Answer {
        match self.serve(request).await {
            Ok(answer) | Err(Refused::Answer(answer)) => answer,
            Err(Refused::Fault(fault)) => {
                tracing::warn!(fault = fault.chain(), "a request to a cluster failed");
                broken(&fault)
            }
            Err(Refused::Credential(fault)) => {
                tracing::error!(fault = fault.chain(), "cannot log in to a cluster");
                without_credential()
            }
        }
    }

    async fn serve(self: &Arc<Self>, request: Request<Incoming>) -> Result<Answer, Refused> {
        let certificate = self.certificate.as_deref();
        let errand =
            errand(&request, certificate).map_err(|turned| Refused::Answer(unheard(&turned)))?;
        let live = match self.live(&errand, request.headers()).await {
            Ok(live) => live?,
            Err(denial) => {
                let said = at_the_desk_to(request.headers(), &denial);
                return Err(Refused::Answer(said));
            }
        };
        let what = serde_json::json!({
            "method": request.method().as_str(),
            "path": path_of(&errand.target),
            "terminal": terminal(&errand.target),
        });
        let mut gate = live.gates.open(&what, self.now()).await?;
        if let Some(denial) = live.severed() {
            let refused = self.ended(&mut gate, &denial);
            return Err(closed(gate, refused, self.now()));
        }
        self.exchange(live, gate, errand, request).await
    }

    /// The session has lost its ground.
    pub(super) fn ended(&self, gate: &mut Gate, denial: &Denial) -> Refused {
        denied_with(gate, denial, status::code_of(denial), self.now())
    }

    /// The session for a token and a cluster; the desk is asked once.
    async fn live(
        &self,
        errand: &Errand,
        headers: &HeaderMap,
    ) -> Result<Result<Arc<Live>, Fault>, Denial> {
        let mut lives = self.lives.lock().await;
        let same = |(token, cluster, _): &&(Zeroizing<String>, String, Arc<Live>)| {
            equal(token.as_bytes(), errand.token.as_bytes()) && *cluster == errand.cluster
        };
        if let Some((_, _, live)) = lives.iter().find(same) {
            return Ok(Ok(Arc::clone(live)));
        }
        if lives.len() >= limits::SESSIONS_PER_VISIT_MAX {
            return Err(Denial::new(
                "kubernetes/sessions",
                "too many sessions were opened on one connection",
            )
            .hint("Open another connection for another token or cluster."));
        }
        let program = headers
            .get(USER_AGENT)
            .and_then(|agent| agent.to_str().ok());
        let (settings, token) = super::ticket::parted(&errand.token);
        let knock = Knock {
            protocol: Protocol::Kubernetes,
            proof: match &self.certificate {
                Some(certificate) if errand.certified => Proof::Certificate(certificate.clone()),
                _ => Proof::Password(Box::new(Zeroizing::new(token.to_owned()))),
            },
            client: Client {
                program: program.map(|agent| agent.chars().take(256).collect()),
                ..self.client.clone()
            },
            target: errand.cluster.clone(),
            login: String::new(),
            settings,
            replication: false,
        };
        let admission = self.desk.admit(knock, &mut Patient).await?;
        let live = match Live::of(admission, self.now()) {
            Ok(live) => Arc::new(live),
            Err(fault) => return Ok(Err(fault)),
        };
        lives.push((
            errand.token.clone(),
            errand.cluster.clone(),
            Arc::clone(&live),
        ));
        Ok(Ok(live))
    }

    /// The connection is over: what still runs ends first, then the records are sealed.
    pub(super) async fn leave(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        while tasks.join_next().await.is_some() {}
        for (_, _, live) in self.lives.lock().await.drain(..) {
            if let Err(fault) = live.finish("the connection has ended", self.now()) {
                tracing::error!(fault = fault.chain(), "a session's record stays unsealed");
            }
        }
    }
}

/// The terminal that is asked for, where one is; its size follows. Under this name players of the record find it.
fn terminal(target: &str) -> Option<serde_json::Value> {
    let path = target.split('?').next().unwrap_or_default();
    let streams = path.ends_with("/exec") || path.ends_with("/attach");
    let asked = parameter(target, "tty").is_some_and(|tty| matches!(&*tty, "true" | "1"));
    (streams && asked).then(|| serde_json::json!({"columns": 0, "rows": 0}))
}

/// A path without its parameters, for the name of a stream.
fn path_of(target: &str) -> String {
    let path = target.split('?').next().unwrap_or_default();
    path.chars().take(256).collect()
}

/// The cluster's name is the first segment of the path.
fn errand<B>(request: &Request<B>, certificate: Option<&[u8]>) -> Result<Errand, Turned> {
    let uri = request.uri();
    if uri.authority().is_some() || uri.scheme().is_some() {
        return Err(Turned::malformed(
            "kubernetes/target",
            "the request target is no path: absolute and authority forms are not served",
        ));
    }
    let whole = uri.path_and_query().map_or("/", |path| path.as_str());
    let rest = whole.strip_prefix('/').unwrap_or(whole);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (cluster, rest) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let named = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    if cluster.is_empty() || cluster.len() > 128 || !cluster.bytes().all(named) {
        return Err(Turned::malformed(
            "kubernetes/target",
            "no cluster is named on the path",
        )
        .code(404)
        .hint("The server in the kubeconfig is https://GATEWAY/NAME, with the name of the connection."));
    }
    let bare = !request.headers().contains_key(AUTHORIZATION);
    let (token, certified) = match certificate.filter(|_| bare) {
        Some(certificate) => {
            let text = format!("certificate {}", STANDARD.encode(certificate));
            (Zeroizing::new(text), true)
        }
        None => (bearer(request.headers())?, false),
    };
    let target = match rest.starts_with('/') {
        true => rest.to_owned(),
        false => format!("/{rest}"),
    };
    Ok(Errand {
        token,
        certified,
        cluster: cluster.to_owned(),
        target,
    })
}

fn bearer(headers: &HeaderMap) -> Result<Zeroizing<String>, Turned> {
    let values = headers.get_all(AUTHORIZATION).iter();
    let token = portcullis_model::bearer(values.map(HeaderValue::as_bytes));
    let token = token.ok_or_else(|| {
        Turned::malformed(
            "identity/no-token",
            "the request carries no bearer token, or more than one",
        )
        .code(401)
        .hint("Log in, and give your token in the kubeconfig (token, tokenFile or exec).")
    })?;
    Ok(Zeroizing::new(token.to_owned()))
}

/// In a time that does not tell where they differ.
fn equal(one: &[u8], other: &[u8]) -> bool {
    let differs = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && differs == 0
}

/// An HTTP client waits in silence: there is no frame that could tell it anything before the answer.
struct Patient;

impl Waiting for Patient {
    fn tell<'a>(&'a mut self, _: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }

    fn gone<'a>(&'a mut self) -> BoxFuture<'a, ()> {
        // The request's future is dropped when the client goes away.
        Box::pin(std::future::pending())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        target: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<(String, String), (u16, &'static str)> {
        let mut request = Request::new(());
        *request.uri_mut() = target.parse().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        match errand(&request, None) {
            Ok(errand) => Ok((errand.cluster, errand.target)),
            Err(turned) => Err((turned.code, turned.rule)),
        }
    }

    #[test]
    fn a_terminal_is_on_record_as_one() {
        let pod = "/api/v1/namespaces/n/pods/p";
        for asked in ["exec?tty=true&command=sh", "attach?stdin=true&tty=1"] {
            assert!(terminal(&format!("{pod}/{asked}")).is_some(), "{asked}");
        }
        for not in ["exec?command=tty", "exec?tty=false", "log?tty=true", "exec"] {
            assert!(terminal(&format!("{pod}/{not}")).is_none(), "{not}");
        }
    }

    #[test]
    fn the_cluster_is_the_first_part_of_the_path() {
        let token = [("authorization", "Bearer x")];
        let to = |cluster: &str, target: &str| Ok((cluster.to_owned(), target.to_owned()));
        assert_eq!(
            read("/prod/api/v1/pods?watch=1", &token),
            to("prod", "/api/v1/pods?watch=1")
        );
        assert_eq!(read("/prod", &token), to("prod", "/"));
        assert_eq!(read("/prod/", &token), to("prod", "/"));
        assert_eq!(read("/prod?a=b", &token), to("prod", "/?a=b"));
        // What stands behind it goes on as it came: the reader of requests refuses it.
        assert_eq!(read("/prod//api", &token), to("prod", "//api"));
        for target in ["/", "//api/v1/pods", "/%70rod/api", "/a;b/api"] {
            assert_eq!(
                read(target, &token),
                Err((404, "kubernetes/target")),
                "{target}"
            );
        }
        assert_eq!(
            read("https://other/prod/api", &token),
            Err((400, "kubernetes/target"))
        );
    }

    #[test]
    fn a_certificate_takes_the_place_of_a_token_that_is_not_there() {
        let mut request = Request::new(());
        *request.uri_mut() = "/prod/api".parse().unwrap();
        let named = |certificate: &[u8]| errand(&request, Some(certificate)).unwrap();
        assert!(named(b"x").certified);
        assert_ne!(named(b"x").token, named(b"y").token);
        assert!(named(b"x").token.contains(' '), "no token is like that");
        request
            .headers_mut()
            .append("authorization", "Basic eDp5".parse().unwrap());
        assert!(
            errand(&request, Some(b"x")).is_err(),
            "what is there has to be good"
        );
    }

    #[test]
    fn a_request_carries_one_token() {
        let none: [&[(&'static str, &str)]; 6] = [
            &[],
            &[("authorization", "Basic eDp5")],
            &[("authorization", "Bearer ")],
            &[("authorization", "bearer")],
            &[("authorization", "Bearer a"), ("authorization", "Bearer b")],
            &[("cookie", "token=a")],
        ];
        for headers in none {
            assert_eq!(
                read("/prod/api", headers),
                Err((401, "identity/no-token")),
                "{headers:?}"
            );
        }
        let long = format!("Bearer {}", "x".repeat(limits::PROOF_BYTES_MAX + 1));
        assert!(read("/prod/api", &[("authorization", &long)]).is_err());
        assert!(read("/prod/api", &[("authorization", "bearer a")]).is_ok());
    }
}
