//! The guided tour, on practice desks only.

use super::Desk;
use super::error::Done;
use crate::domain::tour::{Facts, Progress, progress};
use crate::domain::{Refusal, UserId};
use crate::store::tour;

/// How far somebody is; a visitor has everything before him.
pub async fn of(desk: &Desk, account: Option<UserId>) -> Done<[Progress; 4]> {
    if !desk.rules.practice {
        return Err(Refusal::not_found().into());
    }
    let facts = match account {
        Some(account) => tour::facts(&desk.store.connection().await?, account).await?,
        None => Facts::default(),
    };
    Ok(progress(&facts))
}
