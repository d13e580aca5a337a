//! What takes write, in one go.

use std::sync::LazyLock;

use bitcoin::{Amount, ScriptBuf};
use jiff::Timestamp;
use rust_decimal::Decimal;
use tokio_postgres::types::{Json, ToSql};
use uuid::Uuid;

use crate::domain::deadlines::Deadline;
use crate::domain::trade::Trade;
use crate::domain::{Event, Fiat, KeyId, MessageId, OfferId, Party, PublicRef, Stage, TradeId, UserId};
use crate::store::arbitrators::{self, Level};
use crate::store::bundle::{self, Value};
use crate::store::draws::{self, Pair};
use crate::store::keys::Use;
use crate::store::notices::{self, NewNotice};
use crate::store::trade_log::{BEGINNING, Line};
use crate::store::{Batch, StoreError, Stored, board, keys, offers, public_log, sats, trades};

/// What a take writes.
#[derive(Debug)]
pub struct NewTake {
    pub trade: NewTrade,
    /// The first line of its log, and the hash of it.
    pub line: Line,
    pub hash: [u8; 32],
    /// The first words in its room.
    pub message: MessageId,
    pub words: String,
    /// What the maker is told.
    pub notice: NewNotice,
}

/// A trade as the take makes it.
#[derive(Debug)]
pub struct NewTrade {
    pub id: TradeId,
    pub reference: PublicRef,
    pub state: Trade,
    pub offer: OfferId,
    pub buyer: UserId,
    pub seller: UserId,
    pub arbitrator: UserId,
    pub buyer_key: KeyId,
    pub seller_key: KeyId,
    pub arbitrator_key: KeyId,
    pub amount: Amount,
    pub deposit: Amount,
    pub fiat: Decimal,
    pub currency: &'static str,
    pub method: &'static str,
    pub contract_text: String,
    pub contract_hash: [u8; 32],
    pub script: ScriptBuf,
    pub address: String,
    pub payee_sealed: Vec<u8>,
    pub payer_sealed: Vec<u8>,
}

/// What takes write beside their trades.
#[derive(Debug)]
pub struct Written<'a> {
    /// The sums that their offers have reserved now.
    pub reserved: &'a [(OfferId, Fiat)],
    /// The indexes and levels that they give to keys.
    pub uses: &'a [Use],
    pub levels: &'a [Level],
    /// Whom pairs were drawn, and what the public log says of it.
    pub drawn: &'a [(Pair, UserId)],
    pub entries: &'a [serde_json::Value],
    pub at: Timestamp,
}

/// Everything as one statement.
static EVERYTHING: LazyLock<String> = LazyLock::new(|| {
    bundle::statement(&[
        TRADES,
        DEADLINES,
        EVENTS,
        MESSAGES,
        notices::ADD,
        keys::USE,
        arbitrators::GIVE_LEVELS,
        draws::SET_PAIRS,
        public_log::APPEND,
        offers::RESERVE,
        board::BUMP,
    ])
});

/// Writes new trades with everything that belongs to them, and commits.
pub async fn commit(batch: Batch, new: &[NewTake], beside: &Written<'_>) -> Stored<()> {
    let values: Vec<Value<'_>> = [
        trades(new),
        deadlines(new),
        events(new),
        messages(new),
        notices::values(new.iter().map(|one| (&one.notice, one.line.at))),
        keys::values_of_uses(beside.uses),
        arbitrators::values_of_levels(beside.levels),
        draws::values_of_pairs(beside.drawn, beside.at),
        public_log::values(beside.at, "draw", beside.entries),
        offers::values_of_reserved(beside.reserved),
    ]
    .into_iter()
    .flatten()
    .collect();
    let everything = batch.client()?.prepare_cached(&EVERYTHING).await?;
    batch.commit_with(&everything, &bundle::borrowed(&values)).await
}

/// Whether somebody else was faster with a level, or with an index of a key that two accounts claim: then nothing of
/// this was written, and once more it works.
pub fn is_overtaken(error: &StoreError) -> bool {
    matches!(error.constraint(), Some("arbitrator_levels_pkey" | "one_level_per_pair_of_keys" | "key_uses_pkey"))
}

// Whose turn it is comes as words with commas: an array of arrays would have to be a rectangle.
const TRADES: &str = "
    INSERT INTO trades (id, reference, version, stage, state, offer, maker, buyer, seller, arbitrator,
                        buyer_key, seller_key, arbitrator_key, amount_sat, deposit_sat, fiat, currency, method,
                        contract_text, contract_hash, script_pubkey, address, payee_sealed, payer_sealed, turn,
                        created_at, stage_since)
    SELECT id, reference, 0, stage, state, offer, maker, buyer, seller, arbitrator,
           buyer_key, seller_key, arbitrator_key, amount_sat, deposit_sat, fiat, currency, method,
           contract_text, contract_hash, script_pubkey, address, payee_sealed, payer_sealed,
           string_to_array(turn, ','), created_at, created_at
      FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::uuid[], $6::text[], $7::uuid[], $8::uuid[],
                  $9::uuid[], $10::uuid[], $11::uuid[], $12::uuid[], $13::bigint[], $14::bigint[], $15::numeric[],
                  $16::text[], $17::text[], $18::text[], $19::bytea[], $20::bytea[], $21::text[], $22::bytea[],
                  $23::bytea[], $24::text[], $25::timestamptz[])
        AS new (id, reference, stage, state, offer, maker, buyer, seller, arbitrator, buyer_key, seller_key,
                arbitrator_key, amount_sat, deposit_sat, fiat, currency, method, contract_text, contract_hash,
                script_pubkey, address, payee_sealed, payer_sealed, turn, created_at)";

fn trades(new: &[NewTake]) -> Vec<Value<'_>> {
    let ids = |id: fn(&NewTrade) -> Uuid| -> Value<'_> { column(new, |one| id(&one.trade)) };
    let words = |word: fn(&NewTrade) -> &str| -> Value<'_> { column(new, |one| word(&one.trade)) };
    let bytes = |bytes: fn(&NewTrade) -> &[u8]| -> Value<'_> { column(new, |one| bytes(&one.trade)) };
    let sums = |sum: fn(&NewTrade) -> Amount| -> Value<'_> { column(new, |one| sats(sum(&one.trade))) };
    vec![
        ids(|new| new.id.0),
        words(|new| new.reference.as_str()),
        words(|new| new.state.stage.as_str()),
        column(new, |one| Json(&one.trade.state)),
        ids(|new| new.offer.0),
        words(|new| new.state.maker.as_str()),
        ids(|new| new.buyer.0),
        ids(|new| new.seller.0),
        ids(|new| new.arbitrator.0),
        ids(|new| new.buyer_key.0),
        ids(|new| new.seller_key.0),
        ids(|new| new.arbitrator_key.0),
        sums(|new| new.amount),
        sums(|new| new.deposit),
        column(new, |one| one.trade.fiat),
        words(|new| new.currency),
        words(|new| new.method),
        words(|new| &new.contract_text),
        bytes(|new| &new.contract_hash),
        bytes(|new| new.script.as_bytes()),
        words(|new| &new.address),
        bytes(|new| &new.payee_sealed),
        bytes(|new| &new.payer_sealed),
        column(new, |one| turn(&one.trade.state)),
        column(new, |one| one.trade.state.created_at),
    ]
}

/// The values of a column, one of each take.
fn column<'a, T: ToSql + Sync + Send + 'a>(new: &'a [NewTake], of: impl Fn(&'a NewTake) -> T) -> Value<'a> {
    Box::new(new.iter().map(of).collect::<Vec<T>>())
}

fn turn(state: &Trade) -> String {
    state.turn().into_iter().map(Party::as_str).collect::<Vec<_>>().join(",")
}

const DEADLINES: &str = "
    INSERT INTO deadlines (trade, what, who, started_at, due_at, at_zero, half_at, ninety_at)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[],
                         $7::timestamptz[], $8::timestamptz[])";

/// The windows that run from the beginning.
fn deadlines(new: &[NewTake]) -> Vec<Value<'_>> {
    let of_one = |one: &NewTake| {
        let (id, state) = (one.trade.id.0, &one.trade.state);
        let with_reminders = |window: Deadline| (id, (trades::reminders(state, &window), window));
        state.deadlines().into_iter().map(with_reminders).collect::<Vec<_>>()
    };
    let (ids, all): (Vec<Uuid>, Vec<_>) = new.iter().flat_map(of_one).unzip();
    let ((half, ninety), all): ((Vec<_>, Vec<_>), Vec<Deadline>) = all.into_iter().unzip();
    let what: Vec<&str> = all.iter().map(|one| one.what.as_str()).collect();
    let (who, at_zero): (Vec<&str>, Vec<&str>) = all.iter().map(|one| (one.who, one.at_zero)).unzip();
    let (started, due): (Vec<Timestamp>, Vec<Timestamp>) = all.iter().map(|one| (one.started_at, one.due_at)).unzip();
    vec![
        Box::new(ids),
        Box::new(what),
        Box::new(who),
        Box::new(started),
        Box::new(due),
        Box::new(at_zero),
        Box::new(half),
        Box::new(ninety),
    ]
}

const EVENTS: &str = "
    INSERT INTO trade_events (trade, version, at, actor, account, event, act, stage_from, stage_to, previous, hash)
    SELECT trade, 0, at, actor, account, event, act, NULL, stage_to, $8, hash
      FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $9::bytea[])
        AS new (trade, at, actor, account, event, act, stage_to, hash)";

/// The first lines of their logs.
fn events(new: &[NewTake]) -> Vec<Value<'_>> {
    vec![
        column(new, |one| one.trade.id.0),
        column(new, |one| one.line.at),
        column(new, |one| one.line.actor.as_str()),
        column(new, |one| one.line.account.map(|id| id.0)),
        column(new, |one| one.line.event.map(Event::as_str)),
        column(new, |one| one.line.act.as_str()),
        column(new, |one| Stage::as_str(one.line.stage_to)),
        Box::new(BEGINNING.as_slice()),
        column(new, |one| one.hash.as_slice()),
    ]
}

const MESSAGES: &str = "
    INSERT INTO messages (id, trade, body, at) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[])";

/// The first words in their rooms.
fn messages(new: &[NewTake]) -> Vec<Value<'_>> {
    vec![
        column(new, |one| one.message.0),
        column(new, |one| one.trade.id.0),
        column(new, |one| one.words.as_str()),
        column(new, |one| one.line.at),
    ]
}
