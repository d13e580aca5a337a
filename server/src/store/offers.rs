//! Offers and the payment accounts behind them.

use jiff::Timestamp;
use rust_decimal::Decimal;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::{GenericClient, StoreError, Stored, bundle, hours};
use crate::domain::hours::Week;
use crate::domain::offer::{OfferAccount, OfferState, PauseReason};
use crate::domain::{
    Currency, Fiat, KeyId, MethodId, Offer, OfferDraft, OfferId, PaymentAccountId, Pricing, PublicRef, Rate, Side,
    UserId,
};

/// An offer with what only its row knows.
#[derive(Debug, Clone)]
pub struct OfferRow {
    pub offer: Offer,
    pub maker_name: String,
    /// Nobody can take the offer of a suspended account.
    pub maker_suspended: bool,
    /// The key the maker signs with, and where he gets bitcoin.
    pub key: KeyId,
    pub address: String,
    pub changed_at: Timestamp,
}

/// What stands in an offer besides the draft.
#[derive(Debug, Clone)]
pub struct OfferPlace<'a> {
    pub key: KeyId,
    pub address: &'a str,
    pub at: Timestamp,
}

macro_rules! select {
    ($more:literal, $beside:literal, $rest:literal) => {
        concat!(
            "SELECT o.id, o.reference, o.account, o.side, o.currency, o.fixed_price, o.market_percent, o.total,
                    o.reserved, o.limit_min, o.limit_max, o.payment_window_minutes, o.confirmations, o.terms, o.key,
                    o.address, o.state, o.paused_why, o.version, o.created_at, o.changed_at, a.name,
                    a.suspended_at IS NOT NULL,
                    ARRAY(SELECT m.method FROM offer_methods m WHERE m.offer = o.id ORDER BY m.position),
                    ARRAY(SELECT m.payment_account FROM offer_methods m WHERE m.offer = o.id ORDER BY m.position)",
            $more,
            " FROM offers o JOIN accounts a ON a.id = o.account ",
            $beside,
            $rest
        )
    };
}

const FIND: &str = select!("", "", "WHERE o.reference = $1");

pub async fn find(client: &impl GenericClient, reference: PublicRef) -> Stored<Option<OfferRow>> {
    let found = client.query_opt(&client.prepare_cached(FIND).await?, &[&reference.as_str()]).await?;
    found.as_ref().map(read).transpose()
}

const LOCK: &str = select!("", "", "WHERE o.reference = $1 FOR UPDATE OF o");

/// Finds it and holds it until the transaction ends.
pub async fn lock(client: &impl GenericClient, reference: PublicRef) -> Stored<Option<OfferRow>> {
    let found = client.query_opt(&client.prepare_cached(LOCK).await?, &[&reference.as_str()]).await?;
    found.as_ref().map(read).transpose()
}

pub(super) const HOLD: &str = select!(
    ", now(), a.hours, r.price, r.set_at",
    "LEFT JOIN rates r ON r.currency = o.currency ",
    "WHERE o.reference = ANY ($1) ORDER BY o.id FOR NO KEY UPDATE OF o"
);

/// An offer that is held, with what its take is reckoned from.
#[derive(Debug)]
pub struct HeldOffer {
    pub row: OfferRow,
    /// The maker's working hours; none: day and night.
    pub hours: Option<Week>,
    /// The reference rate of its currency.
    pub rate: Option<Rate>,
    /// When the transaction began that holds it.
    pub at: Timestamp,
}

/// Holds several, always in the order of their ids; those that are there.
pub async fn hold(client: &impl GenericClient, references: &[PublicRef]) -> Stored<Vec<HeldOffer>> {
    let references: Vec<&str> = references.iter().map(PublicRef::as_str).collect();
    let held = |found: &Row| -> Stored<HeldOffer> {
        let row = read(found)?;
        let rate = found.try_get::<_, Option<Decimal>>(27)?.zip(found.try_get::<_, Option<Timestamp>>(28)?);
        let rate = rate.map(|(price, set_at)| Rate { currency: row.offer.currency, price, set_at });
        let hours = found.try_get::<_, Option<_>>(26)?.map(hours::read).transpose()?;
        Ok(HeldOffer { row, hours, rate, at: found.try_get(25)? })
    };
    client.query(&client.prepare_cached(HOLD).await?, &[&references]).await?.iter().map(held).collect()
}

const LOCK_ID: &str = select!("", "", "WHERE o.id = $1 FOR UPDATE OF o");

/// The same by id, for a trade that gives its amount back.
pub async fn lock_id(client: &impl GenericClient, id: OfferId) -> Stored<Option<OfferRow>> {
    client.query_opt(&client.prepare_cached(LOCK_ID).await?, &[&id.0]).await?.as_ref().map(read).transpose()
}

const OF_ACCOUNT: &str =
    select!("", "", "WHERE o.account = $1 ORDER BY (o.state = 'withdrawn'), o.created_at DESC LIMIT 300");

/// All offers of an account, those that are over last.
pub async fn of_account(client: &impl GenericClient, account: UserId) -> Stored<Vec<OfferRow>> {
    client.query(&client.prepare_cached(OF_ACCOUNT).await?, &[&account.0]).await?.iter().map(read).collect()
}

const COUNT_LIVE: &str = "SELECT count(*) FROM offers WHERE account = $1 AND state <> 'withdrawn'";

/// How many offers of an account are open or paused.
pub async fn count_live(client: &impl GenericClient, account: UserId) -> Stored<i64> {
    Ok(client.query_one(&client.prepare_cached(COUNT_LIVE).await?, &[&account.0]).await?.try_get(0)?)
}

type Value<'a> = &'a (dyn ToSql + Sync);

/// What an edit can change, as PostgreSQL keeps it.
struct Terms {
    price: (Option<Decimal>, Option<Decimal>),
    sums: [Decimal; 3],
    /// Payment window in minutes, confirmations.
    counts: [i32; 2],
}

impl Terms {
    fn of(draft: &OfferDraft) -> Stored<Self> {
        Ok(Self {
            price: priced(draft.pricing),
            sums: [draft.total, draft.min, draft.max].map(|sum| sum.amount()),
            counts: [whole(draft.payment_window_minutes)?, whole(draft.confirmations)?],
        })
    }

    /// In the order of the columns from `fixed_price` to the time of the change.
    fn values<'a>(&'a self, draft: &'a OfferDraft, place: &'a OfferPlace<'_>) -> [Value<'a>; 11] {
        let (fixed, percent) = &self.price;
        let [total, min, max] = &self.sums;
        let [window, confirmations] = &self.counts;
        [fixed, percent, total, min, max, window, confirmations, &draft.terms, &place.key.0, &place.address, &place.at]
    }
}

const INSERT: &str = "
    INSERT INTO offers (id, reference, account, side, currency, fixed_price, market_percent, total, limit_min, limit_max,
                        payment_window_minutes, confirmations, terms, key, address, state, created_at, changed_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 'open', $16, $16)
    ON CONFLICT (reference) DO NOTHING";

/// Makes the offer; false if the reference is taken and another must be drawn.
pub async fn insert(
    client: &impl GenericClient,
    id: OfferId,
    reference: PublicRef,
    maker: UserId,
    draft: &OfferDraft,
    place: &OfferPlace<'_>,
) -> Stored<bool> {
    let (reference, side, currency) = (reference.as_str(), draft.side.as_str(), draft.currency.code());
    let terms = Terms::of(draft)?;
    let mut values: Vec<Value<'_>> = vec![&id.0, &reference, &maker.0, &side, &currency];
    values.extend(terms.values(draft, place));
    let made = client.execute(&client.prepare_cached(INSERT).await?, &values).await?;
    if made == 1 {
        set_methods(client, id, &draft.accounts).await?;
    }
    Ok(made == 1)
}

const CHANGE: &str = "
    UPDATE offers SET fixed_price = $2, market_percent = $3, total = $4, limit_min = $5, limit_max = $6,
           payment_window_minutes = $7, confirmations = $8, terms = $9, key = $10, address = $11, changed_at = $12,
           version = version + 1
     WHERE id = $1";

/// Writes new terms; the version grows.
pub async fn change(
    client: &impl GenericClient,
    id: OfferId,
    draft: &OfferDraft,
    place: &OfferPlace<'_>,
) -> Stored<()> {
    let terms = Terms::of(draft)?;
    let mut values: Vec<Value<'_>> = vec![&id.0];
    values.extend(terms.values(draft, place));
    client.execute(&client.prepare_cached(CHANGE).await?, &values).await?;
    set_methods(client, id, &draft.accounts).await
}

const CLEAR_METHODS: &str = "DELETE FROM offer_methods WHERE offer = $1";
const ADD_METHOD: &str = "INSERT INTO offer_methods (offer, position, method, payment_account) VALUES ($1, $2, $3, $4)";

async fn set_methods(client: &impl GenericClient, id: OfferId, accounts: &[OfferAccount]) -> Stored<()> {
    client.execute(&client.prepare_cached(CLEAR_METHODS).await?, &[&id.0]).await?;
    let statement = client.prepare_cached(ADD_METHOD).await?;
    for (position, account) in (0_i32..).zip(accounts) {
        client.execute(&statement, &[&id.0, &position, &account.method.as_str(), &account.account.0]).await?;
    }
    Ok(())
}

const SET_STATE: &str = "UPDATE offers SET state = $2, paused_why = $3, changed_at = $4 WHERE id = $1";

/// Opens, pauses or withdraws; a pause has its reason.
pub async fn set_state(
    client: &impl GenericClient,
    id: OfferId,
    state: OfferState,
    why: Option<PauseReason>,
    at: Timestamp,
) -> Stored<()> {
    let why = why.filter(|_| state == OfferState::Paused).map(PauseReason::as_str);
    client.execute(&client.prepare_cached(SET_STATE).await?, &[&id.0, &state.as_str(), &why, &at]).await?;
    Ok(())
}

const SET_RESERVED: &str = "UPDATE offers SET reserved = $2 WHERE id = $1";

/// What takes hold of the total; the row must be locked.
pub async fn set_reserved(client: &impl GenericClient, id: OfferId, reserved: Fiat) -> Stored<()> {
    client.execute(&client.prepare_cached(SET_RESERVED).await?, &[&id.0, &reserved.amount()]).await?;
    Ok(())
}

pub(super) const RESERVE: &str = "
    UPDATE offers o SET reserved = new.reserved FROM unnest($1::uuid[], $2::numeric[]) AS new (id, reserved)
     WHERE o.id = new.id";

/// The same for several offers; an id that stands here twice is a mistake.
pub(super) fn values_of_reserved(reserved: &[(OfferId, Fiat)]) -> Vec<bundle::Value<'_>> {
    let (ids, sums): (Vec<Uuid>, Vec<Decimal>) = reserved.iter().map(|(id, sum)| (id.0, sum.amount())).unzip();
    vec![Box::new(ids), Box::new(sums)]
}

/// A key its owner can sign new trades with.
#[derive(Debug, Clone)]
pub struct UsableKey {
    pub id: KeyId,
    /// `browser` or `wallet`.
    pub kind: String,
    pub fingerprint: [u8; 4],
    pub account_number: i32,
    pub proved: bool,
}

const USABLE_KEYS: &str = "
    SELECT id, kind, fingerprint, account_number, proved_at IS NOT NULL FROM signing_keys
     WHERE account = $1 AND displaced_at IS NULL AND retired_at IS NULL ORDER BY created_at DESC";

pub async fn usable_keys(client: &impl GenericClient, account: UserId) -> Stored<Vec<UsableKey>> {
    let statement = client.prepare_cached(USABLE_KEYS).await?;
    let key = |row: &Row| {
        let fingerprint: Vec<u8> = row.try_get(2)?;
        let fingerprint = fingerprint.try_into().map_err(|_| StoreError::Row("a fingerprint has 4 bytes".into()))?;
        let (kind, account_number, proved) = (row.try_get(1)?, row.try_get(3)?, row.try_get(4)?);
        Ok(UsableKey { id: KeyId(row.try_get(0)?), kind, fingerprint, account_number, proved })
    };
    client.query(&statement, &[&account.0]).await?.iter().map(key).collect()
}

/// Why there are no new offers or takes now.
#[derive(Debug, Clone, Default)]
pub struct Halts {
    pub suspended_why: Option<String>,
    pub paused_why: Option<String>,
}

const HALTS: &str = "
    SELECT (SELECT suspended_why FROM accounts WHERE id = $1),
           (SELECT paused_why FROM desk_state WHERE paused_at IS NOT NULL)";

/// Whether the account is suspended or the desk is paused.
pub async fn halts(client: &impl GenericClient, account: Option<UserId>) -> Stored<Halts> {
    let row = client.query_one(&client.prepare_cached(HALTS).await?, &[&account.map(|id| id.0)]).await?;
    Ok(Halts { suspended_why: row.try_get(0)?, paused_why: row.try_get(1)? })
}

fn priced(pricing: Pricing) -> (Option<rust_decimal::Decimal>, Option<rust_decimal::Decimal>) {
    match pricing {
        Pricing::Fixed(price) => (Some(price), None),
        Pricing::Market { percent } => (None, Some(percent)),
    }
}

fn whole(number: u32) -> Stored<i32> {
    i32::try_from(number).map_err(|_| StoreError::Row(format!("{number} does not fit")))
}

fn read(row: &Row) -> Stored<OfferRow> {
    let broken = |what: &str| StoreError::Row(format!("an offer's {what}"));
    let word = |column: usize| row.try_get::<_, String>(column);
    let unsigned = |column: usize| -> Stored<u32> {
        u32::try_from(row.try_get::<_, i32>(column)?).map_err(|_| StoreError::Row("a negative count".into()))
    };
    let currency = Currency::parse(&word(4)?).map_err(|_| broken("currency"))?;
    let fiat = |column: usize| -> Stored<Fiat> {
        Fiat::new(row.try_get(column)?, currency).map_err(|_| StoreError::Row("an offer's amount".into()))
    };
    let pricing = match (row.try_get(5)?, row.try_get(6)?) {
        (Some(price), None) => Pricing::Fixed(price),
        (None, Some(percent)) => Pricing::Market { percent },
        _ => return Err(broken("pricing")),
    };
    let (methods, accounts): (Vec<String>, Vec<Uuid>) = (row.try_get(23)?, row.try_get(24)?);
    let accounts = methods
        .iter()
        .zip(accounts)
        .map(|(method, account)| {
            let method = MethodId::parse(method).map_err(|_| broken("method"))?;
            Ok(OfferAccount { account: PaymentAccountId(account), method })
        })
        .collect::<Stored<_>>()?;
    let why: Option<String> = row.try_get(17)?;
    let offer = Offer {
        id: OfferId(row.try_get(0)?),
        reference: word(1)?.parse().map_err(|_| broken("reference"))?,
        maker: UserId(row.try_get(2)?),
        side: Side::from_word(&word(3)?).ok_or_else(|| broken("side"))?,
        currency,
        accounts,
        pricing,
        total: fiat(7)?,
        reserved: fiat(8)?,
        min: fiat(9)?,
        max: fiat(10)?,
        payment_window_minutes: unsigned(11)?,
        confirmations: unsigned(12)?,
        terms: word(13)?,
        state: OfferState::from_word(&word(16)?).ok_or_else(|| broken("state"))?,
        pause_reason: why.as_deref().and_then(PauseReason::from_word),
        version: row.try_get(18)?,
        created_at: row.try_get(19)?,
    };
    Ok(OfferRow {
        offer,
        maker_name: word(21)?,
        maker_suspended: row.try_get(22)?,
        key: KeyId(row.try_get(14)?),
        address: word(15)?,
        changed_at: row.try_get(20)?,
    })
}
