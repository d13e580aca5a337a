//! Somebody knocks: who is behind a cookie, and whether the desk is there at all.

use super::secrets::sha256;
use super::{Desk, Error, sight};
use crate::store::{deposits, migrate, sessions};

pub use crate::store::sessions::SignedInRow as SignedIn;

/// Who is signed in with this token; notes that the browser was here.
pub async fn signed_in(desk: &Desk, token: &str) -> Result<Option<SignedIn>, Error> {
    let client = desk.store.connection().await?;
    let found = sessions::find(&client, &sha256(token)).await?;
    if let Some(row) = &found {
        sessions::touch(&client, row.session).await?;
    }
    Ok(found)
}

/// A node that was not heard for so long is away: the desk cannot judge deposits.
const NODE_SILENT_SECONDS: i64 = 120;

/// What `/readyz` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    pub ready: bool,
    /// One line each for database, migrations and chain.
    pub lines: Vec<String>,
}

/// Whether the desk can work: the database answers, its schema is this program's, and the node was heard lately.
pub async fn ready(desk: &Desk) -> Result<Readiness, Error> {
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let mut lines = vec!["database: ok".to_owned()];
    let current = migrate::is_current(&client).await?;
    lines.push(if current { "migrations: ok".into() } else { "migrations: not those of this program".into() });
    let heard = deposits::cursor(&client).await?;
    let seconds_since = |at| now.duration_since(at).as_secs();
    let trouble = sight::trouble(&client).await?;
    let fresh = heard.as_ref().is_some_and(|cursor| seconds_since(cursor.seen_at) < NODE_SILENT_SECONDS);
    lines.push(match heard {
        None => "chain: not read yet".into(),
        Some(cursor) => format!(
            "chain: height {}, tip {} s old, node heard {} s ago",
            cursor.height,
            seconds_since(cursor.tip_at),
            seconds_since(cursor.seen_at)
        ),
    });
    if let Some(out) = &trouble {
        lines.push(format!(
            // What the node said names addresses; it stands on the operator's page.
            "chain: {} since {}, nothing is counted until it is back",
            out.trouble.as_str(),
            out.since.strftime("%FT%TZ")
        ));
    }
    Ok(Readiness { ready: current && fresh && trouble.is_none(), lines })
}
