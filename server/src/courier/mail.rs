//! Plain mails, one recipient each, to the operator's mail server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use lettre::Address;
use lettre::address::Envelope;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Severity;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use super::Lost;

/// For a connection to the mail server.
const PATIENCE: Duration = Duration::from_secs(20);
/// For all that is said on it until it has taken the mail. Shorter than a mail is leased for.
pub const CONVERSATION_MAX: Duration = Duration::from_secs(60);
/// For its farewell, which nothing depends on.
const FAREWELL_MAX: Duration = Duration::from_secs(5);
/// RFC 5321: the longest address there is.
pub const ADDRESS_BYTES_MAX: usize = 254;
/// What a mail server says when it is the desk that it does not like: no fault of who is written to.
const OURS: [u16; 4] = [530, 534, 535, 538];

/// How the mail server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// In the open: for a mail server on this machine.
    None,
    /// Begins in the open and insists on TLS before anything is said.
    StartTls,
    /// TLS from the first byte.
    Tls,
}

/// Everything the operator says about mail.
#[derive(Debug, Clone)]
pub struct Post {
    pub host: String,
    pub port: u16,
    pub security: Security,
    pub login: Option<(String, SecretString)>,
    /// `Desk <notices@desk.example>`.
    pub from: String,
    /// A PEM file with the mail server's own authority.
    pub certificate: Option<PathBuf>,
    /// How this machine introduces itself.
    pub desk: String,
}

/// Sends mails.
#[derive(Debug)]
pub struct Mailer {
    host: String,
    port: u16,
    tls: Tls,
    login: Option<Credentials>,
    from: Mailbox,
    desk: String,
    limit: Duration,
}

/// One mail.
#[derive(Debug, Clone)]
pub struct Letter<'a> {
    pub to: &'a str,
    /// The same each time this mail is sent.
    pub id: &'a str,
    pub subject: &'a str,
    pub text: &'a str,
}

/// Nobody's vacation answers this (RFC 3834).
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".into())
    }
}

impl Mailer {
    pub fn new(post: &Post) -> anyhow::Result<Self> {
        let tls = match post.security {
            Security::None => Tls::None,
            Security::StartTls => Tls::Required(parameters(&post.host, post.certificate.as_deref())?),
            Security::Tls => Tls::Wrapper(parameters(&post.host, post.certificate.as_deref())?),
        };
        let login = |(user, password): &(String, SecretString)| {
            Credentials::new(user.clone(), password.expose_secret().to_owned())
        };
        Ok(Self {
            host: post.host.clone(),
            port: post.port,
            tls,
            login: post.login.as_ref().map(login),
            from: post.from.parse().context("the sender of mails is no mail address")?,
            desk: post.desk.clone(),
            limit: CONVERSATION_MAX,
        })
    }

    /// The same with less patience.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Sends one mail; it has arrived when the mail server has taken it.
    pub async fn send(&self, letter: &Letter<'_>) -> Result<(), Lost> {
        let to = address(letter.to).map_err(|why| Lost::Never(why.into()))?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to.clone()))
            .subject(letter.subject)
            .message_id(Some(format!("<{}@{}>", letter.id, self.desk)))
            .header(AutoSubmitted)
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text.to_owned())
            .map_err(|error| Lost::Never(format!("The mail could not be written: {error}.")))?;
        let envelope = Envelope::new(Some(self.from.email.clone()), vec![to])
            .map_err(|error| Lost::Never(format!("The mail could not be addressed: {error}.")))?;
        match timeout(self.limit, self.hand_over(&envelope, &message.formatted())).await {
            Ok(Ok(mut server)) => {
                // It has taken the mail. If it does not say goodbye, that changes nothing.
                let _ = timeout(FAREWELL_MAX.min(self.limit), server.quit()).await;
                Ok(())
            }
            Ok(Err(error)) => Err(lost(&error)),
            Err(_) => Err(Lost::Later("The mail server does not answer in time.".into())),
        }
    }

    /// A connection whose server has taken the mail.
    async fn hand_over(&self, envelope: &Envelope, mail: &[u8]) -> Result<AsyncSmtpConnection, smtp::Error> {
        let (place, name) = ((self.host.as_str(), self.port), ClientId::Domain(self.desk.clone()));
        let (from_the_start, afterwards) = match &self.tls {
            Tls::Wrapper(tls) => (Some(tls.clone()), None),
            Tls::Required(tls) | Tls::Opportunistic(tls) => (None, Some(tls.clone())),
            Tls::None => (None, None),
        };
        let mut server =
            AsyncSmtpConnection::connect_tokio1(place, Some(PATIENCE), &name, from_the_start, None).await?;
        if let Some(tls) = afterwards {
            server.starttls(tls, &name).await?;
        }
        if let Some(login) = &self.login {
            server.auth(DEFAULT_MECHANISMS, login).await?;
        }
        server.send(envelope, mail).await?;
        Ok(server)
    }
}

fn parameters(host: &str, certificate: Option<&Path>) -> anyhow::Result<TlsParameters> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(file) = certificate {
        let pem = std::fs::read(file).with_context(|| format!("mail.certificate: {}", file.display()))?;
        builder = builder.add_root_certificate(Certificate::from_pem(&pem)?);
    }
    Ok(builder.build()?)
}

/// An address as somebody typed it, or why it is none, in words.
pub fn address(text: &str) -> Result<Address, &'static str> {
    if text.len() > ADDRESS_BYTES_MAX {
        return Err("That is longer than a mail address can be.");
    }
    // No quoted local parts, no addresses of machines by number, nothing that another program could read differently.
    let plain = |c: char| c.is_ascii_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~".contains(c);
    let (local, domain) = text.rsplit_once('@').ok_or("Write a mail address like you@example.org.")?;
    let named = domain.contains('.') && domain.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c));
    if local.is_empty() || !local.chars().all(plain) || !named {
        return Err("Write a mail address like you@example.org, in plain letters.");
    }
    text.parse().map_err(|_| "Write a mail address like you@example.org.")
}

/// Whether a sender can stand in the settings.
pub fn is_mailbox(text: &str) -> bool {
    text.parse::<Mailbox>().is_ok_and(|mailbox| address(mailbox.email.as_ref()).is_ok())
}

/// The server's number only: its words may repeat the address.
fn lost(error: &smtp::Error) -> Lost {
    let Some(code) = error.status() else {
        return Lost::Later("The mail server cannot be reached, or breaks off.".into());
    };
    let number = u16::from(code);
    if code.severity == Severity::PermanentNegativeCompletion && !OURS.contains(&number) {
        return Lost::Never(format!("The mail server refused it ({number}). Is the address right?"));
    }
    Lost::Later(format!("The mail server does not take it now ({number})."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_addresses_are_plain() {
        for good in ["a@b.co", "anna.k+desk@mail.example.org", "o'neil@example.org"] {
            assert!(address(good).is_ok(), "{good}");
        }
        let long = format!("{}@example.org", "a".repeat(250));
        for bad in [
            "",
            "anna",
            "anna@",
            "@example.org",
            "anna@localhost",
            "anna@[127.0.0.1]",
            "\"anna k\"@example.org",
            "anna@exa mple.org",
            "anna@example.org\r\nBcc: all@example.org",
            "anna@example.org, bob@example.org",
            "Anna <anna@example.org>",
            "änna@example.org",
            long.as_str(),
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
        assert!(is_mailbox("Desk <notices@desk.example>") && is_mailbox("notices@desk.example"));
        assert!(!is_mailbox("Desk") && !is_mailbox("Desk <nobody@localhost>"));
    }
}
