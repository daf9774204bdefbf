//! For tests: an HTTP server on loopback that answers as it is told, and remembers what it was asked.

use parking_lot::Mutex;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// `PUT /v1/auth/approle/login`.
    pub(crate) line: String,
    /// Header lines, in lower case.
    pub(crate) headers: String,
    pub(crate) body: String,
}

type Answer = dyn Fn(&Asked) -> (u16, String) + Send + Sync;

#[derive(Clone)]
pub(crate) struct Canned {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Canned {
    pub(crate) async fn serve(
        answer: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let canned = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            asked: Arc::default(),
        };
        let (asked, answer): (_, Arc<Answer>) = (Arc::clone(&canned.asked), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let request = read(&mut socket).await;
                let (status, body) = answer(&request);
                asked.lock().push(request);
                let head = format!(
                    "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = socket.write_all((head + &body).as_bytes()).await;
            }
        });
        canned
    }

    /// What was asked, without queries and headers, in order.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked.lock().iter().map(|a| a.line.clone()).collect()
    }

    pub(crate) fn last(&self, line: &str) -> Asked {
        let asked = self.asked.lock();
        let found = asked.iter().rev().find(|a| a.line == line);
        found
            .unwrap_or_else(|| panic!("{line} was not asked: {asked:?}"))
            .clone()
    }

    pub(crate) fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|l| *l == line).count()
    }
}

async fn read(socket: &mut tokio::net::TcpStream) -> Asked {
    let mut bytes = Vec::new();
    let mut part = [0_u8; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let (line, headers) = head.split_once("\r\n").unwrap();
            let headers = headers.to_ascii_lowercase();
            let length = headers
                .lines()
                .find_map(|h| h.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |l| l.parse().unwrap());
            if body.len() >= length {
                return Asked {
                    line: line.trim_end_matches(" HTTP/1.1").to_owned(),
                    headers,
                    body: body.to_owned(),
                };
            }
        }
        let count = socket.read(&mut part).await.unwrap();
        assert!(count > 0, "a request is cut off: {text}");
        bytes.extend_from_slice(&part[..count]);
    }
}
