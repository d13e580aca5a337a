//! A webhook as Standard Webhooks describes it: signed, to a public address by HTTPS, and to no other place than the one
//! that was looked at: the name is resolved once, every address it has is checked, and the connection goes to one of
//! these. Redirects are answers, not ways.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::Lost;
use super::guard::is_public;

/// From the first packet to the last: whoever answers later is tried again.
const PATIENCE: Duration = Duration::from_secs(15);
/// Nothing of an answer is used but its status.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
pub const URL_BYTES_MAX: usize = 500;
/// In front of a secret, so that people know what it is (Standard Webhooks).
const SECRET_MARK: &str = "whsec_";

/// Sends webhooks.
#[derive(Debug, Clone)]
pub struct Hooks {
    tls: Arc<ClientConfig>,
    /// Plain http and addresses inside the operator's own network are allowed: for receivers of his own, and for tests.
    allow_private: bool,
}

/// One message to one receiver.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    pub url: &'a Url,
    pub secret: &'a [u8],
    /// The same each time this message is sent.
    pub id: &'a str,
    /// Now, in seconds since 1970.
    pub timestamp: i64,
    pub body: &'a str,
}

impl Hooks {
    pub fn new(allow_private: bool) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        Ok(Self { tls: Arc::new(config.with_root_certificates(roots).with_no_client_auth()), allow_private })
    }

    /// A receiver's address as somebody typed it, or why it is none, in words.
    pub fn receiver(&self, text: &str) -> Result<Url, String> {
        let url = Url::parse(text).map_err(|_| "Write an address like https://example.org/notices.".to_owned())?;
        let scheme = url.scheme();
        if !(scheme == "https" || (scheme == "http" && self.allow_private)) {
            return Err("The address begins with https://: what the desk sends is not for everybody on the way.".into());
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err("Leave out names, passwords and # parts: the desk signs each message instead.".into());
        }
        if text.len() > URL_BYTES_MAX || url.as_str().len() > URL_BYTES_MAX {
            return Err(format!("The address is longer than {URL_BYTES_MAX} characters."));
        }
        let literal = match url.host() {
            None => return Err("The address names no host.".into()),
            Some(Host::Domain(name)) => {
                let local = name == "localhost" || name.ends_with(".localhost") || !name.contains('.');
                return if local && !self.allow_private { Err(INSIDE.into()) } else { Ok(url) };
            }
            Some(Host::Ipv4(v4)) => v4.into(),
            Some(Host::Ipv6(v6)) => v6.into(),
        };
        if self.may_reach(literal) { Ok(url) } else { Err(INSIDE.into()) }
    }

    fn may_reach(&self, address: std::net::IpAddr) -> bool {
        self.allow_private || is_public(address)
    }

    /// Sends one message; it arrived if the receiver says so.
    pub async fn call(&self, call: &Call<'_>) -> Result<(), Lost> {
        let slow = || Lost::Later(format!("No answer within {} seconds.", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, self.call_slowly(call)).await.unwrap_or_else(|_| Err(slow()))
    }

    async fn call_slowly(&self, call: &Call<'_>) -> Result<(), Lost> {
        let url = self.receiver(call.url.as_str()).map_err(Lost::Never)?;
        let stream = self.reach(&url).await?;
        let status = if url.scheme() == "https" {
            let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            let name = ServerName::try_from(host).map_err(|_| Lost::Never("The host has no name for TLS.".into()))?;
            let secured = TlsConnector::from(self.tls.clone()).connect(name, stream).await;
            ask(secured.map_err(|error| Lost::Later(format!("No TLS connection: {error}.")))?, &url, call).await?
        } else {
            ask(stream, &url, call).await?
        };
        match status {
            status if status.is_success() => Ok(()),
            StatusCode::GONE => Err(Lost::Gone("The receiver answered 410: it is gone.".into())),
            status if status.is_redirection() => {
                Err(Lost::Later(format!("The receiver answered {}; redirects are not followed.", status.as_u16())))
            }
            status => Err(Lost::Later(format!("The receiver answered {}.", status.as_u16()))),
        }
    }

    /// A connection to an address that was looked at.
    async fn reach(&self, url: &Url) -> Result<TcpStream, Lost> {
        let port = url.port_or_known_default().unwrap_or(443);
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let found = tokio::net::lookup_host((host, port)).await;
        let found: Vec<SocketAddr> =
            found.map_err(|_| Lost::Later(format!("The name {host} is not known.")))?.collect();
        // One bad address is enough: the next answer for this name might begin with it.
        if found.iter().any(|address| !self.may_reach(address.ip())) {
            return Err(Lost::Never(INSIDE.into()));
        }
        let stream = TcpStream::connect(found.as_slice()).await;
        stream.map_err(|error| Lost::Later(format!("{host} cannot be reached: {}.", error.kind())))
    }
}

const INSIDE: &str = "This address is not on the public internet. The desk calls public addresses only.";

async fn ask<S>(stream: S, url: &Url, call: &Call<'_>) -> Result<StatusCode, Lost>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let broke = |error: hyper::Error| Lost::Later(format!("The connection broke: {error}."));
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broke)?;
    // It ends with its sender.
    tokio::spawn(connection);
    let authority = url.host_str().unwrap_or_default();
    let authority = url.port().map_or_else(|| authority.to_owned(), |port| format!("{authority}:{port}"));
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let request = Request::post(path)
        .header(HOST, authority)
        .header(USER_AGENT, "Trine")
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", call.id)
        .header("webhook-timestamp", call.timestamp.to_string())
        .header("webhook-signature", signature(call.secret, call.id, call.timestamp, call.body))
        .body(Full::<Bytes>::from(call.body.to_owned()))
        .map_err(|_| Lost::Never("This address cannot be asked.".into()))?;
    let answer = sender.send_request(request).await.map_err(broke)?;
    let status = answer.status();
    // Read so that the receiver is not cut off; whatever it says stays here, and a long answer is none of ours.
    let _ = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    Ok(status)
}

/// `v1,` and the HMAC-SHA-256 over id, time and body.
pub fn signature(secret: &[u8], id: &str, timestamp: i64, body: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { unreachable!("HMAC takes a key of any length") };
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
}

/// A secret as its owner gets it.
pub fn secret_text(secret: &[u8]) -> String {
    format!("{SECRET_MARK}{}", BASE64.encode(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_standard() {
        // The example of the Standard Webhooks specification's reference libraries.
        let secret = BASE64.decode(b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(secret_text(&secret), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    }

    #[test]
    fn receivers_are_public_and_spoken_to_in_private() {
        let strict = Hooks::new(false).unwrap();
        for good in ["https://example.org/notices?for=me", "https://example.org:8443/", "https://9.9.9.9/x"] {
            assert!(strict.receiver(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", "like https://"),
            ("example.org", "like https://"),
            ("http://example.org/", "begins with https://"),
            ("ftp://example.org/", "begins with https://"),
            ("file:///etc/passwd", "begins with https://"),
            ("https://me:secret@example.org/", "Leave out names"),
            ("https://example.org/#x", "Leave out names"),
            ("https://localhost/", "not on the public internet"),
            ("https://a.localhost/", "not on the public internet"),
            ("https://printer/", "not on the public internet"),
            ("https://127.0.0.1/", "not on the public internet"),
            // The same address, written as people do who hope that nobody looks.
            ("https://2130706433/", "not on the public internet"),
            ("https://0x7f.1/", "not on the public internet"),
            ("https://0177.0.0.1/", "not on the public internet"),
            ("https://[::1]/", "not on the public internet"),
            ("https://[::ffff:169.254.169.254]/latest/meta-data", "not on the public internet"),
            ("https://169.254.169.254/latest/meta-data", "not on the public internet"),
        ] {
            let words = strict.receiver(bad).unwrap_err();
            assert!(words.contains(why), "{bad}: {words}");
        }
        let long = format!("https://example.org/{}", "a".repeat(URL_BYTES_MAX));
        assert!(strict.receiver(&long).unwrap_err().contains("longer"));
        assert!(Hooks::new(true).unwrap().receiver("http://127.0.0.1:9000/").is_ok());
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_never_called() {
        // The first look at the address is left out, as if the name had led elsewhere then.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = Url::parse(&format!("https://localhost:{port}/")).unwrap();
        let lost = Hooks::new(false).unwrap().reach(&url).await.unwrap_err();
        assert_eq!(lost, Lost::Never(INSIDE.into()));
        let knocked = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(knocked.is_err(), "somebody knocked");
    }
}
