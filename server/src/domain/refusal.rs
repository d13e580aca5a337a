//! "You may not, or not now", said in words. The other kind of trouble, "we broke", is a `Failure` of the desk.

use std::borrow::Cow;
use std::fmt;

/// What sort of no it is; the web turns it into a status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The input is wrong: 422.
    Invalid,
    /// There is no such thing, or it is not yours to know about: 404.
    NotFound,
    /// It was right a moment ago, something changed: 409.
    Conflict,
    /// Sign in first: 401.
    SignIn,
    /// Known, but not for this account: 403.
    Forbidden,
    /// Slow down: 429.
    TooMany,
    /// The desk cannot do it now (node away, paused): 503.
    Unavailable,
}

/// One field of a form and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldRefusal {
    pub field: Cow<'static, str>,
    pub words: String,
}

/// A refusal says what is wrong and what to do, beside the field that caused it where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub kind: RefusalKind,
    /// For the top of the page; empty when the fields say it all.
    pub words: String,
    pub fields: Vec<FieldRefusal>,
}

impl Refusal {
    pub fn new(kind: RefusalKind, words: impl Into<String>) -> Self {
        Self { kind, words: words.into(), fields: Vec::new() }
    }

    pub fn invalid(words: impl Into<String>) -> Self {
        Self::new(RefusalKind::Invalid, words)
    }

    pub fn conflict(words: impl Into<String>) -> Self {
        Self::new(RefusalKind::Conflict, words)
    }

    pub fn not_found() -> Self {
        Self::new(RefusalKind::NotFound, "There is nothing here, or it is not yours to see.")
    }

    /// A refusal beside one field of a form.
    pub fn field(field: impl Into<Cow<'static, str>>, words: impl Into<String>) -> Self {
        Self::new(RefusalKind::Invalid, "").and_field(field, words)
    }

    #[must_use]
    pub fn and_field(mut self, field: impl Into<Cow<'static, str>>, words: impl Into<String>) -> Self {
        self.fields.push(FieldRefusal { field: field.into(), words: words.into() });
        self
    }

    /// All words in one line, for logs and plain answers.
    pub fn all_words(&self) -> String {
        let mut all = vec![self.words.as_str()];
        all.extend(self.fields.iter().map(|f| f.words.as_str()));
        all.retain(|w| !w.is_empty());
        all.join(" ")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.all_words())
    }
}

impl std::error::Error for Refusal {}

/// Collects what is wrong with a form, so that everything is said at once.
#[derive(Debug, Default)]
pub struct Problems(Vec<FieldRefusal>);

impl Problems {
    pub fn add(&mut self, field: impl Into<Cow<'static, str>>, words: impl Into<String>) {
        self.0.push(FieldRefusal { field: field.into(), words: words.into() });
    }

    /// Keeps the value, or notes what is wrong with it.
    pub fn check<T, E: fmt::Display>(
        &mut self,
        field: impl Into<Cow<'static, str>>,
        result: Result<T, E>,
    ) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(field, error.to_string());
                None
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The refusal of the whole form.
    pub fn refusal(self) -> Refusal {
        Refusal { kind: RefusalKind::Invalid, words: String::new(), fields: self.0 }
    }

    /// `Ok` if nothing was noted.
    pub fn ok(self) -> Result<(), Refusal> {
        if self.is_empty() { Ok(()) } else { Err(self.refusal()) }
    }
}
