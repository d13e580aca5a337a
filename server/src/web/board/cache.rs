//! Boards that are ready: built when something changed or a minute has passed, never because somebody looks.
//!
//! The board's version is asked for at most every [`CHECK_MILLIS`], by the one request that comes first; all others
//! are served from memory and do not touch the database. Changes made in this process are seen by the next request
//! ([`Cache::stale`]), changes made elsewhere a third of a second later.

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use actix_web::web::Bytes;
use data_encoding::HEXLOWER;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;

use super::super::error::Trouble;
use super::super::page::Page;
use super::super::site::Site;
use super::super::visitor::Visitor;
use super::address;
use super::page::BoardPage;
use crate::desk::board::{self, Board, Filter};
use crate::desk::quotes::rate_max_age;
use crate::desk::secrets::sha256;

/// How often the version is asked for.
const CHECK_MILLIS: u64 = 300;
/// A page tells how old the rate is in words, so it does not live longer.
const LIFE_SECONDS: i64 = 60;
/// Filters kept at a time; beyond that the cache starts anew. A page has some 20 kB.
const PAGES_MAX: usize = 400;

/// All boards that are ready.
#[derive(Debug)]
pub struct Cache {
    started: Instant,
    version: AtomicI64,
    /// When the version is to be asked for again, in milliseconds since the start.
    check_at: AtomicU64,
    pages: RwLock<HashMap<Filter, Arc<Seen>>>,
    /// One build at a time: a hundred readers of a changed board cost one.
    building: tokio::sync::Mutex<()>,
}

/// One page of the board, and its bytes for visitors in each theme.
#[derive(Debug)]
pub struct Seen {
    pub board: Board,
    version: i64,
    ends_at: Timestamp,
    themes: [OnceLock<Cached>; 3],
    references: OnceLock<Cached>,
}

/// Bytes to be sent as they are.
#[derive(Debug)]
pub struct Cached {
    pub tag: String,
    pub plain: Bytes,
    pub gzip: Bytes,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            version: AtomicI64::new(-1),
            check_at: AtomicU64::new(0),
            pages: RwLock::default(),
            building: tokio::sync::Mutex::default(),
        }
    }
}

impl Cache {
    /// Something on the board has just been changed here: the next request asks.
    pub fn stale(&self) {
        self.check_at.store(0, Ordering::SeqCst);
    }

    /// The page of a filter, ready or made now.
    pub async fn find(&self, site: &Site, filter: Filter) -> Result<Arc<Seen>, Trouble> {
        let version = self.version(site).await?;
        // Ages a copy, decides nothing: the desk's clock is asked when one is built.
        let now = site.desk.clock.shifted(Timestamp::now());
        if let Some(seen) = self.ready(&filter, version, now) {
            return Ok(seen);
        }
        let _one_at_a_time = self.building.lock().await;
        if let Some(seen) = self.ready(&filter, version, now) {
            return Ok(seen);
        }
        let board = board::read(&site.desk, &filter).await?;
        let seen = Arc::new(Seen::new(board, version, site));
        if seen.board.amount_problem.is_none() {
            let mut pages = self.pages.write().unwrap_or_else(PoisonError::into_inner);
            if pages.len() >= PAGES_MAX {
                pages.clear();
            }
            pages.insert(filter, seen.clone());
        }
        Ok(seen)
    }

    fn ready(&self, filter: &Filter, version: i64, now: Timestamp) -> Option<Arc<Seen>> {
        let pages = self.pages.read().unwrap_or_else(PoisonError::into_inner);
        pages.get(filter).filter(|seen| seen.version == version && now < seen.ends_at).cloned()
    }

    async fn version(&self, site: &Site) -> Result<i64, Trouble> {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let due = self.check_at.load(Ordering::SeqCst);
        let mine = now >= due
            && self.check_at.compare_exchange(due, now + CHECK_MILLIS, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        if mine {
            // A database that is away takes no board from those who only read.
            match board::version(&site.desk).await {
                Ok(version) => self.version.store(version, Ordering::SeqCst),
                Err(error) => tracing::warn!(%error, "the board's version could not be read"),
            }
        }
        Ok(self.version.load(Ordering::SeqCst))
    }
}

impl Seen {
    fn new(board: Board, version: i64, site: &Site) -> Self {
        let now = board.market.now;
        let minute = now.checked_add(jiff::SignedDuration::from_secs(LIFE_SECONDS)).unwrap_or(now);
        let rate_ends = board.rate_ends_at(rate_max_age(&site.desk.rules));
        let ends_at = rate_ends.map_or(minute, |ends| ends.min(minute));
        Self { board, version, ends_at, themes: Default::default(), references: OnceLock::new() }
    }

    /// Which offers are on this page, as JSON: whoever has it open counts those that are new.
    pub fn references(&self) -> &Cached {
        self.references.get_or_init(|| {
            let all: Vec<_> = self.board.lines.iter().map(|line| line.reference).collect();
            Cached::new(&serde_json::json!(all).to_string())
        })
    }

    /// The page as every visitor with this theme gets it.
    pub fn html(&self, site: &Site, theme: &str) -> Result<&Cached, Trouble> {
        let [system, light, dark] = &self.themes;
        let slot = match theme {
            "light" => light,
            "dark" => dark,
            _ => system,
        };
        if let Some(cached) = slot.get() {
            return Ok(cached);
        }
        let nobody = Visitor::nobody(theme, address::write(&self.board.filter));
        let html = BoardPage::new(&self.board, &nobody).html(site, &nobody)?;
        Ok(slot.get_or_init(|| Cached::new(&html)))
    }
}

impl Cached {
    fn new(html: &str) -> Self {
        // Indentation is for those who write templates; half of what is sent is not to be blanks.
        let html: String =
            html.lines().map(str::trim_start).filter(|line| !line.is_empty()).flat_map(|line| [line, "\n"]).collect();
        let tag = HEXLOWER.encode(sha256(&html).get(..12).unwrap_or_default());
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        // Writing into memory does not fail; should it, the reader gets what can be unpacked.
        let written = packed.write_all(html.as_bytes()).and_then(|()| packed.finish());
        Self { tag: format!("W/\"{tag}\""), plain: Bytes::from(html), gzip: written.unwrap_or_default().into() }
    }
}
