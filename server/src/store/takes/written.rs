//! What takes write: each table's rows in one statement, all statements in one go.

use bitcoin::{Amount, ScriptBuf};
use jiff::Timestamp;
use rust_decimal::Decimal;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::prepare;
use crate::domain::deadlines::Deadline;
use crate::domain::trade::Trade;
use crate::domain::{Event, Fiat, KeyId, MessageId, OfferId, Party, PublicRef, Stage, TradeId, UserId};
use crate::store::keys::Use;
use crate::store::notices::{self, NewNotice};
use crate::store::trade_log::{BEGINNING, Line};
use crate::store::{GenericClient, Stored, board, keys, offers, sats, trades};

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

/// Writes new trades with everything that belongs to them, the sums that their offers have reserved now, and the
/// indexes that they give to their keys.
pub async fn write(
    client: &impl GenericClient,
    new: &[NewTake],
    reserved: &[(OfferId, Fiat)],
    uses: &[Use],
) -> Stored<()> {
    let statements = [TRADES, keys::USE, DEADLINES, EVENTS, MESSAGES, notices::ADD, offers::RESERVE, board::BUMP];
    prepare(client, &statements).await?;
    tokio::try_join!(
        biased;
        insert(client, new),
        keys::add_uses(client, uses),
        deadlines(client, new),
        events(client, new),
        messages(client, new),
        notify(client, new),
        offers::reserve(client, reserved),
        board::bump(client),
    )?;
    Ok(())
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

async fn insert(client: &impl GenericClient, new: &[NewTake]) -> Stored<()> {
    let trades: Vec<&NewTrade> = new.iter().map(|one| &one.trade).collect();
    let ids = |id: fn(&NewTrade) -> Uuid| -> Vec<Uuid> { trades.iter().map(|new| id(new)).collect() };
    let words = |word: fn(&NewTrade) -> &str| -> Vec<&str> { trades.iter().map(|new| word(new)).collect() };
    let bytes = |bytes: fn(&NewTrade) -> &[u8]| -> Vec<&[u8]> { trades.iter().map(|new| bytes(new)).collect() };
    let sums = |sum: fn(&NewTrade) -> Amount| -> Vec<i64> { trades.iter().map(|new| sats(sum(new))).collect() };
    let states: Vec<Json<&Trade>> = trades.iter().map(|new| Json(&new.state)).collect();
    let fiat: Vec<Decimal> = trades.iter().map(|new| new.fiat).collect();
    let turns: Vec<String> = trades.iter().map(|new| turn(&new.state)).collect();
    let created: Vec<Timestamp> = trades.iter().map(|new| new.state.created_at).collect();
    let statement = client.prepare_cached(TRADES).await?;
    client
        .execute(
            &statement,
            &[
                &ids(|new| new.id.0),
                &words(|new| new.reference.as_str()),
                &words(|new| new.state.stage.as_str()),
                &states,
                &ids(|new| new.offer.0),
                &words(|new| new.state.maker.as_str()),
                &ids(|new| new.buyer.0),
                &ids(|new| new.seller.0),
                &ids(|new| new.arbitrator.0),
                &ids(|new| new.buyer_key.0),
                &ids(|new| new.seller_key.0),
                &ids(|new| new.arbitrator_key.0),
                &sums(|new| new.amount),
                &sums(|new| new.deposit),
                &fiat,
                &words(|new| new.currency),
                &words(|new| new.method),
                &words(|new| &new.contract_text),
                &bytes(|new| &new.contract_hash),
                &bytes(|new| new.script.as_bytes()),
                &words(|new| &new.address),
                &bytes(|new| &new.payee_sealed),
                &bytes(|new| &new.payer_sealed),
                &turns,
                &created,
            ],
        )
        .await?;
    Ok(())
}

fn turn(state: &Trade) -> String {
    state.turn().into_iter().map(Party::as_str).collect::<Vec<_>>().join(",")
}

const DEADLINES: &str = "
    INSERT INTO deadlines (trade, what, who, started_at, due_at, at_zero, half_at, ninety_at)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[],
                         $7::timestamptz[], $8::timestamptz[])";

/// The windows that run from the beginning.
async fn deadlines(client: &impl GenericClient, new: &[NewTake]) -> Stored<()> {
    let of_one = |one: &NewTake| {
        let (id, state) = (one.trade.id.0, &one.trade.state);
        let with_reminders = |window: Deadline| (id, (trades::reminders(state, &window), window));
        state.deadlines().into_iter().map(with_reminders).collect::<Vec<_>>()
    };
    let (ids, all): (Vec<Uuid>, Vec<_>) = new.iter().flat_map(of_one).unzip();
    let ((half, ninety), all): ((Vec<_>, Vec<_>), Vec<Deadline>) = all.into_iter().unzip();
    let what: Vec<&str> = all.iter().map(|one| one.what.as_str()).collect();
    let who: Vec<&str> = all.iter().map(|one| one.who).collect();
    let (started, due): (Vec<Timestamp>, Vec<Timestamp>) = all.iter().map(|one| (one.started_at, one.due_at)).unzip();
    let at_zero: Vec<&str> = all.iter().map(|one| one.at_zero).collect();
    let statement = client.prepare_cached(DEADLINES).await?;
    client.execute(&statement, &[&ids, &what, &who, &started, &due, &at_zero, &half, &ninety]).await?;
    Ok(())
}

const EVENTS: &str = "
    INSERT INTO trade_events (trade, version, at, actor, account, event, act, stage_from, stage_to, previous, hash)
    SELECT trade, 0, at, actor, account, event, act, NULL, stage_to, $8, hash
      FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $9::bytea[])
        AS new (trade, at, actor, account, event, act, stage_to, hash)";

/// The first lines of their logs.
async fn events(client: &impl GenericClient, new: &[NewTake]) -> Stored<()> {
    let (ids, lines): (Vec<Uuid>, Vec<&Line>) = new.iter().map(|one| (one.trade.id.0, &one.line)).unzip();
    let at: Vec<Timestamp> = lines.iter().map(|line| line.at).collect();
    let actors: Vec<&str> = lines.iter().map(|line| line.actor.as_str()).collect();
    let accounts: Vec<Option<Uuid>> = lines.iter().map(|line| line.account.map(|id| id.0)).collect();
    let events: Vec<Option<&str>> = lines.iter().map(|line| line.event.map(Event::as_str)).collect();
    let acts: Vec<&str> = lines.iter().map(|line| line.act.as_str()).collect();
    let stages: Vec<&str> = lines.iter().map(|line| Stage::as_str(line.stage_to)).collect();
    let hashes: Vec<&[u8]> = new.iter().map(|one| one.hash.as_slice()).collect();
    let statement = client.prepare_cached(EVENTS).await?;
    let beginning = BEGINNING.as_slice();
    client.execute(&statement, &[&ids, &at, &actors, &accounts, &events, &acts, &stages, &beginning, &hashes]).await?;
    Ok(())
}

const MESSAGES: &str = "
    INSERT INTO messages (id, trade, body, at) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[])";

/// The first words in their rooms.
async fn messages(client: &impl GenericClient, new: &[NewTake]) -> Stored<()> {
    let (ids, trades): (Vec<Uuid>, Vec<Uuid>) = new.iter().map(|one| (one.message.0, one.trade.id.0)).unzip();
    let words: Vec<&str> = new.iter().map(|one| one.words.as_str()).collect();
    let at: Vec<Timestamp> = new.iter().map(|one| one.line.at).collect();
    client.execute(&client.prepare_cached(MESSAGES).await?, &[&ids, &trades, &words, &at]).await?;
    Ok(())
}

async fn notify(client: &impl GenericClient, new: &[NewTake]) -> Stored<()> {
    let all: Vec<(&NewNotice, Timestamp)> = new.iter().map(|one| (&one.notice, one.line.at)).collect();
    notices::add_all(client, &all).await
}
