//! Whether the books add up: every trade's log, played again, gives its row; every contract is what its hash says, its
//! escrow's address is rebuilt from the keys in it, every payout from the contract, and every signature is verified
//! again; what is private opens with this desk's key. Reads only: for a restored copy, and for whoever doubts.

use bitcoin::hashes::{Hash, sha256};
use uuid::Uuid;

use super::error::Done;
use super::escrow_book::EscrowBook;
use super::{Desk, payment_accounts, pictures, secrets, take};
use crate::domain::deadlines::Deadline;
use crate::domain::trade::{Act, Trade};
use crate::domain::{Actor, AttachmentId, PaymentAccountId, PublicRef, TradeId};
use crate::escrow::AccountKey;
use crate::store::books::{self as store, FullLine, Sealed};
use crate::store::trade_log::BEGINNING;
use crate::store::trades::{self, TradeRow};
use crate::store::{GenericClient, Stored, contracts, deadlines};

/// Private things are opened so many at a time: a picture has some megabytes.
const OPENED_AT_ONCE: i64 = 20;
/// After so many problems the rest is no news.
const PROBLEMS_MAX: usize = 50;

/// What was checked, and what was found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    pub trades: usize,
    pub lines: usize,
    pub payouts: usize,
    pub signatures: usize,
    pub opened: usize,
    /// In words; empty when everything adds up.
    pub problems: Vec<String>,
}

pub async fn check(desk: &Desk) -> Done<Report> {
    let client = desk.store.connection().await?;
    let mut report = Report { problems: store::off(&client).await?, ..Report::default() };
    report.problems.extend(store::keys(&client).await?.iter().filter_map(|key| wrong_key(desk, key)));
    for reference in store::trades(&client).await? {
        if report.problems.len() >= PROBLEMS_MAX {
            report.problems.push("and perhaps more".into());
            return Ok(report);
        }
        report.trades += 1;
        if let Err(why) = trade(desk, &client, reference, &mut report).await? {
            report.problems.push(format!("trade {reference}: {why}"));
        }
    }
    open_all(desk, &client, &mut report).await?;
    Ok(report)
}

/// What is kept of a key unpacked is what its text says.
fn wrong_key(desk: &Desk, key: &store::Key) -> Option<String> {
    let Ok(read) = AccountKey::parse(&key.text, desk.rules.network) else {
        return Some(format!("the key {} cannot be read", key.id));
    };
    let xpub = read.xpub();
    let (fingerprint, public_key, chain_code) = &key.told;
    if *fingerprint != read.fingerprint().to_bytes()
        || *public_key != xpub.public_key.serialize()
        || *chain_code != xpub.chain_code.to_bytes()
    {
        return Some(format!("the key {} is numbered as another", key.id));
    }
    let kept = key.unpacked.as_deref()?;
    let same = read.unpacked().is_some_and(|unpacked| unpacked == *kept) && read.to_string() == key.text;
    (!same).then(|| format!("the key {} is unpacked as another", key.id))
}

/// What is wrong with a trade, in words.
type Judged = Result<(), String>;

async fn trade(desk: &Desk, client: &impl GenericClient, reference: PublicRef, report: &mut Report) -> Done<Judged> {
    let Some(row) = trades::find(client, reference).await? else { return Ok(Err("it is gone".into())) };
    let lines = store::lines(client, row.id).await?;
    report.lines += lines.len();
    if let Err(why) = replayed(&row, &lines) {
        return Ok(Err(why));
    }
    let kept = deadlines::of_trade(client, row.id).await?;
    // An older program may have counted others too; they go when a server starts.
    let is_kept = |window: &Deadline| kept.iter().any(|one| (one.what, one.due_at) == (window.what, window.due_at));
    if !row.state.deadlines().iter().all(is_kept) {
        return Ok(Err("the table of deadlines is not that of its state".into()));
    }
    if sha256::Hash::hash(row.contract_text.as_bytes()).as_byte_array().as_slice() != row.contract_hash {
        return Ok(Err("its contract is not what its hash says".into()));
    }
    let in_force = contracts::of_trade(client, row.id).await?;
    if !in_force.is_empty() && !in_force.iter().any(|one| one.hash == row.contract_hash) {
        return Ok(Err("its contract is none of those that were made for it".into()));
    }
    let book = match EscrowBook::read(client, &row).await {
        Ok(book) => book,
        Err(error) => return Ok(Err(format!("its contract cannot be read: {error}"))),
    };
    Ok(escrow(&row, &book, report).and_then(|()| private(desk, &row, report)))
}

/// The log is one chain, and playing it again gives the row.
fn replayed(row: &TradeRow, lines: &[FullLine]) -> Judged {
    let (mut state, mut last): (Option<Trade>, Vec<u8>) = (None, BEGINNING.to_vec());
    for (line, number) in lines.iter().zip(0_i64..) {
        if line.version != number {
            return Err(format!("line {number} of its log is missing"));
        }
        if line.previous != last {
            return Err(format!("line {number} of its log does not hang on the one before"));
        }
        last = secrets::sha256([last.as_slice(), hashed_text(row.id, line).as_bytes()].concat()).to_vec();
        if line.hash != last {
            return Err(format!("line {number} of its log was changed"));
        }
        state = Some(match &state {
            None => first(line)?,
            Some(before) => next(before, line)?,
        });
    }
    match state {
        None => Err("it has no log".into()),
        Some(state) if state == row.state => Ok(()),
        Some(_) => Err("its log gives another state than its row".into()),
    }
}

fn hashed_text(trade: TradeId, line: &FullLine) -> String {
    let account = line.account.map(|account| account.to_string()).unwrap_or_default();
    let (event, from) = (line.event.as_deref().unwrap_or_default(), line.stage_from.as_deref().unwrap_or_default());
    let (version, at, actor, to, act) =
        (line.version, line.at.as_microsecond(), &line.actor, &line.stage_to, &line.act);
    format!("{trade}\n{version}\n{at}\n{actor}\n{account}\n{event}\n{from}\n{to}\n{act}")
}

fn first(line: &FullLine) -> Result<Trade, String> {
    let take: serde_json::Value = serde_json::from_str(&line.act).map_err(|error| error.to_string())?;
    let trade = take.get("trade").cloned().unwrap_or_default();
    serde_json::from_value(trade).map_err(|error| format!("the first line of its log: {error}"))
}

fn next(before: &Trade, line: &FullLine) -> Result<Trade, String> {
    let number = line.version;
    let act: Act = serde_json::from_str(&line.act).map_err(|error| format!("line {number} of its log: {error}"))?;
    let actor = Actor::from_word(&line.actor).ok_or_else(|| format!("line {number} of its log is by nobody"))?;
    let change = before.apply(&act, actor, line.at).map_err(|why| format!("line {number} of its log: {why}"))?;
    Ok(change.trade)
}

/// The escrow's address from the keys, each payout from the contract, each signature over its payout.
fn escrow(row: &TradeRow, book: &EscrowBook, report: &mut Report) -> Judged {
    let lock = book.agreed.lock();
    if lock.script_pubkey() != row.script || lock.address().to_string() != row.address {
        return Err("its escrow's address is not that of its contract".into());
    }
    for payout in &book.payouts {
        let words = |error: super::Error| format!("its {} {}: {error}", payout.kind, payout.txid);
        let built = book.payout(payout).map_err(words)?;
        let signatures = book.signatures_for(payout, &built).map_err(words)?;
        report.payouts += 1;
        report.signatures += signatures.len();
    }
    Ok(())
}

fn private(desk: &Desk, row: &TradeRow, report: &mut Report) -> Judged {
    let both = [(take::payee_place(row.id), &row.payee_sealed), (take::payer_place(row.id), &row.payer_sealed)];
    for (place, sealed) in both {
        desk.secrets.open(&place, sealed).map_err(|error| error.to_string())?;
        report.opened += 1;
    }
    Ok(())
}

/// The first payment account that is kept, if there is one, opens with this desk's key.
pub(super) async fn opens(desk: &Desk, client: &impl GenericClient) -> Done<bool> {
    let first = store::payment_accounts(client, Uuid::nil(), 1).await?;
    let opens = |one: &Sealed| desk.secrets.open(&payment_accounts::place(PaymentAccountId(one.id)), &one.sealed).is_ok();
    Ok(first.iter().all(opens))
}

/// Payment accounts and pictures open with this desk's key.
async fn open_all(desk: &Desk, client: &impl GenericClient, report: &mut Report) -> Done<()> {
    let mut after = Uuid::nil();
    loop {
        let some = store::payment_accounts(client, after, OPENED_AT_ONCE).await;
        match opened(desk, some, |id| payment_accounts::place(PaymentAccountId(id)), report)? {
            Some(last) => after = last,
            None => break,
        }
    }
    after = Uuid::nil();
    loop {
        let some = store::attachments(client, after, OPENED_AT_ONCE).await;
        match opened(desk, some, |id| pictures::place(AttachmentId(id)), report)? {
            Some(last) => after = last,
            None => break,
        }
    }
    Ok(())
}

fn opened(
    desk: &Desk,
    some: Stored<Vec<Sealed>>,
    place: impl Fn(Uuid) -> String,
    report: &mut Report,
) -> Done<Option<Uuid>> {
    let some = some?;
    for one in &some {
        report.opened += 1;
        if let Err(error) = desk.secrets.open(&place(one.id), &one.sealed) {
            report.problems.push(error.to_string());
        }
    }
    Ok(some.last().map(|one| one.id))
}
