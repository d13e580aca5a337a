//! Parents and a child that pays for them, judged together (`submitpackage`).

use std::collections::HashMap;

use bitcoin::Transaction;
use bitcoin::consensus::encode;
use serde::Deserialize;
use serde_json::json;

use super::rpc::CallError;
use super::{Core, TRANSACTION_REFUSALS};
use crate::chain::ChainError;

/// There is no such call: a node before Bitcoin Core 24.
const NO_SUCH_METHOD: i64 = -32601;
/// What Bitcoin Core 24 and 25 say of the call on any other network.
const ONLY_IN_TESTS: &str = "regression testing";

#[derive(Debug, Deserialize)]
struct PackageVerdict {
    /// Absent before Bitcoin Core 26, which answers at all only if the package is taken or each says why it is not.
    #[serde(default)]
    package_msg: String,
    #[serde(rename = "tx-results", default)]
    each: HashMap<String, TransactionVerdict>,
}

#[derive(Debug, Deserialize)]
struct TransactionVerdict {
    error: Option<String>,
}

impl PackageVerdict {
    fn is_taken(&self) -> bool {
        let nobody_refused = || self.each.values().all(|one| one.error.is_none());
        self.package_msg == "success" || (self.package_msg.is_empty() && nobody_refused())
    }

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
            Err(CallError::Refused { message, .. }) if message.contains(ONLY_IN_TESTS) => {
                return self.send_each(&unknown).await;
            }
            Err(CallError::Refused { code, message }) if TRANSACTION_REFUSALS.contains(&code) => {
                return Err(ChainError::Rejected(message));
            }
            Err(error) => return Err(error.into()),
        };
        if verdict.is_taken() { Ok(()) } else { Err(ChainError::Rejected(verdict.why())) }
    }

    async fn send_each(&self, transactions: &[&Transaction]) -> Result<(), ChainError> {
        for transaction in transactions {
            self.send(transaction).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str) -> PackageVerdict {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_verdict_is_read_in_the_words_of_each_version() {
        assert!(verdict(r#"{"package_msg":"success","tx-results":{"a":{"txid":"b"}}}"#).is_taken());
        assert!(verdict(r#"{"tx-results":{"a":{"txid":"b"}},"replaced-transactions":[]}"#).is_taken());
        assert!(!verdict(r#"{"package_msg":"transaction failed","tx-results":{}}"#).is_taken());
        let refused = verdict(r#"{"tx-results":{"a":{"error":"min relay fee not met"}}}"#);
        assert!(!refused.is_taken());
        assert_eq!(refused.why(), "min relay fee not met");
    }
}
