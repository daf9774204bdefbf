//! The client of the admin socket: one request, one answer. It refuses answers that are longer than any
//! honest one, and it never retries: a vote or a kill must not happen twice.

use crate::cli::{Exit, Whereabouts};
use crate::config;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use portcullis_console::Refused;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::Instant;

/// Longer answers are refused.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Looking takes no time.
const LOOK_MAX: Duration = Duration::from_secs(10);
/// A reload compiles plugins and tests policies; nothing takes longer.
const ACT_MAX: Duration = Duration::from_secs(120);

/// Runs a future to its end on a small runtime.
///
/// # Errors
/// When there is no runtime to be had, or what the future says.
pub fn block_on<T>(future: impl Future<Output = Result<T, Exit>>) -> Result<T, Exit> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Exit::refused(format!("cannot start a runtime: {error}")))?
        .block_on(future)
}

impl Whereabouts {
    fn admin_socket(&self) -> Result<PathBuf, Exit> {
        match &self.socket {
            Some(socket) => Ok(socket.clone()),
            None => Ok(config::load(&self.config)?.socket()),
        }
    }

    /// Asks for something.
    ///
    /// # Errors
    /// When no gateway answers, or it refuses.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Exit> {
        self.call(Method::GET, path, Bytes::new())
    }

    /// Sends something.
    ///
    /// # Errors
    /// When no gateway answers, or it refuses.
    pub fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Exit> {
        let body = serde_json::to_vec(body).map_err(io::Error::from)?;
        self.call(method, path, Bytes::from(body))
    }

    fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, Exit> {
        let socket = self.admin_socket()?;
        let unreachable = |source: io::Error| Exit::Unreachable {
            socket: socket.clone(),
            source,
        };
        let look = method == Method::GET;
        let patience = if look { LOOK_MAX } else { ACT_MAX };
        let (status, answer) = block_on(async {
            let until = Instant::now() + patience;
            let stream = within(until, UnixStream::connect(&socket)).await;
            let stream = stream.map_err(unreachable)?;
            let answer = within(until, exchange(stream, method, path, body)).await;
            answer.map_err(|source| match look {
                true => unreachable(source),
                false => unsure(&socket, &source),
            })
        })?;
        if status.is_success() {
            return serde_json::from_slice(&answer).map_err(|error| {
                Exit::refused_with(
                    format!("the gateway's answer cannot be read: {error}"),
                    "use the `portcullis` of the same version as the gateway",
                )
            });
        }
        match serde_json::from_slice::<Refused>(&answer) {
            Ok(refused) => Err(Exit::by_status(status, refused.error, refused.hint)),
            Err(_) => Err(Exit::refused("the gateway refuses without a reason")),
        }
    }
}

/// Something was sent to a gateway that is there, and no answer came: starting one is no help, and it may have been done.
fn unsure(socket: &Path, source: &io::Error) -> Exit {
    Exit::Unanswered {
        message: format!(
            "no answer from the gateway at {}: {source}",
            socket.display()
        ),
        hint: "look whether it was done before you do it again".to_owned(),
    }
}

async fn within<T>(until: Instant, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let done = tokio::time::timeout_at(until, work).await;
    done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn exchange(
    stream: UnixStream,
    method: Method,
    path: &str,
    body: Bytes,
) -> io::Result<(StatusCode, Bytes)> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let driver = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "portcullis")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(body))
        .map_err(io::Error::other)?;
    let answer = sender
        .send_request(request)
        .await
        .map_err(io::Error::other)?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
        .collect()
        .await
        .map_err(io::Error::other)?
        .to_bytes();
    driver.abort();
    Ok((status, body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::os::unix::net::UnixListener;

    #[test]
    fn what_was_sent_and_not_answered_may_have_been_done() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = Whereabouts {
            config: PathBuf::from("/nowhere"),
            socket: Some(folder.path().join("s")),
        };
        let vote = || at.send::<Value>(Method::POST, "/v1/approvals/ap-1/votes", &json!({}));
        let hint = |exit: Exit| {
            assert_eq!(exit.code(), 3, "{exit}");
            exit.shown().1.unwrap_or_default()
        };
        // Nobody is there: nothing was sent.
        let nobody = hint(vote().expect_err("nobody"));
        assert!(nobody.contains("portcullis run"), "{nobody}");
        let listener = UnixListener::bind(folder.path().join("s")).expect("a socket");
        let leaving = std::thread::spawn(move || {
            for _ in 0..2 {
                drop(listener.accept().expect("somebody comes"));
            }
        });
        let voted = hint(vote().expect_err("no answer"));
        assert!(voted.contains("look whether it was done"), "{voted}");
        assert!(!voted.contains("portcullis run"), "{voted}");
        let looked = hint(at.get::<Value>("/v1/approvals").expect_err("no answer"));
        assert!(!looked.contains("was done"), "{looked}");
        leaving.join().expect("both came");
    }
}
