//! Two kinds of trouble reach the top: "you may not" and "we broke".

use std::fmt;

use crate::domain::{Refusal, RefusalKind};
use crate::store::{StoreError, Unavailable};

/// What a use case answers.
pub type Done<T> = Result<T, Error>;

#[derive(Debug)]
pub enum Error {
    /// A person may not, or not now; said in words.
    Refused(Refusal),
    /// The desk broke; logged once, the person gets a reference number.
    Failed(Failure),
}

/// The chain of causes behind something that should not have happened.
#[derive(Debug)]
pub struct Failure(pub anyhow::Error);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Failed(failure) => write!(f, "{:#}", failure.0),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// A failure from words alone.
    pub fn broken(words: impl fmt::Display) -> Self {
        Self::Failed(Failure(anyhow::anyhow!("{words}")))
    }
}

impl Error {
    /// Whether the database itself is away, or takes nothing: then the rest of a round need not be tried either. Waiting
    /// in vain for one row is the trouble of that row alone.
    pub fn is_away(&self) -> bool {
        let Self::Refused(refusal) = self else { return false };
        refusal.kind == RefusalKind::Unavailable && refusal.words != words_for(Unavailable::Busy)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let Some(why) = error.unavailable() else { return Self::Failed(Failure(error.into())) };
        tracing::warn!(%error, ?why, "the database is not available");
        Self::Refused(Refusal::new(RefusalKind::Unavailable, words_for(why)))
    }
}

/// What a person is told of trouble with the database: whether something was changed, and what to do.
fn words_for(why: Unavailable) -> &'static str {
    match why {
        Unavailable::Busy => "The desk is very busy. Nothing was changed; please try again in a moment.",
        Unavailable::Away => "The desk cannot reach its database. Nothing was changed; please try again in a moment.",
        Unavailable::Lost => {
            "The desk lost its database just now and cannot say whether this was done. Look at the page again before \
             you repeat it."
        }
        Unavailable::ReadOnly => {
            "The desk can be read but not changed at the moment. Nothing was changed; please try again in a few minutes."
        }
        Unavailable::Full => {
            "The desk has no room left to write anything down. Nothing was changed; the operator must make room."
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        StoreError::from(error).into()
    }
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(Failure(error))
    }
}

impl From<tokio::task::JoinError> for Error {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Failed(Failure(error.into()))
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Failed(Failure(error.into()))
    }
}
