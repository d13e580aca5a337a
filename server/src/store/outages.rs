//! The desk's heartbeat, and the times when it did not run or could not see the chain.

use jiff::{SignedDuration, Timestamp};

use super::{GenericClient, Stored};

/// A time when every clock of the desk stood still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutageRow {
    /// One of the names of `domain::trade::Outage`.
    pub why: String,
    pub began_at: Timestamp,
    pub ended_at: Timestamp,
}

const BEAT: &str = "
    WITH first AS (INSERT INTO desk_beat (at) SELECT clock_timestamp() WHERE NOT EXISTS (SELECT FROM desk_beat)
                   ON CONFLICT DO NOTHING),
         last AS (SELECT at FROM desk_beat FOR UPDATE)
    UPDATE desk_beat b SET at = clock_timestamp() FROM last
     WHERE clock_timestamp() - last.at >= make_interval(secs => $1) OR last.at > clock_timestamp()
    RETURNING floor(extract(epoch FROM b.at - last.at) * 1000)::bigint";

/// Says that the desk runs, at most every so many seconds. How long it had been silent; nothing if that was not yet long
/// enough to say it again. Two servers are asked one after the other. Less than no time: the clock was put back.
pub async fn beat(client: &impl GenericClient, seconds_min: i32) -> Stored<Option<SignedDuration>> {
    let row = client.query_opt(&client.prepare_cached(BEAT).await?, &[&f64::from(seconds_min)]).await?;
    row.map(|row| Ok(SignedDuration::from_millis(row.try_get(0)?))).transpose()
}

const NOTE: &str = "INSERT INTO outages (why, began_at, ended_at) VALUES ($1, $2, $3)";

pub async fn note(client: &impl GenericClient, why: &str, began: Timestamp, ended: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(NOTE).await?, &[&why, &began, &ended]).await?;
    Ok(())
}

const FORGET_LATER: &str = "DELETE FROM outages WHERE began_at >= $1";
const CUT: &str = "UPDATE outages SET ended_at = $1 WHERE ended_at > $1";

/// No outage lasts longer than until now. One from before the clock was put back would go on meanwhile, for every trade.
pub async fn end_by_now(client: &impl GenericClient, now: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(FORGET_LATER).await?, &[&now]).await?;
    client.execute(&client.prepare_cached(CUT).await?, &[&now]).await?;
    Ok(())
}

const SINCE: &str = "
    SELECT why, began_at, ended_at FROM outages WHERE ended_at > $1
    UNION ALL
    SELECT 'chain', since, $2::timestamptz FROM chain_trouble WHERE $2 - since >= make_interval(secs => $3)
    UNION ALL
    SELECT 'desk', $2 - (now() - at), $2 FROM desk_beat WHERE now() - at >= make_interval(secs => $3)
    ORDER BY 2, 3";

/// What ended after `since`, and what goes on at `now` for at least so many seconds: it ends now. The earliest first.
pub async fn since(
    client: &impl GenericClient,
    since: Timestamp,
    now: Timestamp,
    seconds_min: i32,
) -> Stored<Vec<OutageRow>> {
    let rows = client.query(&client.prepare_cached(SINCE).await?, &[&since, &now, &f64::from(seconds_min)]).await?;
    rows.iter()
        .map(|row| Ok(OutageRow { why: row.try_get(0)?, began_at: row.try_get(1)?, ended_at: row.try_get(2)? }))
        .collect()
}

const TELL: &str = "
    INSERT INTO outbox (kind, trade, payload, created_at, due_at)
    SELECT $1, t.id, '{}', $2, $2 FROM trades t WHERE EXISTS (SELECT FROM deadlines d WHERE d.trade = t.id)";

/// A job for every trade with a window that runs.
pub async fn tell_trades(client: &impl GenericClient, job: &str, at: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(TELL).await?, &[&job, &at]).await?;
    Ok(())
}
