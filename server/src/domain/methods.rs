//! Ways to pay fiat money: what each asks of payee and payer, how long it takes, and whether it can be taken back.
//!
//! The list is the data file `methods.json`. An id in it is for ever: contracts name it.

mod banks;
mod checks;
mod iban;
mod pix;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::money::Currency;
use super::people::words;
use super::refusal::{Problems, Refusal};

/// The data file, read once. That it can be read is a test below.
static METHODS: LazyLock<Vec<Method>> =
    LazyLock::new(|| serde_json::from_str(include_str!("methods.json")).unwrap_or_default());

/// What sort of way it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MethodKind {
    Bank,
    Instant,
    Wallet,
    MobileMoney,
    Cash,
    Voucher,
}

words!(MethodKind {
    Bank = "bank",
    Instant = "instant",
    Wallet = "wallet",
    MobileMoney = "mobile_money",
    Cash = "cash",
    Voucher = "voucher",
});

/// What to know about a way to pay before choosing it, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// The payer can get the money back after bitcoin is released.
    Reversible,
    /// Days pass before the money is there.
    Slow,
}

words!(Risk { Reversible = "reversible", Slow = "slow" });

/// All of a kind, or these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scope<T> {
    These(Vec<T>),
    /// Written `"all"`.
    All(String),
}

impl<T: PartialEq> Scope<T> {
    pub fn includes(&self, one: &T) -> bool {
        match self {
            Self::These(list) => list.contains(one),
            Self::All(_) => true,
        }
    }
}

/// Who fills in a field: the one who is paid, the one who pays, or either for his own side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    Payee,
    Payer,
    Both,
}

/// How a field is checked; see `checks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    Iban,
    Bic,
    Phone,
    Email,
    EmailOrPhone,
    SortCode,
    UkAccount,
    UsRouting,
    UsAccount,
    Clabe,
    Bsb,
    AuAccount,
    Ifsc,
    Upi,
    Pix,
    Cbu,
    AccountNumber,
    Name,
    Handle,
    Address,
    City,
    Text,
}

/// One thing to fill in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Unique within the method; also the name of the form field.
    pub id: String,
    pub label: String,
    pub kind: FieldKind,
    pub required: bool,
    pub who: Who,
    /// What to write, in a few words; may be empty.
    pub hint: String,
}

/// What each side has to show in a dispute over this way to pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    pub buyer: Vec<String>,
    pub seller: Vec<String>,
}

/// A way to pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Method {
    pub id: String,
    pub label: String,
    pub kind: MethodKind,
    /// ISO 3166 alpha-2 codes.
    pub countries: Scope<String>,
    pub currencies: Scope<Currency>,
    /// The payer, his bank or the operator can take the money back afterwards.
    pub reversible: bool,
    pub risk: Option<Risk>,
    /// In words: "seconds", "1 working day".
    pub usual_time: String,
    /// How long the buyer has to pay unless the offer says otherwise.
    pub payment_window_minutes: u32,
    /// The longest an offer may give him.
    pub payment_window_minutes_max: u32,
    /// How long the seller has to release after payment is marked, `hold_minutes` included.
    pub release_window_minutes: u32,
    /// How long a seller may wait for the money to settle before releasing; known before taking.
    pub hold_minutes: u32,
    pub fields: Vec<Field>,
    pub evidence: Evidence,
}

/// A field and what was filled in, in its normal form.
pub type Filled = (&'static Field, String);

impl Method {
    /// Every way to pay, in the order of the data file.
    pub fn all() -> &'static [Self] {
        &METHODS
    }

    pub fn payee_fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.who != Who::Payer)
    }

    pub fn payer_fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.who != Who::Payee)
    }

    pub fn risk_word(&self) -> Option<&'static str> {
        self.risk.map(Risk::as_str)
    }

    /// Checks what the one to be paid has filled in, by field id. Every wrong field is named.
    pub fn check_payee(&'static self, given: &BTreeMap<String, String>) -> Result<Vec<Filled>, Refusal> {
        self.check(self.payee_fields(), given)
    }

    /// Checks what the payer has filled in, by field id. Every wrong field is named.
    pub fn check_payer(&'static self, given: &BTreeMap<String, String>) -> Result<Vec<Filled>, Refusal> {
        self.check(self.payer_fields(), given)
    }

    fn check(
        &'static self,
        fields: impl Iterator<Item = &'static Field>,
        given: &BTreeMap<String, String>,
    ) -> Result<Vec<Filled>, Refusal> {
        let mut problems = Problems::default();
        let mut filled = Vec::new();
        for field in fields {
            let text = given.get(&field.id).map_or("", |text| text.trim());
            if text.is_empty() {
                if field.required {
                    problems.add(field.id.as_str(), "Fill this in.");
                }
                continue;
            }
            let checked = checks::check(field.kind, text).and_then(|value| self.check_country(field.kind, value));
            if let Some(value) = problems.check(field.id.as_str(), checked) {
                filled.push((field, value));
            }
        }
        problems.ok().map(|()| filled)
    }

    /// An IBAN has to be of a country where this way works.
    fn check_country(&self, kind: FieldKind, value: String) -> Result<String, checks::CheckRefusal> {
        let country = value.get(..2).unwrap_or_default();
        if kind == FieldKind::Iban && !self.countries.includes(&country.to_owned()) {
            return Err(checks::CheckRefusal::IbanNotServed(country.to_owned()));
        }
        Ok(value)
    }
}

/// The name of a way to pay; having one proves that there is such a method.
#[derive(Clone, Copy)]
pub struct MethodId(&'static Method);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Choose a way to pay from the list.")]
pub struct NoSuchMethod;

impl MethodId {
    pub fn parse(text: &str) -> Result<Self, NoSuchMethod> {
        Method::all().iter().find(|method| method.id == text).map(Self).ok_or(NoSuchMethod)
    }

    pub fn all() -> impl Iterator<Item = Self> {
        Method::all().iter().map(Self)
    }

    /// The ways to pay in a currency.
    pub fn for_currency(currency: Currency) -> impl Iterator<Item = Self> {
        Self::all().filter(move |id| id.method().currencies.includes(&currency))
    }

    pub fn method(self) -> &'static Method {
        self.0
    }

    pub fn as_str(self) -> &'static str {
        &self.0.id
    }
}

impl PartialEq for MethodId {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for MethodId {}

impl fmt::Debug for MethodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for MethodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for MethodId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for MethodId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
