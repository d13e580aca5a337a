//! The one program: what to do is the first word.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::bail;
use clap::{Parser, Subcommand};
use trine::settings::Settings;

/// A self-hosted peer-to-peer bitcoin desk with non-custodial escrow.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    /// The settings file. The environment wins over it.
    #[arg(long, global = true, env = "TRINE_SETTINGS", value_name = "FILE")]
    settings: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print or check the settings.
    #[command(subcommand)]
    Settings(SettingsCommand),
}

#[derive(Debug, Subcommand)]
enum SettingsCommand {
    /// Print an annotated settings file with the defaults.
    Print,
    /// Say what is wrong with a settings file, all of it.
    Check { file: Option<PathBuf> },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(std::io::stderr(), "trine: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    match &cli.command {
        Command::Settings(SettingsCommand::Print) => say(&Settings::template()),
        Command::Settings(SettingsCommand::Check { file }) => check(file.as_deref().or(cli.settings.as_deref())),
    }
}

fn check(file: Option<&Path>) -> anyhow::Result<()> {
    let problems = Settings::read(file)?.problems();
    if problems.is_empty() {
        return say("The settings are fine.\n");
    }
    bail!("the settings are not ready:\n{}", listed(&problems))
}

fn listed(problems: &[String]) -> String {
    problems.iter().map(|problem| format!("  - {problem}\n")).collect()
}

fn say(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}
