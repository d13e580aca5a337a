//! The one row of facts about the desk itself.

use jiff::Timestamp;

use super::{GenericClient, Stored, board};

const SETTLE: &str = "INSERT INTO desk_state (network) VALUES ($1) ON CONFLICT DO NOTHING";
const NETWORK: &str = "SELECT network FROM desk_state";

/// Writes the network at the first start; returns the one that stands there.
pub async fn settle(client: &impl GenericClient, network: &str) -> Stored<String> {
    client.execute(&client.prepare_cached(SETTLE).await?, &[&network]).await?;
    Ok(client.query_one(&client.prepare_cached(NETWORK).await?, &[]).await?.try_get(0)?)
}

const MARK: &str = "UPDATE desk_state SET data_key_mark = $1 WHERE data_key_mark IS NULL";
const MARKED: &str = "SELECT data_key_mark FROM desk_state";

/// What tells the data key from others, once it is written.
pub async fn data_key_mark(client: &impl GenericClient) -> Stored<Option<Vec<u8>>> {
    Ok(client.query_one(&client.prepare_cached(MARKED).await?, &[]).await?.try_get(0)?)
}

/// Writes it where nothing stands yet.
pub async fn set_data_key_mark(client: &impl GenericClient, mark: &[u8; 32]) -> Stored<()> {
    client.execute(&client.prepare_cached(MARK).await?, &[&mark.as_slice()]).await?;
    Ok(())
}

const PAUSED: &str = "SELECT paused_why FROM desk_state";

/// Why the desk is paused, if it is.
pub async fn paused_why(client: &impl GenericClient) -> Stored<Option<String>> {
    match client.query_opt(&client.prepare_cached(PAUSED).await?, &[]).await? {
        Some(row) => Ok(row.try_get(0)?),
        None => Ok(None),
    }
}

const PAUSE: &str = "UPDATE desk_state SET paused_at = $1, paused_why = $2";

/// With a reason paused, without one resumed.
pub async fn set_pause(client: &impl GenericClient, pause: Option<(Timestamp, &str)>) -> Stored<()> {
    let (at, why) = pause.unzip();
    client.execute(&client.prepare_cached(PAUSE).await?, &[&at, &why]).await?;
    board::bump(client).await
}
