//! What takes are decided from, and the decision: one take after the other, each with what those before it have taken.

use std::collections::{BTreeSet, HashMap};

use bitcoin::FeeRate;
use uuid::Uuid;

use super::batch::Ask;
use super::{new_accounts_go_slowly, no_node, still_as_seen};
use crate::desk::draw::{DrawnArbitrator, Draws};
use crate::desk::error::{Done, Error};
use crate::desk::keys::Indexes;
use crate::desk::payment_accounts::Opened;
use crate::desk::quotes::{Market, Priced, TakeReview};
use crate::desk::secrets::random;
use crate::desk::{Desk, keys, payment_accounts, quotes};
use crate::domain::hours::Week;
use crate::domain::{AccountName, Fiat, KeyId, OfferId, PaymentAccountId, PublicRef, Refusal, Side, TradeId, UserId};
use crate::escrow::{AccountKey, EscrowIndex, Lock, fees};
use crate::store::Transaction;
use crate::store::offers::{self, OfferRow};
use crate::store::takes::{self, Scene, Taker};

/// One side of the trade that is being made.
#[derive(Debug)]
pub(super) struct Person {
    pub account: UserId,
    pub name: AccountName,
    pub key_id: KeyId,
    pub key: AccountKey,
    pub address: String,
    pub accounts: Opened,
    pub hours: Option<Week>,
}

/// A take that will be made, unless the whole batch comes to nothing.
#[derive(Debug)]
pub(super) struct Decided {
    pub id: TradeId,
    pub reference: PublicRef,
    pub taker: UserId,
    pub offer: PublicRef,
    pub review: TakeReview,
    pub buyer: Person,
    pub seller: Person,
    pub arbitrator: DrawnArbitrator,
    pub index: EscrowIndex,
    /// Satoshis per virtual byte, as the contract names it.
    pub feerate: u32,
}

impl Decided {
    /// Those of the two traders.
    pub(super) fn keys(&self) -> [&AccountKey; 2] {
        [&self.buyer.key, &self.seller.key]
    }
}

/// Everything that the takes of a batch are decided from. It is held, so that it stays true until they are written; and
/// every decision changes it.
#[derive(Debug)]
pub(super) struct Table {
    offers: HashMap<PublicRef, Priced>,
    scene: Scene,
    pub draws: Draws,
    pub indexes: Indexes,
}

impl Table {
    pub(super) async fn read(desk: &Desk, tx: &Transaction<'_>, asks: &[Ask], fee_rate: FeeRate) -> Done<Self> {
        let wanted: BTreeSet<PublicRef> = asks.iter().map(|ask| ask.offer).collect();
        let wanted: Vec<PublicRef> = wanted.into_iter().collect();
        takes::ready(tx).await?;
        let (_, now, held) = tokio::try_join!(
            biased;
            async { Ok::<(), Error>(takes::plan_once(tx).await?) },
            desk.now(tx),
            async { Ok(offers::hold(tx, &wanted).await?) },
        )?;
        let takers: BTreeSet<UserId> = asks.iter().map(|ask| ask.taker).collect();
        let takers: Vec<UserId> = takers.into_iter().collect();
        let pairs = asks.iter().filter_map(|ask| {
            let row = held.iter().find(|row| row.offer.reference == ask.offer)?;
            Some([row.offer.maker, ask.taker])
        });
        let pairs: Vec<[UserId; 2]> = pairs.collect();
        let typed = asks.iter().filter_map(|ask| Uuid::parse_str(&ask.form.key).ok()).map(KeyId);
        let keys: Vec<KeyId> = held.iter().map(|row| row.key).chain(typed).collect();
        let (scene, draws, indexes) = tokio::try_join!(
            biased;
            async { Ok(takes::scene(tx, &takers, &held, now).await?) },
            Draws::hold(desk, tx, &pairs, now),
            Indexes::hold(tx, &keys),
        )?;
        let priced = |row: OfferRow| {
            let market = Market::new(&desk.rules, scene.rate(row.offer.currency), now);
            (row.offer.reference, Priced::new(&desk.rules, row, market, fee_rate))
        };
        let offers = held.into_iter().map(priced).collect();
        Ok(Self { offers, scene, draws, indexes })
    }

    pub(super) fn offer(&self, reference: PublicRef) -> Option<&Priced> {
        self.offers.get(&reference)
    }

    /// What has hold of an offer's total now.
    pub(super) fn reserved(&self, reference: PublicRef) -> Option<(OfferId, Fiat)> {
        let offer = &self.offer(reference)?.row.offer;
        Some((offer.id, offer.reserved))
    }

    /// Decides one take. One that is refused leaves nothing behind.
    pub(super) fn decide(&mut self, desk: &Desk, ask: &Ask) -> Done<Decided> {
        let decided = self.checked(desk, ask)?;
        let priced = self.offers.get_mut(&ask.offer).ok_or_else(Refusal::not_found)?;
        let taker = self.scene.takers.get_mut(&ask.taker).ok_or_else(Refusal::not_found)?;
        let offer = &mut priced.row.offer;
        offer.reserved = offer.reserve(decided.review.quote.fiat)?;
        taker.record.proposed = taker.record.proposed.saturating_add(1);
        if let Some(maker) = self.scene.takers.get_mut(&offer.maker) {
            maker.record.proposed = maker.record.proposed.saturating_add(1);
        }
        let pair = [decided.buyer.account, decided.seller.account];
        self.draws.fix(pair, &decided.arbitrator, decided.review.quote.deposit);
        self.indexes.give(decided.keys(), decided.index, decided.id);
        Ok(decided)
    }

    fn checked(&self, desk: &Desk, ask: &Ask) -> Done<Decided> {
        let Ask { taker, offer, form } = ask;
        let priced = self.offer(*offer).ok_or_else(Refusal::not_found)?;
        let who = self.scene.takers.get(taker).ok_or_else(Refusal::not_found)?;
        let usable = self.scene.usable(*taker);
        let review = quotes::check(desk, *taker, priced, form, &self.scene.accounts, usable)?;
        fees::take_is_affordable(review.quote.deposit, priced.fee_rate)?;
        still_as_seen(*taker, priced, &who.halts, &review, form)?;
        new_accounts_go_slowly(desk, &who.record)?;
        if self.scene.blocked(*taker, priced.row.offer.maker) {
            return Err(Refusal::conflict("One of you two does not trade with the other. Nothing was changed.").into());
        }
        let feerate = u32::try_from(priced.fee_rate.to_sat_per_vb_ceil()).map_err(|_| no_node())?;
        let (buyer, seller) = self.both_sides(desk, priced, (*taker, who), &review)?;
        let arbitrator = self.draws.arbitrator_for(desk, [buyer.account, seller.account])?;
        let index = self.indexes.lowest([&buyer.key, &seller.key])?;
        Lock::refuse_alike([&buyer.key, &seller.key, &arbitrator.key]).map_err(Refusal::from)?;
        Ok(Decided {
            id: TradeId(Uuid::now_v7()),
            reference: PublicRef::from_bits(random()),
            taker: *taker,
            offer: *offer,
            review,
            buyer,
            seller,
            arbitrator,
            index,
            feerate,
        })
    }

    /// Maker and taker as buyer and seller.
    fn both_sides(
        &self,
        desk: &Desk,
        priced: &Priced,
        (taker, who): (UserId, &Taker),
        review: &TakeReview,
    ) -> Done<(Person, Person)> {
        let (held, offer) = (&priced.row, &priced.row.offer);
        let their = offer
            .account_for(review.method)
            .ok_or_else(|| Refusal::conflict("This offer does not take that way to pay."))?;
        let maker_key = self.scene.key(offer.maker, held.key).ok_or_else(|| {
            Refusal::conflict("The maker's signing key is not in use any more, so this offer cannot be taken.")
        })?;
        let taker_key = self.scene.key(taker, review.key).ok_or_else(Refusal::not_found)?;
        let maker = Person {
            account: offer.maker,
            name: AccountName::parse(&held.maker_name).map_err(Error::broken)?,
            key_id: held.key,
            key: keys::parsed(desk, maker_key)?,
            address: held.address.clone(),
            accounts: self.opened(desk, offer.maker, their.account)?,
            hours: self.scene.hours(offer.maker),
        };
        let taker = Person {
            account: taker,
            name: AccountName::parse(&who.name).map_err(Error::broken)?,
            key_id: review.key,
            key: keys::parsed(desk, taker_key)?,
            address: review.address.clone(),
            accounts: self.opened(desk, taker, review.payment_account)?,
            hours: self.scene.hours(taker),
        };
        Ok(match offer.side {
            Side::Buyer => (maker, taker),
            Side::Seller => (taker, maker),
        })
    }

    fn opened(&self, desk: &Desk, owner: UserId, id: PaymentAccountId) -> Done<Opened> {
        let row = self.scene.accounts.iter().find(|row| row.id == id && row.owner == owner);
        payment_accounts::opened(desk, row.ok_or_else(Refusal::not_found)?.clone())
    }
}
