//! Carries words out of the building: mails by SMTP, webhooks by HTTPS. It knows no trades and decides nothing; it says
//! whether something arrived, whether to try again, and never hangs.

pub mod guard;
pub mod hook;
pub mod mail;

pub use hook::Hooks;
pub use mail::{Mailer, Post};

/// What goes out, and how; nothing where the operator has not said how.
#[derive(Debug, Default)]
pub struct Courier {
    pub mail: Option<Mailer>,
    pub hooks: Option<Hooks>,
    /// Where the desk's pages are, for links.
    pub home: String,
}

/// Why something did not arrive, in words that may be shown to who wants it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// It may arrive later.
    #[error("{0}")]
    Later(String),
    /// The other side will never take this one.
    #[error("{0}")]
    Never(String),
    /// The other side wants nothing any more.
    #[error("{0}")]
    Gone(String),
}
