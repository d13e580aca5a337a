//! A take in few round trips: what it is decided from, and what it writes, each sent in one go.
//!
//! Statements that are sent together are answered in their order, and each sees what those before it did. That holds
//! once they are prepared, so every group begins with that.

use jiff::Timestamp;

use super::notices::NewNotice;
use super::offers::Halts;
use super::trade_log::{self, Line};
use super::trades::{self, AccountRecord, NewTrade};
use super::{GenericClient, Stored, board, keys, messages, notices, offers, payment_accounts};
use crate::domain::{Currency, Fiat, KeyId, MessageId, PaymentAccountId, Rate, UserId};
use crate::store::keys::KeyRow;
use crate::store::payment_accounts::PaymentAccountRow;

/// Who takes what: the names of everything that is read.
#[derive(Debug)]
pub struct Taking<'a> {
    pub taker: UserId,
    pub currency: Currency,
    pub maker_key: KeyId,
    pub maker_accounts: &'a [PaymentAccountId],
    pub now: Timestamp,
}

/// What a take is decided from, beside the offer.
#[derive(Debug)]
pub struct Scene {
    pub taker_name: String,
    pub halts: Halts,
    /// One of the two does not trade with the other.
    pub blocked: bool,
    pub rate: Option<Rate>,
    pub record: AccountRecord,
    /// Those of the taker, in whatever state, and the maker's.
    pub keys: Vec<KeyRow>,
    /// Those of the taker, and the maker's that stand in the offer.
    pub accounts: Vec<PaymentAccountRow>,
}

impl Scene {
    /// The keys that an account may make new trades with.
    pub fn usable(&self, account: UserId) -> impl Iterator<Item = KeyId> {
        let in_use = move |key: &&KeyRow| key.account == account && key.is_in_use();
        self.keys.iter().filter(in_use).map(|key| key.id)
    }

    /// This account's key, if it may make new trades with it.
    pub fn key(&self, account: UserId, id: KeyId) -> Option<&KeyRow> {
        self.keys.iter().find(|key| key.id == id && key.account == account && key.is_in_use())
    }
}

const FACTS: &str = "
    SELECT a.name, a.suspended_why, (SELECT paused_why FROM desk_state WHERE paused_at IS NOT NULL), r.price, r.set_at,
           EXISTS (SELECT 1 FROM blocks b JOIN signing_keys k ON k.id = $3
                    WHERE (b.account = $1 AND b.blocked = k.account) OR (b.account = k.account AND b.blocked = $1))
      FROM accounts a LEFT JOIN rates r ON r.currency = $2
     WHERE a.id = $1 FOR NO KEY UPDATE OF a";

/// Holds the taker's account, so that what is counted of it stays true until the transaction ends, and reads the rest.
/// Nothing without that account.
pub async fn scene(client: &impl GenericClient, taking: &Taking<'_>) -> Stored<Option<Scene>> {
    prepare(client, &[FACTS, trades::RECORD, keys::FOR_TAKE, payment_accounts::FOR_TAKE]).await?;
    let (facts, record, keys, accounts) = tokio::try_join!(
        biased;
        async { Ok(client.query_opt(&client.prepare_cached(FACTS).await?, &[&taking.taker.0, &taking.currency.code(), &taking.maker_key.0]).await?) },
        trades::record_of(client, taking.taker, taking.now),
        keys::for_take(client, taking.taker, taking.maker_key),
        payment_accounts::for_take(client, taking.taker, taking.maker_accounts),
    )?;
    let Some(facts) = facts else { return Ok(None) };
    let price: Option<rust_decimal::Decimal> = facts.try_get(3)?;
    let set_at: Option<Timestamp> = facts.try_get(4)?;
    let rate = price.zip(set_at).map(|(price, set_at)| Rate { currency: taking.currency, price, set_at });
    let halts = Halts { suspended_why: facts.try_get(1)?, paused_why: facts.try_get(2)? };
    Ok(Some(Scene { taker_name: facts.try_get(0)?, halts, blocked: facts.try_get(5)?, rate, record, keys, accounts }))
}

/// What a take writes.
#[derive(Debug)]
pub struct NewTake<'a> {
    pub trade: NewTrade<'a>,
    /// The first line of its log, and the hash of it.
    pub line: &'a Line,
    pub hash: &'a [u8; 32],
    /// The first words in its room.
    pub message: MessageId,
    pub words: &'a str,
    /// What the maker is told.
    pub notice: &'a NewNotice,
    /// What takes hold of the offer's total now.
    pub reserved: Fiat,
}

pub async fn write(client: &impl GenericClient, new: &NewTake<'_>) -> Stored<()> {
    let (trade, at) = (&new.trade, new.line.at);
    let words = messages::NewMessage { trade: trade.id, account: None, body: new.words, attachment: None, at };
    let statements = [
        trades::INSERT,
        trades::DEADLINES,
        trade_log::APPEND,
        messages::APPEND,
        notices::ADD,
        offers::SET_RESERVED,
        board::BUMP,
    ];
    prepare(client, &statements).await?;
    tokio::try_join!(
        biased;
        trades::insert(client, trade),
        trades::write_deadlines(client, trade.id, trade.state),
        trade_log::append(client, trade.id, new.line, &trade_log::BEGINNING, new.hash),
        messages::append(client, new.message, words),
        notices::add(client, new.notice, at),
        offers::set_reserved(client, trade.offer, new.reserved),
        board::bump(client),
    )?;
    Ok(())
}

async fn prepare(client: &impl GenericClient, statements: &[&str]) -> Stored<()> {
    for statement in statements {
        client.prepare_cached(statement).await?;
    }
    Ok(())
}
