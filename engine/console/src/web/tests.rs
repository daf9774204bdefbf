//! The console over a gateway of paper: every page and call for every role, what another site sends, hostile values, and
//! the way in and out.

mod doors;
mod drafts;
mod fakes;
mod hostile;
mod paper_desk;
mod standing;
mod table;

pub(crate) use fakes::person;

use super::*;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use fakes::{Paper, Said};
use http_body_util::BodyExt as _;
use portcullis_model::Timestamp;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tower::ServiceExt as _;

const ORIGIN: &str = "https://gw.example";

/// A console, and the paper behind it.
struct House {
    paper: Arc<Paper>,
    console: Arc<Console>,
}

/// A console for the tests of the listener: `t-NAME` is a token of NAME.
pub(crate) fn console() -> Arc<Console> {
    House::new().console
}

/// What came back.
struct Seen {
    status: StatusCode,
    heads: HeaderMap,
    text: String,
}

impl Seen {
    fn head(&self, name: &str) -> &str {
        self.heads
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
    }

    /// The value of a cookie that was set.
    fn cookie(&self, name: &str) -> Option<String> {
        let lines = self.heads.get_all(header::SET_COOKIE).iter();
        let mut lines = lines.filter_map(|l| l.to_str().ok());
        lines.find_map(|l| {
            let (found, rest) = l.split_once('=')?;
            (found == name).then(|| rest.split(';').next().unwrap_or_default().to_owned())
        })
    }

    /// The token of the forms.
    fn csrf(&self) -> String {
        let at = self.text.split_once("name=\"csrf\" value=\"");
        let (_, rest) = at.expect("a form with a token");
        rest.split('"').next().unwrap_or_default().to_owned()
    }
}

impl House {
    fn new() -> Self {
        Self::taking(false)
    }

    /// One that takes logins that do not say when they were.
    fn taking(unsaid: bool) -> Self {
        let paper = Arc::new(Paper::default());
        let now = Arc::clone(&paper);
        let console = Console::new(Parts {
            bureau: Arc::clone(&paper) as Arc<dyn Bureau>,
            archive: Arc::clone(&paper) as Arc<dyn Archive>,
            entrance: Arc::clone(&paper) as Arc<dyn Entrance>,
            origin: ORIGIN.to_owned(),
            stay: Stay {
                idle: Duration::from_secs(600),
                longest: Duration::from_secs(3600),
                fresh: Duration::from_secs(300),
                unsaid,
            },
            clock: Arc::new(move || *now.now.lock()),
        });
        Self { paper, console }
    }

    fn later(&self, seconds: u64) {
        let mut now = self.paper.now.lock();
        *now = now.after(Duration::from_secs(seconds));
    }

    async fn send(&self, request: Request<Body>) -> Seen {
        let from = crate::portal::Source(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let routes = self.console.routes().layer(axum::Extension(from));
        let answer = routes.oneshot(request).await.expect("answers");
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        Seen {
            status: parts.status,
            heads: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    async fn get(&self, address: &str, cookie: &str) -> Seen {
        let cookie = format!("{}={cookie}", guard::VISIT);
        let request = Request::get(address).header("cookie", cookie);
        self.send(request.body(Body::empty()).expect("a request"))
            .await
    }

    /// A form of ours, as a browser sends it.
    async fn post(&self, address: &str, cookie: &str, form: &str) -> Seen {
        let request = Request::post(address)
            .header("cookie", format!("{}={cookie}", guard::VISIT))
            .header("sec-fetch-site", "same-origin")
            .header("origin", "null")
            .header("content-type", "application/x-www-form-urlencoded");
        self.send(
            request
                .body(Body::from(form.to_owned()))
                .expect("a request"),
        )
        .await
    }

    async fn call(&self, method: Method, address: &str, token: &str, body: &str) -> Seen {
        let request = Request::builder()
            .method(method)
            .uri(address)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        self.send(
            request
                .body(Body::from(body.to_owned()))
                .expect("a request"),
        )
        .await
    }

    /// Logs somebody in, whom the provider asks for the proof; the cookie.
    async fn log_in(&self, name: &str) -> String {
        self.log_in_by(name, "fresh=true", "").await
    }

    /// The same by another way, in a browser that has a cookie.
    async fn log_in_by(&self, name: &str, way: &str, before: &str) -> String {
        *self.paper.user.lock() = name.to_owned();
        let address = format!("/console/login/begin?provider=corp&next=/console/live&{way}");
        let begun = self.get(&address, before).await;
        assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text);
        let pending = begun.cookie(guard::LOGIN).expect("a cookie for the login");
        let state = begun
            .head("location")
            .split_once("state=")
            .expect("a state")
            .1
            .to_owned();
        let done = Request::get(format!("/console/login/done?code=c-{name}&state={state}"))
            .header("cookie", format!("{}={pending}", guard::LOGIN));
        let done = self
            .send(done.body(Body::empty()).expect("a request"))
            .await;
        assert_eq!(done.status, StatusCode::OK, "{}", done.text);
        assert!(done.text.contains("url=/console/live"), "{}", done.text);
        done.cookie(guard::VISIT).expect("a cookie for the visit")
    }

    fn said(&self, event: &str) -> Vec<Said> {
        let said = self.paper.said.lock();
        said.iter().filter(|s| s.event == event).cloned().collect()
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp(0).after(Duration::from_secs(seconds))
}
