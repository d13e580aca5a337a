use bitcoin::hashes::{Hash, sha256};
use bitcoin::{ScriptBuf, Txid};

use super::session::{HistoryReply, name_of, status_of};
use super::*;

#[test]
fn a_server_is_written_with_its_scheme() {
    for good in ["tcp://127.0.0.1:50001", "tls://electrum.example:50002", "tcp://abc.onion:50001"] {
        assert_eq!(good.parse::<Address>().map(|address| address.to_string()), Ok(good.to_owned()));
    }
    assert_eq!("ssl://h:1".parse::<Address>(), "tls://h:1".parse::<Address>(), "what Electrum itself calls it");
    for bad in ["h:1", "http://h:1", "tcp://h", "tcp://h:1/path"] {
        assert_eq!(bad.parse::<Address>(), Err(NotAnAddress), "{bad}");
    }
}

/// The example of Electrum's protocol documentation.
#[test]
fn a_script_is_named_by_its_hash_backwards() {
    let script = ScriptBuf::from_hex("76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac").unwrap();
    assert_eq!(name_of(&script), "8b01df4e368ea28f8dc0423bcf7a4923e3a12d307c875e47a0cfbf90b5c39161");
}

#[test]
fn a_status_stands_for_a_history() {
    assert_eq!(status_of(&[]), Ok(None));
    let txid = Txid::from_byte_array([1; 32]);
    let one = status_of(&[HistoryReply { tx_hash: txid, height: 7 }]).unwrap();
    assert_eq!(one, Some(sha256::Hash::hash(format!("{txid}:7:").as_bytes()).to_string()));
    assert_ne!(one, status_of(&[HistoryReply { tx_hash: txid, height: 0 }]).unwrap());
}
