//! Starts the practice partners, and ends them when told to.

use std::{io::Read, path::Path};

use bitcoin::Network;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

use crate::{
    partners::life::{self, Folder},
    practice::folder::write_secret_file,
    telemetry::{self, LogFormat},
};

/// The practice chain goes by regtest's rules, and partners hold keys of no other network.
const NETWORK: Network = Network::Regtest;

/// Runs until told to stop; with `until_stdin_closes` also when whoever started this is gone.
pub fn run(desk: &str, folder: &Path, until_stdin_closes: bool) -> anyhow::Result<()> {
    telemetry::start(LogFormat::Text, "info")?;
    std::fs::create_dir_all(folder)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let folder = Folder { path: folder, keep: write_secret_file };
        tokio::select! {
            // Their folder is made even if whoever started them has gone already.
            biased;
            ended = life::run(desk, &folder, NETWORK) => ended,
            word = tokio::signal::ctrl_c() => Ok(word?),
            _ = terminate.recv() => Ok(()),
            () = stdin_closes(), if until_stdin_closes => Ok(()),
        }
    })
}

async fn stdin_closes() {
    let (closed, is_closed) = oneshot::channel();
    std::thread::spawn(move || {
        let mut nothing = [0; 64];
        while std::io::stdin().read(&mut nothing).is_ok_and(|bytes| bytes > 0) {}
        let _ = closed.send(());
    });
    let _ = is_closed.await;
}
