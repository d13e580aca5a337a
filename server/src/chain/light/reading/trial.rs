//! Would the network take it? These servers cannot be asked, so what Bitcoin Core would say of the transaction by itself
//! and of what it spends is said here: form, signatures, fee. Whether somebody was faster only sending shows.

use bitcoin::Transaction;

use super::Reader;
use crate::chain::ChainError;
use crate::chain::practice::{policy, rules};

impl Reader<'_> {
    pub async fn test_accept(&self, transaction: &Transaction) -> Result<(), ChainError> {
        rules::check_transaction(transaction)?;
        policy::check_standard(transaction)?;
        if self.source.knows(transaction).await? {
            return Ok(());
        }
        let mut spent = Vec::with_capacity(transaction.input.len());
        for input in &transaction.input {
            let output = self.output(&input.previous_output).await?;
            spent.push(output.ok_or_else(|| ChainError::rejected("bad-txns-inputs-missingorspent"))?);
        }
        policy::check_inputs(transaction, &spent)?;
        let fee = rules::fee(transaction, &spent)?;
        let vbytes = u64::try_from(transaction.vsize()).map_err(ChainError::rejected)?;
        if fee < policy::fee_for(policy::RELAY_FEE_RATE_MIN, vbytes) {
            return Err(ChainError::rejected("min relay fee not met"));
        }
        if fee > policy::fee_for(policy::FEE_RATE_SLIP, vbytes) {
            return Err(ChainError::rejected("max-fee-exceeded"));
        }
        rules::check_scripts(transaction, &spent)
    }
}
