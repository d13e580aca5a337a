//! The seats at open pages of this process: who sits where, and a bell for each. A bell is a hint; what is new is read
//! from the database by whoever sits there, from where he stands.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::domain::{Refusal, RefusalKind, SessionId, TradeId, UserId};
use crate::store::live::{Glance, News, What};

/// Open pages of one browser: more than it can hold connections to one desk over HTTP/1.1, which are six.
const SEATS_OF_A_SESSION_MAX: usize = 8;
/// Open pages of one server, at some 20 KiB each.
const SEATS_MAX: usize = 10_000;

/// Bits of [`Due`].
const SAID: u8 = 1;
const CHANGED: u8 = 2;
const CROWDED: u8 = 4;
const SIGNED_OUT: u8 = 8;
const CLOSING: u8 = 16;

/// What there may be to read for somebody at a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due(u8);

/// Why somebody has to leave his seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// The same browser has opened too many others since.
    Crowded,
    /// The session was ended, or the account is suspended.
    SignedOut,
    /// The server stops.
    Closing,
}

impl Due {
    pub const NOTHING: Self = Self(0);
    pub const EVERYTHING: Self = Self(SAID | CHANGED);
    pub const ROOM: Self = Self(SAID);

    pub fn room(self) -> bool {
        self.0 & SAID != 0
    }

    pub fn page(self) -> bool {
        self.0 & CHANGED != 0
    }

    #[must_use]
    pub fn without_room(self) -> Self {
        Self(self.0 & !SAID)
    }

    #[must_use]
    pub fn without_page(self) -> Self {
        Self(self.0 & !CHANGED)
    }

    pub fn leave(self) -> Option<Leave> {
        match self.0 {
            bits if bits & SIGNED_OUT != 0 => Some(Leave::SignedOut),
            bits if bits & CLOSING != 0 => Some(Leave::Closing),
            bits if bits & CROWDED != 0 => Some(Leave::Crowded),
            _ => None,
        }
    }

    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[derive(Debug)]
struct Bell {
    trade: TradeId,
    account: UserId,
    session: SessionId,
    due: AtomicU8,
    rung: Notify,
}

impl Bell {
    fn ring(&self, due: u8) {
        self.due.fetch_or(due, Ordering::SeqCst);
        self.rung.notify_one();
    }
}

/// The pages of one trade.
#[derive(Debug, Default)]
struct Table {
    bells: Vec<Arc<Bell>>,
    /// Counts the news of the page: what was read after one of them need not be read again for it.
    round: u64,
    glance: Option<Glance>,
}

#[derive(Debug, Default)]
struct Seats {
    tables: HashMap<TradeId, Table>,
    sessions: HashMap<SessionId, Vec<Arc<Bell>>>,
    taken: usize,
}

/// All pages that are open at this process.
#[derive(Debug, Default)]
pub struct Live {
    seats: Mutex<Seats>,
    closed: AtomicBool,
    kicked: Notify,
}

/// One open page, until it is dropped.
#[derive(Debug)]
pub struct Seat {
    bell: Arc<Bell>,
    live: Arc<Live>,
}

impl Seat {
    /// What became due since this was asked last.
    pub fn take_due(&self) -> Due {
        Due(self.bell.due.swap(0, Ordering::SeqCst))
    }

    /// Waits for the bell.
    pub async fn rung(&self) {
        self.bell.rung.notified().await;
    }

    pub fn trade(&self) -> TradeId {
        self.bell.trade
    }

    pub fn account(&self) -> UserId {
        self.bell.account
    }

    /// Which news of its page is the latest.
    pub fn round(&self) -> u64 {
        self.live.lock().tables.get(&self.bell.trade).map_or(0, |table| table.round)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.live.lock();
        let mine = |bell: &Arc<Bell>| Arc::ptr_eq(bell, &self.bell);
        let trade = self.bell.trade;
        if seats.tables.get_mut(&trade).is_some_and(|table| {
            table.bells.retain(|bell| !mine(bell));
            table.bells.is_empty()
        }) {
            seats.tables.remove(&trade);
        }
        let session = self.bell.session;
        if seats.sessions.get_mut(&session).is_some_and(|bells| {
            bells.retain(|bell| !mine(bell));
            bells.is_empty()
        }) {
            seats.sessions.remove(&session);
        }
        seats.taken = seats.taken.saturating_sub(1);
    }
}

impl Live {
    /// Something was committed that open pages may show: the notifier looks now.
    pub fn kick(&self) {
        self.kicked.notify_one();
    }

    pub(super) async fn kicked(&self) {
        self.kicked.notified().await;
    }

    /// A seat at the page of a trade. The oldest of a browser that has too many is asked to leave.
    pub fn sit(
        self: &Arc<Self>,
        trade: TradeId,
        account: UserId,
        session: SessionId,
        glance: Option<Glance>,
    ) -> Result<Seat, Refusal> {
        let bell = Arc::new(Bell { trade, account, session, due: AtomicU8::new(0), rung: Notify::new() });
        let mut seats = self.lock();
        if seats.taken >= SEATS_MAX {
            let words = "Too many pages are open at this desk for news to come by themselves. Everything else works.";
            return Err(Refusal::new(RefusalKind::Unavailable, words));
        }
        seats.taken += 1;
        let table = seats.tables.entry(trade).or_default();
        table.bells.push(bell.clone());
        table.glance = table.glance.take().or(glance);
        let own = seats.sessions.entry(session).or_default();
        own.push(bell.clone());
        // Each that is too many, the oldest first: one that was asked before may still be on its way out.
        let too_many = own.len().saturating_sub(SEATS_OF_A_SESSION_MAX);
        own.iter().take(too_many).for_each(|oldest| oldest.ring(CROWDED));
        drop(seats);
        if self.is_closed() {
            bell.ring(CLOSING);
        }
        Ok(Seat { bell, live: self.clone() })
    }

    /// The server stops: every page is told so, and those that come later too.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.lock().tables.values().flat_map(|table| &table.bells).for_each(|bell| bell.ring(CLOSING));
        self.kick();
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// How many pages are open.
    pub fn taken(&self) -> usize {
        self.lock().taken
    }

    /// Rings where there is news.
    pub fn wake(&self, news: News) {
        // An event of the trade stands in its room too.
        let due = if news.what == What::Said { SAID } else { SAID | CHANGED };
        let mut seats = self.lock();
        let ring = |table: &mut Table| {
            table.round += u64::from(due & CHANGED != 0);
            table.bells.iter().for_each(|bell| bell.ring(due));
        };
        match news.trade {
            Some(trade) => seats.tables.get_mut(&trade).into_iter().for_each(ring),
            None => seats.tables.values_mut().for_each(ring),
        }
    }

    pub(super) fn trades(&self) -> Vec<TradeId> {
        self.lock().tables.keys().copied().collect()
    }

    pub(super) fn sessions(&self) -> Vec<SessionId> {
        self.lock().sessions.keys().copied().collect()
    }

    /// Who is here, at which trade.
    pub(super) fn people(&self) -> Vec<(TradeId, UserId)> {
        let seats = self.lock();
        let bells = seats.tables.values().flat_map(|table| &table.bells);
        bells.map(|bell| (bell.trade, bell.account)).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Rings where a glance shows what no bell has told.
    pub(super) fn compare(&self, glance: Glance) {
        let trade = glance.trade;
        let mut seats = self.lock();
        let Some(table) = seats.tables.get_mut(&trade) else { return };
        let what = match &table.glance {
            Some(before) if before.version != glance.version => Some(What::Changed),
            Some(before) if *before == glance => None,
            _ => Some(What::Said),
        };
        table.glance = Some(glance);
        drop(seats);
        if let Some(what) = what {
            self.wake(News { trade: Some(trade), what });
        }
    }

    /// All others are over.
    pub(super) fn keep_sessions(&self, asked: &[SessionId], good: &[SessionId]) {
        let seats = self.lock();
        let ended = asked.iter().filter(|session| !good.contains(session));
        ended.filter_map(|session| seats.sessions.get(session)).flatten().for_each(|bell| bell.ring(SIGNED_OUT));
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
