//! `trine contract check FILE SIGNATURES`: what a trader without JavaScript checks before trusting an address. It needs no
//! desk, no database and no network; any copy of this program gives the same answer.

use std::{fmt::Write, path::Path};

use anyhow::{Context, anyhow, bail, ensure};
use bitcoin::hashes::{Hash, sha256};

use crate::{
    domain::Party,
    escrow::{Contract, message},
};

/// A contract has at most 16 KiB, signatures with their PSBTs some more.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Says what the contract locks and who signed it; an error says in words what does not fit.
///
/// `signatures` holds PSBTs: one in binary, or any number in base64 with blanks, commas or quotation marks between them.
pub fn check(contract: &Path, signatures: &Path) -> anyhow::Result<String> {
    let text = String::from_utf8(read(contract)?).context("the contract file is not text")?;
    let contract = Contract::parse(&text).map_err(|refusal| anyhow!("the contract: {}", refusal.words))?;
    let lock = contract.lock().map_err(|refusal| anyhow!("{}", refusal.words))?;
    let message = contract.message().map_err(|refusal| anyhow!("{}", refusal.words))?;
    let hash = sha256::Hash::hash(text.as_bytes());
    ensure!(message.ends_with(&hash.to_string()), "the file is not exactly the text that is signed");

    let uploads = read(signatures)?;
    let mut out = String::new();
    writeln!(out, "Contract of trade {} at {}", contract.trade, contract.desk)?;
    writeln!(out, "  SHA-256     {hash}")?;
    writeln!(out, "  message     {message}")?;
    writeln!(out, "  descriptor  {}", lock.descriptor())?;
    writeln!(out, "  address     {}  (rebuilt from the three keys, at /0/{})", lock.address(), lock.index())?;
    for party in [Party::Buyer, Party::Seller] {
        let found = pieces(&uploads).find_map(|upload| message::verify(upload, &lock, &message, party).ok());
        let Some(signed) = found else {
            bail!("{out}the {} has not signed this contract for this address", party.as_str())
        };
        writeln!(out, "  signed      by the {}, as {}", party.as_str(), signed.form)?;
    }
    writeln!(out, "Both have signed. The address is the one of this contract.")?;
    Ok(out)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let about = std::fs::metadata(path).with_context(|| format!("{} cannot be read", path.display()))?;
    ensure!(about.len() <= FILE_BYTES_MAX, "{} is too big to be what it should be", path.display());
    Ok(std::fs::read(path)?)
}

/// The file as it is, then each word of it that could be base64.
fn pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let between = |byte: &u8| !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
    std::iter::once(bytes).chain(bytes.split(between).filter(|piece| piece.len() > 64))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::Value;

    use super::*;

    fn vector() -> Value {
        serde_json::from_str(include_str!("../../../tests/vectors/trade.json")).unwrap()
    }

    fn checked(contract: &str, signatures: &str) -> anyhow::Result<String> {
        let folder = std::env::temp_dir().join(format!("trine-contract-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir(&folder)?;
        fs::write(folder.join("contract.json"), contract)?;
        fs::write(folder.join("signatures.txt"), signatures)?;
        let outcome = check(&folder.join("contract.json"), &folder.join("signatures.txt"));
        fs::remove_dir_all(&folder)?;
        outcome
    }

    /// Every string under a part of the vectors that looks like a PSBT.
    fn psbts(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::String(text) if text.starts_with("cHNidP") => into.push(text.clone()),
            Value::Array(list) => list.iter().for_each(|item| psbts(item, into)),
            Value::Object(map) => map.values().for_each(|item| psbts(item, into)),
            _ => {}
        }
    }

    #[test]
    fn a_contract_signed_by_both_is_confirmed_with_its_address() {
        let vector = vector();
        let text = vector["contract"]["text"].as_str().unwrap();
        let mut signatures = Vec::new();
        psbts(&vector["contract"]["forms"], &mut signatures);
        let said = checked(text, &signatures.join("\n")).unwrap();
        assert!(said.contains(vector["contract"]["hash"].as_str().unwrap()), "{said}");
        assert!(said.contains("Both have signed"), "{said}");
    }

    #[test]
    fn a_changed_contract_and_missing_or_foreign_signatures_are_refused_in_words() {
        let vector = vector();
        let text = vector["contract"]["text"].as_str().unwrap();
        let mut foreign = Vec::new();
        psbts(&vector["ruling"]["forms"], &mut foreign);
        let words = |text: &str, signatures: &str| checked(text, signatures).unwrap_err().to_string();
        assert!(words(text, "").contains("the buyer has not signed"));
        assert!(words(text, &foreign.join(" ")).contains("the buyer has not signed"));
        assert!(words(&format!("{text}\n"), "").starts_with("the contract"));
        assert!(checked(&text.replacen("127.0.0.1", "127.0.0.2", 1), &foreign.join(" ")).is_err());
    }
}
