//! What anyone may know of a trader.

use super::quotes::Market;
use super::{Desk, Done, hours};
use crate::domain::hours::Week;
use crate::domain::offer::Offer;
use crate::domain::{AccountName, Currency, Refusal, Role};
pub use crate::store::conduct::{FeedbackRow, Tally};
use crate::store::reputation::{self, Person};
use crate::store::{conduct, offers};

/// A trader's public page.
#[derive(Debug, Clone)]
pub struct Profile {
    pub person: Person,
    /// What stands on the board now, with the market it floats on.
    pub offers: Vec<(Offer, Market)>,
    /// None: day and night.
    pub hours: Option<Week>,
    pub tally: Tally,
    /// The last that was said after trades.
    pub feedback: Vec<FeedbackRow>,
}

/// What was said lately; all of it is counted.
const FEEDBACK_SHOWN: i64 = 10;

/// A trader by name. Operators and arbitrators have no trades to show.
pub async fn profile(desk: &Desk, name: &str) -> Done<Profile> {
    let name = AccountName::parse(name).map_err(|_| Refusal::not_found())?;
    let client = desk.store.connection().await?;
    let person = reputation::of_name(&client, name.as_str()).await?;
    let person =
        person.filter(|person| Role::from_word(&person.role) == Some(Role::Trader)).ok_or_else(Refusal::not_found)?;
    let mut markets: Vec<(Currency, Market)> = Vec::new();
    let mut offers = Vec::new();
    for row in offers::of_account(&client, person.id).await? {
        if !row.offer.is_on_board() || person.suspended {
            continue;
        }
        let currency = row.offer.currency;
        let market = match markets.iter().find(|(known, _)| *known == currency) {
            Some((_, market)) => *market,
            None => Market::of(desk, &client, currency).await?,
        };
        markets.push((currency, market));
        offers.push((row.offer, market));
    }
    let tally = conduct::tally(&client, person.id).await?;
    let feedback = conduct::feedback_about(&client, person.id, FEEDBACK_SHOWN).await?;
    Ok(Profile { tally, feedback, hours: hours::one(&client, person.id).await?, person, offers })
}
