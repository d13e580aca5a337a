//! Where a payout may go: P2PKH, P2SH, P2WPKH, P2WSH and P2TR of this network, nothing else.

use std::str::FromStr;

use bitcoin::address::AddressType;
use bitcoin::{Address, Network, ScriptBuf, XOnlyPublicKey};

use crate::domain::Refusal;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressRefusal {
    #[error("Enter the address that is to be paid.")]
    Missing,
    #[error("This is a payment link or an invoice. Enter the plain address of your own wallet.")]
    Link,
    #[error("This is a Lightning invoice. The escrow pays on the chain: enter a bitcoin address.")]
    Lightning,
    #[error("This is a key, not an address. Enter a receiving address of your own wallet.")]
    Key,
    #[error("This is no bitcoin address. Copy it again, whole; a character may be missing or changed.")]
    Garbage,
    #[error("This address is for another network; this desk is on {0}.")]
    WrongNetwork(Network),
    #[error(
        "An address of this kind is not paid here: anybody might spend it, or nobody. Use one that starts like the \
         usual addresses of a wallet."
    )]
    Kind,
    #[error(
        "There is no key behind this address: nobody could ever spend what is sent there. Copy one of your own wallet again."
    )]
    NoKey,
    #[error("This is the address of an escrow. Enter one of your own wallet.")]
    Escrow,
}

impl From<AddressRefusal> for Refusal {
    fn from(why: AddressRefusal) -> Self {
        Self::invalid(why.to_string())
    }
}

/// Checks an address that a payout may pay. A mixed-case or all-capital bech32 form is accepted as BIP-173 allows it.
pub fn payable(text: &str, network: Network) -> Result<Address, AddressRefusal> {
    let text = text.trim();
    let small = text.to_ascii_lowercase();
    if text.is_empty() {
        return Err(AddressRefusal::Missing);
    }
    if small.starts_with("lnbc") || small.starts_with("lntb") || small.starts_with("lightning:") {
        return Err(AddressRefusal::Lightning);
    }
    if small.contains([':', '?', '/']) {
        return Err(AddressRefusal::Link);
    }
    if small.get(1..4) == Some("pub") || small.get(1..4) == Some("prv") || small.starts_with('[') {
        return Err(AddressRefusal::Key);
    }
    let address = usual(text, network)?;
    if is_spendable(&address) { Ok(address) } else { Err(AddressRefusal::NoKey) }
}

/// A Taproot address holds a public key, and about every second number of 32 bytes is none.
fn is_spendable(address: &Address) -> bool {
    let taproot = address.witness_program().filter(|_| address.address_type() == Some(AddressType::P2tr));
    taproot.is_none_or(|program| XOnlyPublicKey::from_slice(program.program().as_bytes()).is_ok())
}

/// An address in a contract that is signed already: of a usual kind. What stands in it is not argued about any more.
pub(super) fn usual(text: &str, network: Network) -> Result<Address, AddressRefusal> {
    let address = Address::from_str(text).map_err(|_| AddressRefusal::Garbage)?;
    let address = address.require_network(network).map_err(|_| AddressRefusal::WrongNetwork(network))?;
    match address.address_type() {
        Some(AddressType::P2pkh | AddressType::P2sh | AddressType::P2wpkh | AddressType::P2wsh | AddressType::P2tr) => {
            Ok(address)
        }
        _ => Err(AddressRefusal::Kind),
    }
}

/// An address in a contract with the escrow `lock`: of a usual kind, and not the escrow itself.
pub(super) fn usual_from(text: &str, lock: &ScriptBuf, network: Network) -> Result<Address, AddressRefusal> {
    let address = usual(text, network)?;
    if address.script_pubkey() == *lock { Err(AddressRefusal::Escrow) } else { Ok(address) }
}

/// An address for a payout of the escrow `lock`: payable, and not the escrow itself.
pub fn payable_from(text: &str, lock: &ScriptBuf, network: Network) -> Result<Address, AddressRefusal> {
    let address = payable(text, network)?;
    if address.script_pubkey() == *lock { Err(AddressRefusal::Escrow) } else { Ok(address) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_five_usual_kinds_of_address_are_paid() {
        for text in [
            "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
            "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
            "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
            "BC1QAR0SRRR7XFKVY5L643LYDNW9RE59GTZZWF5MDQ",
            "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3",
            " bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr\n",
        ] {
            assert!(payable(text, Network::Bitcoin).is_ok(), "{text}");
            assert_eq!(payable(text, Network::Regtest), Err(AddressRefusal::WrongNetwork(Network::Regtest)), "{text}");
        }
    }

    #[test]
    fn a_taproot_address_of_no_key_is_refused_and_stays_in_contracts_that_have_it() {
        for (program, why) in [([0xff; 32], "beyond the field"), ([5; 32], "not on the curve")] {
            let address = taproot(program);
            assert_eq!(payable(&address, Network::Bitcoin), Err(AddressRefusal::NoKey), "{why}");
            assert!(usual(&address, Network::Bitcoin).is_ok(), "{why}");
        }
        assert!(payable(&taproot([2; 32]), Network::Bitcoin).is_ok());
    }

    /// The Taproot address of these bytes, whether they are a key or not.
    fn taproot(program: [u8; 32]) -> String {
        let program = bitcoin::WitnessProgram::new(bitcoin::WitnessVersion::V1, &program).unwrap();
        Address::from_witness_program(program, Network::Bitcoin).to_string()
    }

    #[test]
    fn everything_else_is_refused_in_its_own_words() {
        let main = |text| payable(text, Network::Bitcoin).unwrap_err();
        assert_eq!(main(" "), AddressRefusal::Missing);
        assert_eq!(main("bc1pfeessrawgf"), AddressRefusal::Kind, "P2A: anybody can spend it");
        assert_eq!(main("bc1sw50qgdz25j"), AddressRefusal::Kind, "a later witness version");
        assert_eq!(main("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdr"), AddressRefusal::Garbage);
        assert_eq!(main("bc1Qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"), AddressRefusal::Garbage, "mixed case");
        assert_eq!(main("bitcoin:bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"), AddressRefusal::Link);
        assert_eq!(main("lnbc2500u1pvjluezpp5qqqsyq"), AddressRefusal::Lightning);
        assert_eq!(main("xpub661MyMwAqRbcFtXgS5"), AddressRefusal::Key);
        assert_eq!(main("１BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"), AddressRefusal::Garbage, "a full-width digit");
        let lock = payable("3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", Network::Bitcoin).unwrap().script_pubkey();
        let same = payable_from("3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", &lock, Network::Bitcoin);
        assert_eq!(same, Err(AddressRefusal::Escrow));
    }
}
