//! A payout on its way: what was handed over and what the node said, what a higher fee would do, who may ask for it, and
//! further fees when the agreed ones do not reach any more (protocol §5, §7).

use bitcoin::{Amount, Txid};

use super::error::{Done, Error};
use super::escrow_book::EscrowBook;
use super::fees::FeeView;
use super::payouts::{Sent, Signer, take_signatures};
use super::signing::{self, Line, Paper};
use super::trades::{self, Held, Who};
use super::{Desk, children, funding, rulings};
use crate::domain::money::sats_grouped;
use crate::domain::trade::{Act, FeeWord, LINGERS_AFTER_BLOCKS, PayoutKind, Trade};
use crate::domain::{Party, PublicRef, Refusal, Side, Stage, UserId};
use crate::escrow::pace::Cost;
use crate::escrow::payout::PayoutKind as Kind;
use crate::store::GenericClient;
use crate::store::children::{self as child_store, ChildRow};
use crate::store::handovers::{self, HandoverRow};
use crate::store::payouts::PayoutRow;
use crate::store::trades::TradeRow;

/// Transactions of one payout that signatures are asked for. Each set of further ones is dearer than all before, and the
/// limits end it long before.
const STEPS_MAX: usize = 12;

/// One transaction of the payout.
#[derive(Debug)]
pub struct Step {
    pub fee: FeeView,
    pub txid: Txid,
    pub lines: Vec<Line>,
    pub signed_by: Vec<Party>,
    pub complete: bool,
    /// It is the one that was handed over last.
    pub current: bool,
    /// The node has it waiting, or in a block.
    pub seen: bool,
    pub handover: Option<HandoverRow>,
    /// Why this viewer cannot have it sent now, if he cannot.
    pub refused: Option<Refusal>,
}

/// Everything the page of a payout shows.
#[derive(Debug)]
pub struct UnderWay {
    pub row: TradeRow,
    pub party: Party,
    pub kind: PayoutKind,
    pub steps: Vec<Step>,
    /// Blocks since the one on its way was handed over.
    pub waited: u32,
    pub bearers: Vec<Side>,
    pub words: Vec<FeeWord>,
    pub children: Vec<(ChildRow, Option<HandoverRow>)>,
    /// This viewer can make a child of it.
    pub owns_output: bool,
    /// There are further fees that wait for this viewer's signature.
    pub to_sign: bool,
    /// Further fees can be made.
    pub further: bool,
}

/// What stands around one payout under way.
struct Around {
    book: EscrowBook,
    kind: PayoutKind,
    current: Txid,
    handovers: Vec<HandoverRow>,
    children: Vec<ChildRow>,
    tip: u32,
}

impl Around {
    async fn read(client: &impl GenericClient, row: &TradeRow) -> Done<Self> {
        let book = EscrowBook::read(client, row).await?;
        let kind = row.state.paying_out.filter(|_| matches!(row.state.stage, Stage::PayingOut | Stage::Completed));
        let (Some(kind), Some(current)) = (kind, row.payout_txid) else {
            return Err(Refusal::conflict("No payout of this trade is on its way now.").into());
        };
        Ok(Self {
            kind,
            current,
            handovers: handovers::of_trade(client, row.id).await?,
            children: child_store::of_trade(client, row.id).await?,
            tip: funding::tip_height(client).await?,
            book,
        })
    }

    fn rows(&self) -> impl Iterator<Item = &PayoutRow> {
        self.book.live(self.kind.as_str())
    }

    fn handover(&self, txid: Txid) -> Option<&HandoverRow> {
        self.handovers.iter().find(|one| one.txid == txid)
    }

    /// Blocks that the one on its way has waited.
    fn waited(&self) -> u32 {
        self.handover(self.current).map_or(0, |one| self.tip.saturating_sub(one.height))
    }

    fn current(&self) -> Done<&PayoutRow> {
        let current = self.book.payout_of(self.kind, self.current);
        Ok(current.ok_or_else(|| Refusal::conflict("Another transaction spent these coins."))?)
    }

    /// What waits now and would be thrown out by another one: the payout, and a child of it.
    fn lost(&self) -> Done<Amount> {
        let taken = |txid| self.handover(txid).is_some_and(|one: &HandoverRow| one.taken_at.is_some());
        if !taken(self.current) {
            return Ok(Amount::ZERO);
        }
        let own = self.children.iter().filter(|child| child.parent == self.current && taken(child.txid));
        let mut by_output: Vec<(u32, Amount)> = Vec::new();
        for child in own {
            by_output.retain(|(vout, _)| *vout != child.vout);
            by_output.push((child.vout, child.fee));
        }
        let fees = by_output.into_iter().map(|(_, fee)| fee).chain([self.current()?.fee]);
        Ok(fees.fold(Amount::ZERO, |sum, fee| sum.checked_add(fee).unwrap_or(Amount::MAX_MONEY)))
    }

    /// Whether this one can take the place of the one on its way.
    fn can_follow(&self, payout: &PayoutRow, cost: Cost) -> Result<(), Error> {
        if !self.book.is_complete(payout) {
            return Err(Refusal::conflict("It is not signed by two yet.").into());
        }
        let lost = self.lost()?;
        if payout.fee <= self.current()?.fee || !cost.replaces(lost) {
            let words = format!(
                "Nodes let it take the place of what waits now only with {} sat or more.",
                cost.least_to_replace(lost).to_sat()
            );
            return Err(Refusal::conflict(words).into());
        }
        Ok(())
    }

    /// The next higher fee: the least that is complete and that nodes take in the place of what waits.
    fn next(&self) -> Done<Option<Amount>> {
        let mut next: Option<Amount> = None;
        for payout in self.rows().filter(|payout| self.book.is_complete(payout)) {
            match self.can_follow(payout, self.book.payout(payout)?.cost()) {
                Ok(()) => next = Some(next.map_or(payout.fee, |least| least.min(payout.fee))),
                Err(Error::Refused(_)) => {}
                Err(failed) => return Err(failed),
            }
        }
        Ok(next)
    }

    /// A fee is to be raised. The wait gives everybody a right to the next one, and nobody to more than that.
    fn raising(&self, trade: &Trade, party: Party, fee: Amount, next: Option<Amount>) -> Result<Act, Refusal> {
        let waited = self.waited();
        if Some(fee) == next || waited < LINGERS_AFTER_BLOCKS {
            return Ok(Act::RaiseFee { fee, waited_blocks: waited });
        }
        let bears = party.side().is_some_and(|side| trade.fee_bearers(self.kind).contains(&side));
        match next {
            Some(next) if !bears => Err(Refusal::conflict(format!(
                "After the wait anybody may have the next higher fee sent, {} sat; more needs the word of who bears it.",
                sats_grouped(next)
            ))),
            _ => Ok(Act::RaiseFee { fee, waited_blocks: 0 }),
        }
    }
}

pub async fn of(desk: &Desk, reference: PublicRef, account: UserId) -> Done<UnderWay> {
    let client = desk.store.connection().await?;
    let (row, party) = trades::of_party(&client, reference, account).await?;
    let now = desk.now(&client).await?;
    let around = Around::read(&client, &row).await?;
    let running = row.state.stage == Stage::PayingOut;
    let next = around.next()?;
    let mut steps = Vec::new();
    let may_sign = row.state.apply(&Act::SignHigherFee, party.into(), now).is_ok();
    for payout in around.rows() {
        let built = around.book.payout(payout)?;
        let raised = || {
            let act = around.raising(&row.state, party, payout.fee, next)?;
            row.state.apply(&act, party.into(), now)
        };
        let refused = match around.can_follow(payout, built.cost()) {
            Ok(()) => raised().err(),
            Err(Error::Refused(refusal)) => Some(refusal),
            Err(failed) => return Err(failed),
        };
        steps.push(Step {
            fee: FeeView::of(&around.book, &built, party),
            txid: payout.txid,
            lines: signing::lines(&around.book, &built),
            signed_by: Party::ALL.into_iter().filter(|one| around.book.has_signed(payout, *one)).collect(),
            complete: around.book.is_complete(payout),
            current: payout.txid == around.current,
            seen: around.book.deposits.iter().any(|deposit| deposit.spent_by == Some(payout.txid)),
            handover: around.handover(payout.txid).cloned(),
            refused,
        });
    }
    Ok(UnderWay {
        waited: around.waited(),
        kind: around.kind,
        bearers: row.state.fee_bearers(around.kind),
        words: row.state.fee_words.iter().filter(|word| word.kind == around.kind).copied().collect(),
        owns_output: running && children::parent(&row, &around.book, party).is_ok(),
        to_sign: running && may_sign && !to_sign(&around, party)?.is_empty(),
        further: running && may_sign && !further(&around)?.is_empty(),
        children: around.children.iter().map(|child| (child.clone(), around.handover(child.txid).cloned())).collect(),
        steps,
        party,
        row,
    })
}

/// Has the payout with this miner fee take the place of the one on its way; or keeps the word of one who bears the fee
/// until the other's is there.
pub async fn raise(desk: &Desk, reference: PublicRef, account: UserId, seen: &str, fee: Amount) -> Done<TradeRow> {
    let mut client = desk.store.connection().await?;
    let Held { tx, now, row, party } = trades::hold(desk, &mut client, reference, account, seen).await?;
    row.state.apply(&Act::RaiseFee { fee, waited_blocks: u32::MAX }, party.into(), now)?;
    let around = Around::read(&tx, &row).await?;
    let dearer = around.rows().find(|payout| payout.fee == fee && around.book.is_complete(payout));
    let dearer = dearer.ok_or_else(|| Refusal::conflict("No payout with this miner fee is signed by two."))?;
    around.can_follow(dearer, around.book.payout(dearer)?.cost())?;
    let act = around.raising(&row.state, party, fee, around.next()?)?;
    let row = trades::change(desk, &tx, row, act, Who::party(party, account), now).await?;
    desk.keep(tx).await?;
    Ok(row)
}

/// Payouts of the same kind at what is estimated now, dearer than any there is by more than nodes ask of a replacement.
fn further(around: &Around) -> Done<Vec<crate::escrow::Payout>> {
    let current = around.current()?;
    let dearest = around.rows().map(|row| row.fee).max().unwrap_or(current.fee);
    if around.rows().count() + 3 > STEPS_MAX {
        return Ok(Vec::new());
    }
    let kind = Kind::from_word(&current.kind, current.buyer, current.seller)
        .ok_or_else(|| Error::broken(format!("a payout of kind {}", current.kind)))?;
    let mut built = around.book.built(kind, &around.book.funding())?;
    built.retain(|payout| payout.cost().replaces(dearest));
    Ok(built)
}

/// Makes the further fees, for two to sign.
pub async fn make_further(desk: &Desk, reference: PublicRef, account: UserId, seen: &str) -> Done<()> {
    let mut client = desk.store.connection().await?;
    let Held { tx, now, row, party } = trades::hold(desk, &mut client, reference, account, seen).await?;
    row.state.apply(&Act::SignHigherFee, party.into(), now)?;
    let around = Around::read(&tx, &row).await?;
    let built = further(&around)?;
    if built.is_empty() {
        return Err(Refusal::conflict(
            "There is no higher fee to make: the ones that are there reach what is estimated now, or the contract's limit.",
        )
        .into());
    }
    around.book.keep(&tx, &row, &built, around.current()?.about, now).await?;
    let words = format!("{} made payouts with higher miner fees. Two of the three sign them.", row.name_of(party));
    super::room::system(&tx, row.id, &words, now).await?;
    desk.keep(tx).await
}

/// Those that this party has not signed and that would be dearer than the one on its way; as many as a signer takes.
fn to_sign(around: &Around, party: Party) -> Done<Vec<&PayoutRow>> {
    let fee = around.current()?.fee;
    let rows = around.rows().filter(|row| row.fee > fee && !around.book.has_signed(row, party));
    Ok(rows.take(3).collect())
}

/// What this party signs now, if anything.
pub async fn paper(desk: &Desk, reference: PublicRef, account: UserId) -> Done<Paper> {
    let client = desk.store.connection().await?;
    let (row, party) = trades::of_party(&client, reference, account).await?;
    let now = desk.now(&client).await?;
    row.state.apply(&Act::SignHigherFee, party.into(), now)?;
    let around = Around::read(&client, &row).await?;
    let ruling = match around.kind {
        PayoutKind::Ruling => rulings::in_force(&client, &row).await?.map(rulings::signed).transpose()?,
        _ => None,
    };
    let txids: Vec<Txid> = to_sign(&around, party)?.iter().map(|row| row.txid).collect();
    if txids.is_empty() {
        return Err(Refusal::conflict("There is nothing more for you to sign: your signatures are in.").into());
    }
    Ok(Paper::Higher { kind: around.kind.as_str().to_owned(), txids, ruling })
}

/// A signature for further fees of the payout on its way. Nothing is sent by it.
pub async fn sign(desk: &Desk, reference: PublicRef, account: UserId, seen: &str, sent: Sent<'_>) -> Done<TradeRow> {
    let mut client = desk.store.connection().await?;
    let Held { tx, now, row, party } = trades::hold(desk, &mut client, reference, account, seen).await?;
    row.state.apply(&Act::SignHigherFee, party.into(), now)?;
    let around = Around::read(&tx, &row).await?;
    let rows = to_sign(&around, party)?;
    let signer = Signer::of((party, account), &row.state.fee_bearers(around.kind), None);
    take_signatures(&tx, &around.book, &rows, &signer, &sent.upload, now).await?;
    let row = trades::change(desk, &tx, row, Act::SignHigherFee, Who::party(party, account), now).await?;
    desk.keep(tx).await?;
    Ok(row)
}
