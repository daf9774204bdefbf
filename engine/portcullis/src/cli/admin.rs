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
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::UnixStream;

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
        let patience = if method == Method::GET {
            LOOK_MAX
        } else {
            ACT_MAX
        };
        let (status, answer) = block_on(async {
            let exchange = exchange(&socket, method, path, body);
            match tokio::time::timeout(patience, exchange).await {
                Ok(answer) => answer.map_err(unreachable),
                Err(_) => Err(unreachable(io::ErrorKind::TimedOut.into())),
            }
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

async fn exchange(
    socket: &PathBuf,
    method: Method,
    path: &str,
    body: Bytes,
) -> io::Result<(StatusCode, Bytes)> {
    let stream = UnixStream::connect(socket).await?;
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
