//! HTTP to one Esplora server: connections that are kept and used again, each answer within a limit in time and size.

use std::fmt;
use std::str::FromStr;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::Mutex;

use crate::chain::ChainError;
use crate::chain::link::{Place, Road};
use crate::chain::trouble::is_warming_up;

/// A page of the largest transactions there can be.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A server, written `https://host/api` or `http://host:port/api`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    place: Place,
    with_tls: bool,
    /// Without a slash at its end.
    path: String,
}

/// That text is no such address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an Esplora server is written as https://host/path or http://host:port/path")]
pub struct NotAnAddress;

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let url = url::Url::parse(text).map_err(|_| NotAnAddress)?;
        let with_tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(NotAnAddress),
        };
        let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        let (Some(host), Some(port), true) = (url.host_str(), url.port_or_known_default(), plain) else {
            return Err(NotAnAddress);
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let path = url.path().trim_end_matches('/').to_owned();
        Ok(Self { place: Place { host, port }, with_tls, path })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.with_tls { "https" } else { "http" }, self.place, self.path)
    }
}

type Sender = SendRequest<Full<Bytes>>;

#[derive(Debug)]
pub struct Http {
    name: String,
    address: Address,
    road: Road,
    idle: Mutex<Vec<Sender>>,
}

impl Http {
    pub fn new(address: Address, road: Road) -> Self {
        Self { name: address.to_string(), address, road, idle: Mutex::default() }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// None where there is nothing of that name.
    pub async fn get(&self, path: &str) -> Result<Option<Bytes>, ChainError> {
        let (status, bytes) = self.ask(Method::GET, path, String::new()).await?;
        match status {
            StatusCode::OK => Ok(Some(bytes)),
            StatusCode::NOT_FOUND => Ok(None),
            other => Err(self.odd(path, other, &bytes)),
        }
    }

    /// Gives a transaction away; the server's node may refuse it.
    pub async fn post(&self, path: &str, body: String) -> Result<(), ChainError> {
        let (status, bytes) = self.ask(Method::POST, path, body).await?;
        match status {
            StatusCode::OK => Ok(()),
            StatusCode::BAD_REQUEST if is_warming_up(&words(&bytes)) => Err(ChainError::Loading(words(&bytes))),
            // The node's words, with its number: anything else is the server's own trouble.
            StatusCode::BAD_REQUEST if words(&bytes).contains("RPC error") => Err(ChainError::Rejected(words(&bytes))),
            other => Err(self.odd(path, other, &bytes)),
        }
    }

    fn odd(&self, path: &str, status: StatusCode, bytes: &Bytes) -> ChainError {
        let said = format!("{}{path}: {status}: {}", self.name, words(bytes));
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => ChainError::Busy(said),
            other if other.is_server_error() => ChainError::Unreachable(said),
            _ => ChainError::Confused(said),
        }
    }

    async fn ask(&self, method: Method, path: &str, body: String) -> Result<(StatusCode, Bytes), ChainError> {
        let idle = self.idle.lock().await.pop();
        // One that was kept may have been closed by the server in the meantime; then a new one is made.
        if let Some(sender) = idle
            && !sender.is_closed()
            && let Ok(answer) = self.ask_on(sender, &method, path, &body).await
        {
            return Ok(answer);
        }
        let sender = self.connect().await?;
        self.ask_on(sender, &method, path, &body).await
    }

    async fn connect(&self) -> Result<Sender, ChainError> {
        let stream = self.road.connect(&self.address.place, self.address.with_tls).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| self.lost(&error))?;
        // It ends with its sender.
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn ask_on(
        &self,
        mut sender: Sender,
        method: &Method,
        path: &str,
        body: &str,
    ) -> Result<(StatusCode, Bytes), ChainError> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.address.path))
            .header(HOST, self.address.place.to_string())
            .header(USER_AGENT, "Trine")
            .header(ACCEPT, "application/json, text/plain, application/octet-stream")
            .header(CONTENT_TYPE, "text/plain")
            .body(Full::from(body.to_owned()))
            .map_err(ChainError::confused)?;
        let answered = async {
            sender.ready().await.map_err(|error| self.lost(&error))?;
            let response = sender.send_request(request).await.map_err(|error| self.lost(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| {
                let said = format!("{}{path}: {error}", self.name);
                if error.is::<LengthLimitError>() { ChainError::Confused(said) } else { ChainError::Unreachable(said) }
            })?;
            Ok((status, body.to_bytes()))
        };
        let patience = self.road.patience;
        let answer = tokio::time::timeout(patience, answered)
            .await
            .unwrap_or_else(|_| Err(ChainError::hanging(format!("{}{path}: no answer in {patience:?}", self.name))))?;
        if !sender.is_closed() {
            self.idle.lock().await.push(sender);
        }
        Ok(answer)
    }

    fn lost(&self, error: &hyper::Error) -> ChainError {
        ChainError::unreachable(format!("{}: {error}", self.name))
    }
}

/// The beginning of what was said.
fn words(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_written_as_a_url() {
        let written = |text: &str| text.parse::<Address>().map(|address| address.to_string());
        assert_eq!(written("https://esplora.example/api/"), Ok("https://esplora.example:443/api".to_owned()));
        assert_eq!(written("http://127.0.0.1:3002"), Ok("http://127.0.0.1:3002".to_owned()));
        assert_eq!(written("http://abc.onion/api"), Ok("http://abc.onion:80/api".to_owned()));
        for bad in ["", "esplora.example", "ftp://h/", "https://h/api?key=1", "https://me@h/api"] {
            assert_eq!(bad.parse::<Address>(), Err(NotAnAddress), "{bad}");
        }
    }
}
