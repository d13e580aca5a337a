//! A connection to a server of somebody's: plain or with TLS, direct or through a SOCKS proxy, never without a limit in
//! time.

mod socks;
mod tls;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::ChainError;

/// Through an onion circuit a connection takes seconds, and a long history on a small machine some more.
const PATIENCE: Duration = Duration::from_secs(30);

/// A host and its port, written `host:port`. The host may be a name, an address, or an onion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub host: String,
    pub port: u16,
}

/// That text is not `host:port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a place in the network is written as host:port")]
pub struct NotAPlace;

impl FromStr for Place {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let (host, port) = text.rsplit_once(':').ok_or(NotAPlace)?;
        let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let odd = |letter: char| letter.is_whitespace() || letter.is_control() || "/?#@".contains(letter);
        if host.is_empty() || host.contains(odd) {
            return Err(NotAPlace);
        }
        Ok(Self { host: host.to_owned(), port: port.parse().map_err(|_| NotAPlace)? })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// How the servers are reached, and whom to believe that they are it.
#[derive(Debug, Clone)]
pub struct Way {
    /// A SOCKS5 proxy, as Tor's 127.0.0.1:9050. Names are resolved behind it.
    pub proxy: Option<Place>,
    /// A PEM file: the server's own certificate, self-signed or not, or its authority's. Without one, the authorities
    /// that this machine trusts.
    pub certificate: Option<PathBuf>,
    /// A server that takes longer to be reached, or to answer, hangs.
    pub patience: Duration,
}

impl Default for Way {
    fn default() -> Self {
        Self { proxy: None, certificate: None, patience: PATIENCE }
    }
}

/// A way, ready to be gone: the certificates are read.
#[derive(Debug, Clone)]
pub(super) struct Road {
    proxy: Option<Place>,
    tls: Arc<ClientConfig>,
    pub patience: Duration,
}

/// Bytes in both directions.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

impl Road {
    pub fn new(way: &Way) -> Result<Self, ChainError> {
        let tls = Arc::new(tls::config(way.certificate.as_deref())?);
        Ok(Self { proxy: way.proxy.clone(), tls, patience: way.patience })
    }

    pub async fn connect(&self, place: &Place, with_tls: bool) -> Result<Box<dyn Stream>, ChainError> {
        let slow = || ChainError::hanging(format!("{place} takes longer than {:?} to be reached", self.patience));
        let connected = self.connect_slowly(place, with_tls);
        tokio::time::timeout(self.patience, connected).await.unwrap_or_else(|_| Err(slow()))
    }

    async fn connect_slowly(&self, place: &Place, with_tls: bool) -> Result<Box<dyn Stream>, ChainError> {
        let stream = self.reach(place).await?;
        if !with_tls {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(place.host.clone())
            .map_err(|_| ChainError::confused(format!("{:?} is no host name for TLS", place.host)))?;
        let connector = TlsConnector::from(self.tls.clone());
        let stream = connector.connect(name, stream).await.map_err(|error| tls::refused(place, &error))?;
        Ok(Box::new(stream))
    }

    async fn reach(&self, place: &Place) -> Result<TcpStream, ChainError> {
        let next = self.proxy.as_ref().unwrap_or(place);
        let stream = TcpStream::connect((next.host.as_str(), next.port)).await;
        let mut stream = stream.map_err(|error| match &self.proxy {
            Some(proxy) => ChainError::unreachable(format!("the SOCKS proxy {proxy}: {error}")),
            None => ChainError::unreachable(format!("{place}: {error}")),
        })?;
        stream.set_nodelay(true).map_err(ChainError::unreachable)?;
        if self.proxy.is_some() {
            socks::ask(&mut stream, place).await?;
        }
        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_what_it_writes() {
        for good in ["127.0.0.1:9050", "[::1]:50002", "electrum.example:50001", "abcdef.onion:80"] {
            assert_eq!(good.parse::<Place>().map(|place| place.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "host", "host:", ":50001", "host:70000", "http://host:1", "a b:1", "user@host:1"] {
            assert_eq!(bad.parse::<Place>(), Err(NotAPlace), "{bad}");
        }
    }
}
