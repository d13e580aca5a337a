//! The desk after a restore: what was done since the backup is not known any more, so nothing that may be given only
//! once is given again.
//!
//! It notices by itself, however the copy came here: by `trine restore`, or by hand.

use jiff::Timestamp;
use serde_json::json;

use super::Desk;
use super::acts::Hand;
use super::error::Done;
use super::public_log;
use crate::store::acts::NewAct;
use crate::store::restores;

/// A restore that was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// When the desk of the backup last said that it ran; what people did since is lost.
    pub known_until: Option<Timestamp>,
}

/// Looks whether the desk lives where it did; if it does not, numbering goes on a hundred above what is known, sessions
/// and secret addresses end, and the public log says so.
pub async fn at_home(desk: &Desk) -> Done<Option<Restored>> {
    let mut client = desk.store.connection().await?;
    let tx = client.transaction().await?;
    if !restores::moved(&tx).await? {
        tx.commit().await?;
        return Ok(None);
    }
    let now = desk.now(&tx).await?;
    let known_until = restores::go_on(&tx, now).await?;
    let told = known_until.map(|at| at.strftime("%FT%TZ").to_string()).unwrap_or_default();
    public_log::append(&tx, now, "restored", &json!({ "known_until": told })).await?;
    Hand::from(desk).note(&tx, now, &NewAct { act: "restored desk", how: &told, ..NewAct::default() }).await?;
    tx.commit().await?;
    tracing::warn!(
        known_until = told,
        "this is a restored copy: numbering goes on a hundred above, everybody signs in anew"
    );
    Ok(Some(Restored { known_until }))
}
