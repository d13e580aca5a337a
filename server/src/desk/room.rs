//! The room of a trade: the two traders talk, events stand between their words, and the arbitrator may come in once
//! he is needed. Everybody else finds nothing here.

mod view;
mod words;

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

pub use view::{Entry, Heard, PictureView, RoomView};
pub use words::{EventFacts, how_long, of_act, of_event};

use super::pictures::{self, Picture};
use super::throttle::{self, MESSAGES_ACCOUNT, PICTURES_ACCOUNT};
use super::{Desk, Done, Error};
use crate::domain::money::btc_words;
use crate::domain::text::{MESSAGE_CHARS_MAX, clean_optional_text};
use crate::domain::trade::Act;
use crate::domain::{AttachmentId, Event, MessageId, PublicRef, Quote, Refusal, Stage, TradeId, UserId};
use crate::store::GenericClient;
use crate::store::messages::{self, NewMessage, RoomRow};
use crate::store::{attachments, live, notices as store};

/// Messages of people in one room: more than any trade needs, and a page of them can still be exported.
const MESSAGES_MAX: i64 = 2_000;
/// Pictures in one room: evidence of a long dispute, at about half a megabyte each.
const PICTURES_MAX: i64 = 100;

/// Every line there can be: people's, and events of a trade, of which there are fewer.
const ALL_LINES: i64 = 10 * MESSAGES_MAX;
/// Lines that an open page hears at a time.
const HEARD_LINES: i64 = 50;

/// Says something in the room of a trade, with or without a picture.
pub async fn say(desk: &Desk, reference: PublicRef, who: UserId, text: &str, picture: Option<&[u8]>) -> Done<()> {
    let client = desk.store.connection().await?;
    enter(&client, &reference, who).await?;
    let text = checked(text, picture.is_some())?;
    let now = desk.now(&client).await?;
    throttle::by_name(desk, &client, MESSAGES_ACCOUNT, &who.to_string(), now).await?;
    if picture.is_some() {
        throttle::by_name(desk, &client, PICTURES_ACCOUNT, &who.to_string(), now).await?;
    }
    // Nobody keeps a connection while he waits for his turn.
    drop(client);
    let picture = match picture {
        Some(upload) => Some(pictures::reencode(upload.to_vec()).await?),
        None => None,
    };
    append(desk, reference, who, &text, picture.as_ref()).await
}

/// Puts a system event into the room, inside the transaction that causes it.
pub async fn system(client: &impl GenericClient, trade: TradeId, words: &str, at: Timestamp) -> Done<()> {
    let new = NewMessage { trade, account: None, body: words, attachment: None, at };
    Ok(messages::append(client, MessageId(Uuid::now_v7()), new).await?)
}

/// The first line of a room: what was agreed.
pub fn words_of_take(quote: &Quote) -> String {
    format!("Trade agreed: {} for {}. Both sign the contract next.", quote.fiat, btc_words(quote.amount))
}

/// Tells the room of an event of the lifecycle.
pub async fn announce(
    client: &impl GenericClient,
    trade: TradeId,
    event: Event,
    facts: &EventFacts<'_>,
    at: Timestamp,
) -> Done<()> {
    system(client, trade, &of_event(event, facts), at).await
}

/// Tells the room of an act that changed no stage, where that is worth a sentence.
pub async fn announce_act(
    client: &impl GenericClient,
    trade: TradeId,
    act: &Act,
    facts: &EventFacts<'_>,
    at: Timestamp,
) -> Done<()> {
    match of_act(act, facts) {
        Some(words) => system(client, trade, &words, at).await,
        None => Ok(()),
    }
}

/// The room as this viewer sees it; what it shows counts as read.
pub async fn view(client: &impl GenericClient, reference: PublicRef, viewer: UserId) -> Done<RoomView> {
    let room = enter(client, &reference, viewer).await?;
    let timeline = messages::of_trade(client, room.trade, 0, ALL_LINES).await?;
    let reads = messages::reads(client, room.trade).await?;
    let here = live::here(client, room.trade).await?;
    if let Some(last) = timeline.last() {
        let known = reads.iter().any(|(account, number)| *account == viewer && *number >= last.number);
        if !known {
            messages::mark_read(client, room.trade, viewer, last.number).await?;
        }
    }
    Ok(view::of(&room, viewer, &timeline, &reads, &here))
}

/// What was said after a line, with who has read and who is there; `None` while this viewer may not be in the room.
///
/// Nothing is ever missed: a line gets its number while its trade is held, so a lower one never shows up later.
pub async fn since(desk: &Desk, reference: PublicRef, viewer: UserId, after: i64) -> Done<Option<Heard>> {
    let client = desk.store.connection().await?;
    let room = match enter(&client, &reference, viewer).await {
        Ok(room) => room,
        Err(Error::Refused(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let lines = messages::of_trade(&client, room.trade, after, HEARD_LINES).await?;
    let more = i64::try_from(lines.len()).is_ok_and(|lines| lines == HEARD_LINES);
    let reads = messages::reads(&client, room.trade).await?;
    let here = live::here(&client, room.trade).await?;
    Ok(Some(Heard { more, ..view::heard(&room, viewer, &lines, &reads, &here) }))
}

/// Notes that this account has seen the room up to a line.
pub async fn read_up_to(desk: &Desk, reference: PublicRef, who: UserId, number: &str) -> Done<()> {
    let client = desk.store.connection().await?;
    let room = enter(&client, &reference, who).await?;
    let number = number.parse().map_err(|_| Refusal::field("number", "No line has this number."))?;
    messages::mark_read(&client, room.trade, who, number).await?;
    desk.live.kick();
    Ok(())
}

/// How much others have said that this account has not read, by trade.
pub async fn unread(client: &impl GenericClient, account: UserId) -> Done<BTreeMap<TradeId, i64>> {
    Ok(messages::unread(client, account).await?.into_iter().collect())
}

/// The whole timeline as plain text.
pub async fn export(desk: &Desk, reference: PublicRef, who: UserId) -> Done<String> {
    let client = desk.store.connection().await?;
    let room = enter(&client, &reference, who).await?;
    let timeline = messages::of_trade(&client, room.trade, 0, ALL_LINES).await?;
    Ok(view::plain(&room, &desk.rules.desk_name, &timeline, desk.now(&client).await?))
}

/// A picture, opened for somebody who may read the room.
#[derive(Debug, Clone)]
pub struct OpenPicture {
    pub media_type: String,
    pub bytes: Vec<u8>,
}

pub async fn picture(desk: &Desk, reference: PublicRef, who: UserId, id: AttachmentId) -> Done<OpenPicture> {
    let client = desk.store.connection().await?;
    let room = enter(&client, &reference, who).await?;
    let row = attachments::find(&client, room.trade, id).await?.ok_or_else(Refusal::not_found)?;
    Ok(OpenPicture { bytes: desk.secrets.open(&pictures::place(id), &row.sealed)?, media_type: row.media_type })
}

/// The room, for those who may be in it. For a stranger, and for an arbitrator not needed yet, there is none.
async fn enter(client: &impl GenericClient, reference: &PublicRef, who: UserId) -> Done<RoomRow> {
    let room = messages::room(client, reference).await?.ok_or_else(Refusal::not_found)?;
    let trader = who == room.buyer.id || who == room.seller.id;
    if trader || (who == room.arbitrator.id && arbitrator_may_enter(&room)) {
        Ok(room)
    } else {
        Err(Refusal::not_found().into())
    }
}

/// A dispute was opened, or his signature on a refund is asked for. Once in, he stays: he has seen it all by then.
fn arbitrator_may_enter(room: &RoomRow) -> bool {
    room.disputed || room.refund_asked || matches!(room.stage, Stage::Disputed | Stage::Ruled | Stage::RefundDue)
}

fn checked(text: &str, with_picture: bool) -> Result<String, Refusal> {
    let text = clean_optional_text(text, MESSAGE_CHARS_MAX).map_err(|why| Refusal::field("text", why.to_string()))?;
    if text.trim().is_empty() && !with_picture {
        return Err(Refusal::field("text", "Write something, or choose a picture."));
    }
    Ok(text)
}

async fn append(desk: &Desk, reference: PublicRef, who: UserId, text: &str, picture: Option<&Picture>) -> Done<()> {
    let mut client = desk.store.connection().await?;
    let tx = client.transaction().await?;
    messages::lock(&tx, &reference).await?;
    let room = enter(&tx, &reference, who).await?;
    refuse_when_full(messages::said_by_people(&tx, room.trade).await?, picture.is_some())?;
    let at = desk.now(&tx).await?;
    let attachment = match picture {
        Some(picture) => Some(pictures::keep(desk, &tx, room.trade, who, picture, at).await?),
        None => None,
    };
    let new = NewMessage { trade: room.trade, account: Some(who), body: text, attachment, at };
    messages::append(&tx, MessageId(Uuid::now_v7()), new).await?;
    store::add_message(&tx, room.trade, &listeners(&room, who), at).await?;
    tx.commit().await?;
    desk.live.kick();
    Ok(())
}

/// Who is told that something was said: everybody in the room but who said it.
fn listeners(room: &RoomRow, speaker: UserId) -> Vec<UserId> {
    let arbitrator = arbitrator_may_enter(room).then_some(room.arbitrator.id);
    let all = [room.buyer.id, room.seller.id].into_iter().chain(arbitrator);
    all.filter(|one| *one != speaker).collect()
}

fn refuse_when_full((said, pictures): (i64, i64), with_picture: bool) -> Result<(), Refusal> {
    if said >= MESSAGES_MAX {
        return Err(Refusal::field("text", format!("This room is full: it holds {MESSAGES_MAX} messages.")));
    }
    if with_picture && pictures >= PICTURES_MAX {
        return Err(Refusal::field("picture", format!("This room holds {PICTURES_MAX} pictures, and they are there.")));
    }
    Ok(())
}
