//! The page of a trade in parts, between comments of its template. A part has a mark of what it says; a page names the marks of
//! what it shows, so that only what differs is sent.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tera::Context;
use tokio::sync::Semaphore;

use super::Position;
use crate::desk::Error;
use crate::desk::secrets::sha256;
use crate::desk::trade_facts;
use crate::domain::{PublicRef, TradeId, UserId};
use crate::web::error::Trouble;
use crate::web::page::Page;
use crate::web::site::Site;
use crate::web::trades::TradePage;
use crate::web::visitor::{Chrome, Visitor};

/// The parts of `trades/trade.html` that are replaced. The room is none of them: it is added to, and its form is not touched.
pub const TRADE_PARTS: [&str; 8] = ["top", "told", "steps", "now", "keys", "facts", "alive", "papers"];

/// What a page carries until it is known what it says.
const NO_POSITION: &str = "data-at=\"\"";

/// Pages that are made anew at a time: after a block each open page has news, and none of them may take all connections.
const PAGES_AT_ONCE: usize = 4;
/// Rooms that are read at a time.
const ROOMS_AT_ONCE: usize = 8;
/// Made a moment ago, and perhaps wanted by the same person's other pages.
const KEPT_MAX: usize = 64;

/// One part: what it says in short, and what it is.
#[derive(Debug)]
pub struct Part {
    pub mark: u32,
    pub html: String,
}

/// All parts of a page as one person sees them.
pub type Parts = Vec<Part>;

type Slot = tokio::sync::Mutex<Option<(u64, Weak<Parts>)>>;

/// What open pages share.
#[derive(Debug)]
pub struct Shared {
    pub(super) rooms: Semaphore,
    pub(super) pages: Semaphore,
    slots: Mutex<HashMap<(TradeId, UserId), Weak<Slot>>>,
    kept: Mutex<VecDeque<Arc<Parts>>>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            rooms: Semaphore::new(ROOMS_AT_ONCE),
            pages: Semaphore::new(PAGES_AT_ONCE),
            slots: Mutex::default(),
            kept: Mutex::default(),
        }
    }
}

/// What the pages of one person on one trade have in common.
#[derive(Debug)]
pub struct View {
    slot: Arc<Slot>,
    reference: PublicRef,
    account: UserId,
}

impl Shared {
    pub fn view(&self, trade: TradeId, reference: PublicRef, account: UserId) -> View {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(&(trade, account)).and_then(Weak::upgrade) {
            return View { slot, reference, account };
        }
        if slots.len() == slots.capacity() {
            slots.retain(|_, slot| slot.strong_count() > 0);
        }
        let slot = Arc::new(Slot::default());
        slots.insert((trade, account), Arc::downgrade(&slot));
        View { slot, reference, account }
    }

    fn keep(&self, parts: &Arc<Parts>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(parts.clone());
    }
}

impl View {
    /// The parts as they are now, or were made after this round of news already. What was made before will not do for a page
    /// that was just opened: it may show what no bell has rung for yet.
    pub async fn parts(&self, site: &Site, round: impl Fn() -> u64, just_opened: bool) -> Result<Arc<Parts>, Trouble> {
        let mut slot = self.slot.lock().await;
        // Before anything is read: what happens meanwhile is of a later round.
        let wanted = round();
        if let Some((made, parts)) = &*slot
            && !just_opened
            && *made >= wanted
            && let Some(parts) = parts.upgrade()
        {
            return Ok(parts);
        }
        let facts = trade_facts::beside_the_room(&site.desk, self.reference, self.account).await?;
        let parts = Arc::new(render(site, &TradePage::new(site, facts))?);
        site.live.keep(&parts);
        *slot = Some((wanted, Arc::downgrade(&parts)));
        Ok(parts)
    }
}

/// Nothing of one browser is in them: its own form token is put in there.
fn render(site: &Site, page: &TradePage) -> Result<Parts, Trouble> {
    let mut context = Context::from_serialize(page).map_err(anyhow::Error::from)?;
    let chrome = Visitor::nobody("", "/".into()).chrome(site);
    context.insert("chrome", &Chrome { csrf: String::new(), ..chrome });
    // A block by itself is no cheaper: Tera makes the page around it too.
    let html = site.tera.render(TradePage::TEMPLATE, &context).map_err(anyhow::Error::from)?;
    let part = |name| part(&html, name).map(|part| Part { mark: mark(part), html: part.to_owned() });
    let parts: Option<Parts> = TRADE_PARTS.into_iter().map(part).collect();
    Ok(parts.ok_or_else(|| Error::broken("the page of a trade lacks a part"))?)
}

/// A part of a page, between its two comments.
fn part<'a>(html: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = html.split_once(&format!("<!--{name}-->"))?;
    Some(rest.split_once(&format!("<!--/{name}-->"))?.0)
}

/// The whole page, with the position that it shows written into it.
pub fn positioned(html: &str, number: Option<i64>) -> String {
    let mut position = Position { number, ..Position::default() };
    for (of_part, name) in position.marks.iter_mut().zip(TRADE_PARTS) {
        *of_part = part(html, name).map_or(0, mark);
    }
    html.replacen(NO_POSITION, &format!("data-at=\"{position}\""), 1)
}

/// What a part says, whoever reads it, whenever and wherever: without form tokens and the words of times.
fn mark(part: &str) -> u32 {
    const TOKEN: &str = "name=\"csrf\" value=\"";
    const TIME: &str = "<time datetime=\"";
    let mut still = String::with_capacity(part.len());
    let mut rest = part;
    while let Some(at) = [TOKEN, TIME].into_iter().filter_map(|start| rest.find(start)).min() {
        let (before, moving) = rest.split_at(at);
        still.push_str(before);
        // The moment itself stays.
        let (kept, end) = if moving.starts_with(TIME) {
            (moving.split('"').nth(1).unwrap_or_default(), "</time>")
        } else {
            ("", "\">")
        };
        still.push_str(kept);
        rest = moving.split_once(end).map_or("", |(_, rest)| rest);
    }
    still.push_str(rest);
    let hash = sha256(still);
    // Zero is no part's.
    hash.first_chunk().map_or(1, |bytes| u32::from_be_bytes(*bytes)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_the_same_for_every_browser_every_minute_and_everywhere() {
        let part = |token: &str, left: &str| {
            format!(
                "<b>Pay</b><input name=\"csrf\" value=\"{token}\"><i>x</i> \
                 <time datetime=\"T\" data-countdown data-now=\"{left}\">{left}</time><u>until</u> \
                 <time datetime=\"T\" data-local>14:20 UTC</time>"
            )
        };
        let one = part("", "41 min left");
        assert_eq!(mark(&one), mark(&part("abc", "40 min left")));
        assert_eq!(mark(&one), mark(&one.replace(" data-local>14:20 UTC", ">15:20 CET")));
        for (old, new) in [("Pay", "Release"), ("<i>x", "<i>y"), ("<u>until", "<u>from"), ("\"T\"", "\"U\"")] {
            assert_ne!(mark(&one), mark(&one.replace(old, new)), "{old}");
        }
    }

    #[test]
    fn a_page_says_where_it_is() {
        let page = "<!--top--><b>T</b><!--/top--><div data-at=\"\"><!--now--><i>N</i><!--/now--></div>data-at=\"\"";
        let placed = positioned(page, Some(12));
        let at = placed.split('"').nth(1).unwrap();
        let position: Position = at.parse().unwrap();
        assert_eq!(position.number, Some(12));
        assert_eq!((position.marks[0], position.marks[3]), (mark("<b>T</b>"), mark("<i>N</i>")));
        assert!(placed.ends_with("data-at=\"\""), "only its own place is written");
    }
}
