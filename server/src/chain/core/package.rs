//! Parents and a child that pays for them, judged together (`submitpackage`).

use std::collections::HashMap;

use bitcoin::Transaction;
use bitcoin::consensus::encode;
use serde::Deserialize;
use serde_json::json;

use super::rpc::CallError;
use super::{Core, TRANSACTION_REFUSALS};
use crate::chain::ChainError;

/// There is no such call: a node before Bitcoin Core 26.
const NO_SUCH_METHOD: i64 = -32601;

#[derive(Debug, Deserialize)]
struct PackageVerdict {
    package_msg: String,
    #[serde(rename = "tx-results", default)]
    each: HashMap<String, TransactionVerdict>,
}

#[derive(Debug, Deserialize)]
struct TransactionVerdict {
    error: Option<String>,
}

impl PackageVerdict {
    /// The reason a transaction was refused for says more than that the package was.
    fn why(self) -> String {
        let own = |why: &String| why != "package-not-validated";
        let mut each: Vec<String> = self.each.into_values().filter_map(|one| one.error).filter(own).collect();
        each.sort();
        each.into_iter().next().unwrap_or(self.package_msg)
    }
}

impl Core {
    /// What the node has already is left out: it takes a package only whole, and a confirmed parent spends nothing.
    pub(super) async fn send_together(&self, package: &[Transaction]) -> Result<(), ChainError> {
        let mut unknown: Vec<&Transaction> = Vec::new();
        for transaction in package {
            if !self.is_known(transaction).await? {
                unknown.push(transaction);
            }
        }
        match unknown.as_slice() {
            [] => return Ok(()),
            [alone] => return self.send(alone).await,
            _ => {}
        }
        let hexes: Vec<String> = unknown.iter().map(|one| encode::serialize_hex(*one)).collect();
        let verdict: PackageVerdict = match self.rpc.call("submitpackage", json!([hexes])).await {
            Ok(verdict) => verdict,
            Err(CallError::Refused { code: NO_SUCH_METHOD, .. }) => return self.send_each(&unknown).await,
            Err(CallError::Refused { code, message }) if TRANSACTION_REFUSALS.contains(&code) => {
                return Err(ChainError::Rejected(message));
            }
            Err(error) => return Err(error.into()),
        };
        if verdict.package_msg == "success" { Ok(()) } else { Err(ChainError::Rejected(verdict.why())) }
    }

    async fn send_each(&self, transactions: &[&Transaction]) -> Result<(), ChainError> {
        for transaction in transactions {
            self.send(transaction).await?;
        }
        Ok(())
    }
}
