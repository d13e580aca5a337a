//! `trine restore BACKUP`: a desk as it was, in an empty database. `trine restore --verify BACKUP`: the same into a
//! database that is thrown away, to see that it would work; the desk that runs is not touched.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use secrecy::ExposeSecret;
use tokio_postgres::{Client, NoTls};

use super::desk;
use super::manifest::{self, Found};
use super::programs::{self, Place};
use crate::desk::books::{self, Report};
use crate::desk::restored;
use crate::settings::Settings;
use crate::store::migrate::{self, Schema};
use crate::store::restores;

/// Every PostgreSQL server has one of this name, to ask for others.
const MAINTENANCE: &str = "postgres";

/// Restores into the database of the settings. What was done, in words.
pub fn run(file: Option<&Path>, backup: &Path) -> anyhow::Result<String> {
    let settings = desk::settings(file)?;
    let found = manifest::find(backup)?;
    in_order(&settings, &found)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let place = Place::of(settings.database.url.expose_secret())?;
        let report = fill(&settings, &place, &found).await?;
        let desk = desk::open_at(&settings, &place)?;
        let restored = restored::at_home(&desk).await.map_err(desk::in_words)?;
        ensure!(restored.is_some(), "the desk did not notice that it was restored; nothing may be served from it");
        Ok(words(&found, &report))
    })
}

/// Restores into a database of its own, checks the books, and throws it away.
pub fn verify(file: Option<&Path>, backup: &Path) -> anyhow::Result<String> {
    let settings = desk::settings(file)?;
    let found = manifest::find(backup)?;
    in_order(&settings, &found)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let home = Place::of(settings.database.url.expose_secret())?;
        let (name, maintenance) =
            (format!("trine_verify_{}", uuid::Uuid::new_v4().simple()), home.with_database(MAINTENANCE)?);
        let server = connect(&maintenance).await.context("to verify, the desk's role must reach the server")?;
        server
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"))
            .await
            .context("to verify, the desk's role must be allowed to make a database: ALTER ROLE … CREATEDB")?;
        let outcome = fill(&settings, &home.with_database(&name)?, &found).await;
        server.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await?;
        let report = outcome?;
        let counted = counted(&found, &report);
        Ok(format!(
            "The backup is whole and the books add up.\n{counted}It was restored into {name}, which is gone again."
        ))
    })
}

/// Whether a backup and the settings belong together; asked before anything is touched.
fn in_order(settings: &Settings, found: &Found) -> anyhow::Result<()> {
    let (theirs, ours) = (&found.manifest.network, settings.chain.network.to_string());
    ensure!(*theirs == ours, "this backup is of the network \"{theirs}\"; the settings say \"{ours}\"");
    let (theirs, ours) = (found.manifest.data_key_version, settings.secrets.data_key_version);
    ensure!(
        theirs == ours,
        "this backup was made with data key version {theirs}; the settings have version {ours}. Bring the settings of then"
    );
    Ok(())
}

/// Fills an empty database from the dump, brings its schema up to date, and checks the books.
async fn fill(settings: &Settings, place: &Place, found: &Found) -> anyhow::Result<Report> {
    let mut client = connect(place).await.with_context(|| {
        format!(
            "the database \"{}\" cannot be reached. Restoring wants it there and empty: createdb {}",
            place.database(),
            place.database()
        )
    })?;
    if !is_empty(&client).await? {
        bail!(
            "the database \"{}\" is not empty, and restoring overwrites nothing. If what is in it may go: stop the desk, \
             dropdb {0} && createdb {0}, and run this again",
            place.database()
        );
    }
    let dump = found.dump.display().to_string();
    // The name of the database has to be said, or nothing is connected to.
    let database = format!("--dbname={}", place.database());
    let arguments =
        ["--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges", "--no-password", &database, &dump];
    programs::run("pg_restore", place, &arguments)?;
    client.batch_execute(restores::FROM_A_BACKUP).await?;
    if migrate::check(&mut client).await? == Schema::Ahead {
        bail!("this backup is of a newer Trine than this one. Take that one");
    }
    let desk = desk::open_at(settings, place)?;
    let client = desk.store.connection().await?;
    let there: std::collections::BTreeMap<String, i64> = restores::counts(&client).await?.into_iter().collect();
    drop(client);
    if there != found.manifest.tables {
        let off: Vec<&String> = found
            .manifest
            .tables
            .iter()
            .filter(|(table, rows)| there.get(*table) != Some(rows))
            .map(|(t, _)| t)
            .collect();
        bail!("not everything came back: {off:?} differ from the manifest");
    }
    let mut client = connect(place).await?;
    migrate::run(&mut client).await?;
    let report = books::check(&desk).await.map_err(desk::in_words)?;
    ensure!(
        report.problems.is_empty(),
        "everything came back, but the books do not add up:\n  - {}",
        report.problems.join("\n  - ")
    );
    Ok(report)
}

async fn connect(place: &Place) -> anyhow::Result<Client> {
    let (client, connection) = place.config().connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn is_empty(client: &Client) -> anyhow::Result<bool> {
    Ok(client.query_one(restores::IS_EMPTY, &[]).await?.try_get(0)?)
}

fn counted(found: &Found, report: &Report) -> String {
    let of = &found.manifest;
    let stages: Vec<String> =
        of.trades.iter().map(|(stage, count)| format!("{count} {}", stage.replace('_', " "))).collect();
    format!(
        "  desk {} on {}, made {} by Trine {} on PostgreSQL {}\n  {} trades{}: {} lines of their logs played again, \
         addresses rebuilt, {} payouts and {} signatures checked, {} private things opened\n",
        of.desk,
        of.network,
        of.made_at.strftime("%F %T UTC"),
        of.program,
        of.postgresql,
        report.trades,
        if stages.is_empty() { String::new() } else { format!(" ({})", stages.join(", ")) },
        report.lines,
        report.payouts,
        report.signatures,
        report.opened
    )
}

fn words(found: &Found, report: &Report) -> String {
    let until = found.manifest.made_at.strftime("%F %T UTC");
    format!(
        "The desk is restored.\n{}\
         \nLost is what people did after {until}: takes, signatures, messages, statements, rulings, changed passwords.\n\
         \n  - What happened on the chain since is found again when trine serve reads it: deposits, and payouts that left.\n  \
         - A trade that was taken since is unknown here. Its people have the contract and their recovery kit, and any two\n    \
         of them finish it without the desk.\n  \
         - Whoever signed since is asked again. A signature given is an option for ever: it still counts where it is kept.\n  \
         - Indices, levels and fee addresses go on a hundred above what is known, so that none is given twice.\n  \
         - Everybody signs in anew, with the password of then. Invitations used since can be used again: look through them.\n  \
         - The secret addresses of feeds and calendars are over: whoever reads them makes new ones.\n  \
         - Mails and reminders of then may go out a second time. The public log says that the desk was restored.\n\
         \nStart trine serve now.\n",
        counted(found, report)
    )
}
