//! People's own ways to be paid and to pay: checked by their method, encrypted, opened only for their owner's trades.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Desk, Done};
use crate::domain::refusal::Problems;
use crate::domain::text::clean_optional_line;
use crate::domain::{MethodId, PaymentAccountId, Refusal, UserId};
use crate::store::payment_accounts::{self, PaymentAccountRow};
use crate::store::{self, GenericClient};

/// Saved accounts of one person; more is a card index, not a person.
pub const ACCOUNTS_MAX: usize = 30;

/// Characters of what its owner calls it.
const LABEL_CHARS_MAX: usize = 40;

/// What was typed: method, label and the method's fields by id.
#[derive(Debug, Clone, Default)]
pub struct AccountForm {
    pub method: String,
    pub label: String,
    pub fields: BTreeMap<String, String>,
}

/// A saved account with what is in it.
#[derive(Debug, Clone)]
pub struct Opened {
    pub id: PaymentAccountId,
    pub method: MethodId,
    pub label: String,
    /// References of open and paused offers that name it.
    pub offers: Vec<String>,
    /// What the other side needs to pay, by field id.
    pub payee: BTreeMap<String, String>,
    /// Who pays, by field id.
    pub payer: BTreeMap<String, String>,
}

/// What is encrypted.
#[derive(Serialize, Deserialize)]
struct Kept {
    payee: BTreeMap<String, String>,
    payer: BTreeMap<String, String>,
}

/// Saves a way to be paid and to pay, if every field passes its method's checks.
pub async fn add(desk: &Desk, owner: UserId, form: &AccountForm) -> Done<PaymentAccountId> {
    let method = MethodId::parse(&form.method).map_err(|why| Refusal::field("method", why.to_string()))?;
    let (label, kept) = check(method, form)?;
    let mut client = desk.store.connection().await?;
    let work = client.transaction().await?;
    if payment_accounts::of_account(&work, owner).await?.len() >= ACCOUNTS_MAX {
        return Err(Refusal::conflict(format!("You have {ACCOUNTS_MAX} saved accounts. Remove one first.")).into());
    }
    let id = PaymentAccountId(Uuid::now_v7());
    let sealed = desk.secrets.seal(&place(id), &serde_json::to_vec(&kept)?)?;
    let row = PaymentAccountRow { id, owner, method, label, sealed, offers: Vec::new() };
    let at = desk.now(&work).await?;
    payment_accounts::insert(&work, &row, at).await?;
    work.commit().await?;
    Ok(id)
}

fn check(method: MethodId, form: &AccountForm) -> Result<(String, Kept), Refusal> {
    let mut problems = Problems::default();
    let label = problems.check("label", clean_optional_line(&form.label, LABEL_CHARS_MAX));
    let payee = method.method().check_payee(&form.fields);
    let payer = method.method().check_payer(&form.fields);
    for refused in [payee.as_ref().err(), payer.as_ref().err()].into_iter().flatten() {
        for wrong in &refused.fields {
            problems.add(wrong.field.clone(), wrong.words.clone());
        }
    }
    problems.ok()?;
    let named = |filled: Vec<crate::domain::methods::Filled>| {
        filled.into_iter().map(|(field, value)| (field.id.clone(), value)).collect()
    };
    let label = label.filter(|label| !label.is_empty()).unwrap_or_else(|| method.method().label.clone());
    Ok((label, Kept { payee: named(payee?), payer: named(payer?) }))
}

/// All of a person's saved accounts, opened.
pub async fn list(desk: &Desk, owner: UserId) -> Done<Vec<Opened>> {
    let client = desk.store.connection().await?;
    payment_accounts::of_account(&client, owner).await?.into_iter().map(|row| opened(desk, row)).collect()
}

pub(super) fn opened(desk: &Desk, row: PaymentAccountRow) -> Done<Opened> {
    let kept: Kept = serde_json::from_slice(&desk.secrets.open(&place(row.id), &row.sealed)?)?;
    let Kept { payee, payer } = kept;
    Ok(Opened { id: row.id, method: row.method, label: row.label, offers: row.offers, payee, payer })
}

/// Removes a saved account and what was in it. Offers that stand on it must go first; trades have a copy.
pub async fn remove(desk: &Desk, owner: UserId, id: &str) -> Done<()> {
    let id = PaymentAccountId(Uuid::parse_str(id).map_err(|_| Refusal::not_found())?);
    let mut client = desk.store.connection().await?;
    let work = client.transaction().await?;
    store::payment_accounts::lock(&work, id, owner).await?;
    let row = payment_accounts::find(&work, id, owner).await?.ok_or_else(Refusal::not_found)?;
    if let Some(offer) = row.offers.first() {
        let words = format!("The offer {offer} stands on this account. Change or withdraw the offer first.");
        return Err(Refusal::conflict(words).into());
    }
    let at = desk.now(&work).await?;
    payment_accounts::remove(&work, id, owner, at).await?;
    work.commit().await?;
    Ok(())
}

/// Binds the encrypted fields to their row.
pub(super) fn place(id: PaymentAccountId) -> String {
    format!("payment-account {id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&str, &str)]) -> AccountForm {
        let fields = fields.iter().map(|(id, text)| ((*id).to_owned(), (*text).to_owned())).collect();
        AccountForm { method: "sepa_instant".into(), label: String::new(), fields }
    }

    #[test]
    fn one_account_holds_both_sides_and_each_field_in_its_normal_form() {
        let method = MethodId::parse("sepa_instant").unwrap();
        let typed = form(&[("name", " Anna  Keller "), ("iban", "DE89 3704 0044 0532 0130 00")]);
        let (label, kept) = check(method, &typed).unwrap();
        assert_eq!(label, "SEPA Instant");
        assert_eq!(kept.payee["iban"], "DE89370400440532013000");
        assert_eq!((kept.payee["name"].as_str(), kept.payer["name"].as_str()), ("Anna Keller", "Anna Keller"));
        assert!(!kept.payer.contains_key("iban"));
    }

    #[test]
    fn every_wrong_field_is_named_once_for_each_side() {
        let method = MethodId::parse("sepa_instant").unwrap();
        let refusal = check(method, &form(&[("name", "<script>"), ("iban", "DE00")])).err().unwrap();
        let fields: Vec<_> = refusal.fields.iter().map(|f| f.field.as_ref()).collect();
        assert!(fields.contains(&"name") && fields.contains(&"iban"), "{fields:?}");
    }

    #[test]
    fn no_method_has_a_field_that_would_be_taken_for_one_of_the_form() {
        for id in MethodId::all() {
            for field in &id.method().fields {
                assert!(!["method", "label", "csrf"].contains(&field.id.as_str()), "{id}: {}", field.id);
            }
        }
    }
}
