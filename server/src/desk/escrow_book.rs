//! What is known of one trade's escrow: the contract, the outputs at its address, payouts and verified signatures.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bitcoin::{Amount, OutPoint, Txid};
use jiff::Timestamp;
use uuid::Uuid;

use super::error::{Done, Error};
use super::{estimates, funding};
use crate::domain::trade::{PayoutKind, Trade};
use crate::domain::{Party, Refusal, Stage};
use crate::escrow::contract::{Agreed, Payee};
use crate::escrow::deposit::missing;
use crate::escrow::pace::{self, Pace, TARGET_BLOCKS};
use crate::escrow::payout::PayoutKind as Kind;
use crate::escrow::{Coin, Contract, FeeStep, PartySignature, Payout, SignedPayout};
use crate::store::GenericClient;
use crate::store::deposits::{self, DepositRow};
use crate::store::payouts::{self, NewPayout, PayoutRow, SignatureRow};
use crate::store::trades::TradeRow;

/// Everything about one escrow, read together.
#[derive(Debug)]
pub struct EscrowBook {
    pub contract: Arc<Contract>,
    pub agreed: Arc<Agreed>,
    pub deposits: Vec<DepositRow>,
    pub payouts: Vec<PayoutRow>,
    pub signatures: Vec<SignatureRow>,
    /// What fee rates are expected to do now.
    pub pace: Pace,
}

impl EscrowBook {
    pub async fn read(client: &impl GenericClient, row: &TradeRow) -> Done<Self> {
        let (contract, agreed) = read_contract(&row.contract_text)?;
        Ok(Self {
            pace: estimates::pace(client, &contract).await?,
            contract,
            agreed,
            deposits: deposits::of_trade(client, row.id).await?,
            payouts: payouts::of_trade(client, row.id).await?,
            signatures: payouts::signatures_of_trade(client, row.id).await?,
        })
    }

    /// The funding set.
    pub fn funding(&self) -> Vec<Coin> {
        self.deposits.iter().filter(|deposit| deposit.funding).map(coin).collect()
    }

    pub fn funding_total(&self) -> Amount {
        funding::sum(self.deposits.iter().filter(|deposit| deposit.funding))
    }

    /// A stored payout, built again from the contract and the outputs it spends; it must come out the same.
    pub fn payout(&self, row: &PayoutRow) -> Done<Payout> {
        let kind = Kind::from_word(&row.kind, row.buyer, row.seller)
            .ok_or_else(|| Error::broken(format!("a payout of kind {}", row.kind)))?;
        // What is not asked for any more may have been built over outputs that are no funding set now.
        let own = kind == Kind::Stray || row.void;
        let coins = if own { self.coins_of(row)? } else { self.funding() };
        let steps = row.steps.iter().filter_map(|step| FeeStep::from_multiple(*step)).collect();
        Ok(Payout::restore(&self.agreed, kind, &coins, steps, &row.psbt)?)
    }

    /// What a trader gets from the payout with this id; None if there is no such payout, or nothing in it for this party.
    pub fn part_of(&self, party: Party, txid: Txid) -> Option<Amount> {
        let payee = match party {
            Party::Buyer => Payee::Buyer,
            Party::Seller => Payee::Seller,
            Party::Arbitrator => Payee::Arbitrator,
        };
        let row = self.payouts.iter().find(|payout| payout.txid == txid)?;
        self.payout(row).ok().map(|payout| payout.amount_to(payee)).filter(|part| *part > Amount::ZERO)
    }

    /// What lies at the address beside the funding set, and has no part in the trade. While the set is out of the chain
    /// it may still take its place.
    pub fn is_stray(&self, trade: &Trade, output: &DepositRow) -> bool {
        let stands = trade.stage == Stage::Completed || funding::is_whole(&self.deposits);
        trade.funding_is_fixed() && !output.funding && stands && !self.may_rejoin(trade, output)
    }

    /// It was a part of the deposit, and may be again while the trade is under way.
    fn may_rejoin(&self, trade: &Trade, output: &DepositRow) -> bool {
        output.left_behind && trade.holds_money() && !self.is_signed_away(output.outpoint)
    }

    /// The refund of a stray output.
    pub fn stray_payout(&self, outpoint: OutPoint) -> Option<&PayoutRow> {
        let spends = |row: &&PayoutRow| spent_by(row).is_ok_and(|spent| spent.contains(&outpoint));
        self.live(Kind::Stray.as_str()).find(spends)
    }

    /// The refunds of a stray output at other fees than this one's.
    pub fn other_refunds(&self, outpoint: OutPoint, txid: Txid) -> impl Iterator<Item = &PayoutRow> {
        let spends = move |row: &&PayoutRow| spent_by(row).is_ok_and(|spent| spent.contains(&outpoint));
        self.live(Kind::Stray.as_str()).filter(spends).filter(move |row| row.txid != txid)
    }

    /// It went back to the seller by a refund of its own.
    pub fn is_returned_stray(&self, output: &DepositRow) -> bool {
        self.payouts.iter().any(|row| row.kind == Kind::Stray.as_str() && Some(row.txid) == output.spent_by)
    }

    /// What is at the address is enough for a deposit once all of it is deep enough.
    pub fn will_be_enough(&self, row: &TradeRow) -> bool {
        let there = self.deposits.iter().filter(|output| output.is_there());
        let barred = |output: &DepositRow| !output.funding && self.is_signed_away(output.outpoint);
        let seen: Vec<_> = there.map(|output| funding::seen(output, 0, barred(output))).collect();
        missing(&seen, &funding::due(row, &self.contract)).is_none()
    }

    /// Somebody has signed this output away: it never becomes a deposit again.
    fn is_signed_away(&self, outpoint: OutPoint) -> bool {
        funding::given_away(&self.payouts, &self.signatures).is_ok_and(|away| away.contains(&outpoint))
    }

    fn coins_of(&self, row: &PayoutRow) -> Done<Vec<Coin>> {
        let spent = spent_by(row)?;
        Ok(self.deposits.iter().filter(|deposit| spent.contains(&deposit.outpoint)).map(coin).collect())
    }

    /// The payouts of a kind that signatures are asked for, cheapest first.
    pub fn live<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a PayoutRow> {
        self.payouts.iter().filter(move |row| row.kind == kind && !row.void)
    }

    /// The verified signatures for a payout; read from the database they are verified again.
    pub fn signatures_for(&self, row: &PayoutRow, payout: &Payout) -> Done<Vec<PartySignature>> {
        let own = self.signatures.iter().filter(|signature| signature.payout == row.id);
        own.map(|one| Ok(PartySignature::from_stored(payout.spend(), one.party, &one.bytes)?)).collect()
    }

    pub fn has_signed(&self, row: &PayoutRow, party: Party) -> bool {
        self.signatures.iter().any(|one| one.payout == row.id && one.party == party)
    }

    /// What the arbitrator has signed over exactly the outputs that are the funding set now: one more key completes it,
    /// whatever became of the trade since.
    pub fn bound_by_arbitrator(&self) -> Done<Option<&PayoutRow>> {
        let mut set: Vec<OutPoint> = self.funding().iter().map(|coin| coin.outpoint).collect();
        set.sort();
        let own = self.payouts.iter().filter(|row| ["ruling", "refund"].contains(&row.kind.as_str()));
        for row in own.filter(|row| self.has_signed(row, Party::Arbitrator)) {
            if spent_by(row)? == set {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// Two parties have signed it: it can be broadcast.
    pub fn is_complete(&self, row: &PayoutRow) -> bool {
        self.signatures.iter().filter(|one| one.payout == row.id).count() > 1
    }

    /// The complete payout of a kind that goes first; `said` is what who bears the miner fee has agreed to.
    pub fn first(&self, kind: PayoutKind, said: Option<Amount>) -> Done<Option<&PayoutRow>> {
        let rows: Vec<&PayoutRow> = self.live(kind.as_str()).filter(|row| self.is_complete(row)).collect();
        let costs: Vec<_> = rows.iter().map(|row| Ok(self.payout(row)?.cost())).collect::<Done<_>>()?;
        Ok(pace::first(&costs, &self.pace, said).and_then(|place| rows.get(place).copied()))
    }

    /// The payout of a kind that is this transaction. A ruling that gives one side everything is the same transaction as
    /// a release or a refund, and one that was withdrawn may be made again: signatures belong to each row by itself.
    pub fn payout_of(&self, kind: PayoutKind, txid: Txid) -> Option<&PayoutRow> {
        let own = self.payouts.iter().filter(|row| row.kind == kind.as_str() && row.txid == txid);
        own.max_by_key(|row| (self.is_complete(row), !row.void))
    }

    /// The refund of a stray that goes by this transaction id at one of its fee steps, to be signed.
    pub fn refunds_of_stray(&self, trade: &Trade, txid: &str) -> Done<Vec<&PayoutRow>> {
        let rows: Vec<_> = self.live(Kind::Stray.as_str()).filter(|row| row.txid.to_string() == txid).collect();
        rows.iter().try_for_each(|row| self.still_stray(trade, row))?;
        Ok(rows)
    }

    /// A stray may have become the deposit, or may yet, when the one before was reorganised away: it is not signed then.
    fn still_stray(&self, trade: &Trade, payout: &PayoutRow) -> Done<()> {
        let spent = spent_by(payout)?;
        let mut coins = self.deposits.iter().filter(|one| spent.contains(&one.outpoint));
        if coins.all(|one| self.is_stray(trade, one)) {
            return Ok(());
        }
        Err(Refusal::conflict(
            "The chain has dropped the deposit, and these coins took its place or may take it: they are no extra payment \
             now. Look at the trade again.",
        )
        .into())
    }

    /// A stray's refund that two parties have signed.
    pub fn complete_stray(&self, txid: &str) -> Done<Option<SignedPayout>> {
        match self.live(Kind::Stray.as_str()).find(|row| row.txid.to_string() == txid) {
            Some(row) => self.signed(row),
            None => Ok(None),
        }
    }

    /// A payout with two verified signatures of different keys, checked once more before it may leave.
    pub fn signed(&self, row: &PayoutRow) -> Done<Option<SignedPayout>> {
        let payout = self.payout(row)?;
        let signatures = self.signatures_for(row, &payout)?;
        let [one, other, ..] = signatures.as_slice() else { return Ok(None) };
        let coins = if payout.kind() == Kind::Stray { self.coins_of(row)? } else { self.funding() };
        payout.check(&self.agreed, &coins)?;
        Ok(Some(SignedPayout::new(&payout, one, other)?))
    }

    /// Builds a payout over some outputs at every fee step, and keeps it. One that stands already stays as it is: other
    /// estimates do not change what signatures were asked for.
    pub async fn build(
        &self,
        client: &impl GenericClient,
        row: &TradeRow,
        kind: Kind,
        coins: &[Coin],
        about: Option<Uuid>,
        at: Timestamp,
    ) -> Done<()> {
        let mut outpoints: Vec<OutPoint> = coins.iter().map(|coin| coin.outpoint).collect();
        outpoints.sort();
        for other in self.live(kind.as_str()).filter(|other| other.about == about) {
            if spent_by(other)? == outpoints {
                return Ok(());
            }
        }
        self.keep(client, row, &self.built(kind, coins)?, about, at).await
    }

    /// Keeps payouts, to be signed.
    pub async fn keep(
        &self,
        client: &impl GenericClient,
        row: &TradeRow,
        payouts: &[Payout],
        about: Option<Uuid>,
        at: Timestamp,
    ) -> Done<()> {
        for payout in payouts {
            let (buyer, seller) = match payout.kind() {
                Kind::Settlement { buyer, seller } | Kind::Ruling { buyer, seller } => (buyer, seller),
                _ => (payout.amount_to(Payee::Buyer), payout.amount_to(Payee::Seller)),
            };
            let new = NewPayout {
                trade: row.id,
                kind: payout.kind().as_str(),
                steps: payout.steps().iter().filter_map(|step| i32::try_from(step.multiple()).ok()).collect(),
                about,
                psbt: payout.spend().psbt().serialize(),
                txid: payout.spend().txid(),
                fee: payout.fee(),
                buyer,
                seller,
                desk: payout.amount_to(Payee::Desk),
                arbitrator: payout.amount_to(Payee::Arbitrator),
                at,
            };
            payouts::insert(client, &new).await?;
        }
        Ok(())
    }

    /// The payouts of every fee step over some outputs, at what is estimated now; not kept.
    pub fn built(&self, kind: Kind, coins: &[Coin]) -> Done<Vec<Payout>> {
        Ok(Payout::of_all_steps(&self.agreed, kind, coins, self.pace.rate_within(TARGET_BLOCKS))?)
    }
}

/// The outputs that a payout spends, in order.
fn spent_by(row: &PayoutRow) -> Done<Vec<OutPoint>> {
    let psbt = bitcoin::Psbt::deserialize(&row.psbt).map_err(anyhow::Error::from)?;
    let mut spent: Vec<OutPoint> = psbt.unsigned_tx.input.iter().map(|input| input.previous_output).collect();
    spent.sort();
    Ok(spent)
}

type Read = (Arc<Contract>, Arc<Agreed>);

/// Contracts that were read lately, by their exact text: one act reads its trade's several times, and rebuilding the
/// escrow's keys and script is most of the work.
static LATELY: Mutex<BTreeMap<String, Read>> = Mutex::new(BTreeMap::new());

/// A contract's text has at most 16 KiB; so many are 16 MiB at the very worst.
const LATELY_MAX: usize = 512;

fn read_contract(text: &str) -> Done<Read> {
    let lately = || LATELY.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = lately().get(text) {
        return Ok(known.clone());
    }
    let contract = Contract::parse(text)?;
    let agreed = contract.agreed()?;
    let read = (Arc::new(contract), Arc::new(agreed));
    let mut lately = lately();
    if lately.len() >= LATELY_MAX {
        lately.clear();
    }
    lately.insert(text.to_owned(), read.clone());
    Ok(read)
}

/// An output as payouts spend it.
pub fn coin(deposit: &DepositRow) -> Coin {
    Coin { outpoint: deposit.outpoint, value: deposit.value, transaction: Some(deposit.transaction.clone()) }
}
