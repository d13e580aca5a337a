use bitcoin::hashes::{Hash, sha256};
use bitcoin::{ScriptBuf, Txid};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::session::{HistoryReply, name_of, status_of};
use super::*;

/// The bytes of its answers, one after the other, to whatever is asked.
async fn wire(answers: Vec<String>) -> Wire {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (mut asked, mut says) = tokio::io::split(theirs);
    tokio::spawn(async move { tokio::io::copy(&mut asked, &mut tokio::io::sink()).await });
    tokio::spawn(async move {
        for line in [r#"{"id":0,"result":["server","1.4"]}"#.to_owned()].into_iter().chain(answers) {
            says.write_all((line + "\n").as_bytes()).await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    Wire::greet(Box::new(ours), Duration::from_secs(60), "a server").await.unwrap()
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_no_answer_and_the_others_are_heard() {
    let long = |start: &str, end: &str| format!("{start}\"{}\"{end}", "a".repeat(17 << 20));
    let mut wire = wire(vec![
        long(r#"{"id":1,"jsonrpc":"2.0","result":"#, "}"),
        long(r#"{"jsonrpc": "2.0", "result": "#, r#", "id": 2}"#),
        r#"{"id":3,"result":"short"}"#.to_owned(),
    ])
    .await;
    let answers = wire.call("question", vec![json!([]), json!([]), json!([])]).await.unwrap();
    assert!(answers[..2].iter().all(|one| one.as_ref().unwrap_err().message.contains("too long")));
    assert_eq!(answers[2].as_ref().unwrap(), "short");
}

#[tokio::test]
async fn a_servers_own_trouble_is_told_from_its_nodes_verdict() {
    let trouble = [
        r#"{"code":-101,"message":"excessive resource usage"}"#,
        r#"{"code":-102,"message":"server busy - request timed out"}"#,
        r#"{"code":-32603,"message":"internal error"}"#,
        r#"{"code":2,"message":"Loading block index…"}"#,
        r#""sendrawtransaction RPC error: {\"code\":-28,\"message\":\"Verifying blocks…\"}""#,
    ];
    let verdicts = [
        r#"{"code":1,"message":"the transaction was rejected by network rules.\n\nbad-txns-inputs-missingorspent"}"#,
        r#"{"code":-32603,"message":"sendrawtransaction RPC error: {\"code\":-26,\"message\":\"dust\"}"}"#,
        r#""sendrawtransaction RPC error: {\"code\":-25,\"message\":\"bad-txns-inputs-missingorspent\"}""#,
    ];
    let errors = trouble.iter().chain(&verdicts);
    let answers = errors.zip(1..).map(|(error, id)| format!(r#"{{"id":{id},"error":{error}}}"#)).collect();
    let mut session = Session::new(wire(answers).await);
    let any = bitcoin::constants::genesis_block(Network::Regtest).txdata.remove(0);
    for said in trouble {
        let error = session.send(&any).await.unwrap_err();
        assert!(matches!(error, ChainError::Unreachable(_)), "{said}: {error}");
    }
    for said in verdicts {
        let error = session.send(&any).await.unwrap_err();
        assert!(matches!(error, ChainError::Rejected(_)), "{said}: {error}");
    }
}

/// Of a key the P2WSH script is guessed, at which nothing ever happened.
#[tokio::test]
async fn what_spends_from_a_key_is_known_each_time_it_is_asked_for() {
    let mut transaction = bitcoin::constants::genesis_block(Network::Regtest).txdata.remove(0);
    transaction.input[0].witness = bitcoin::Witness::from_slice(&[vec![1; 71], vec![2; 33]]);
    let txid = transaction.compute_txid();
    let status = status_of(&[HistoryReply { tx_hash: txid, height: 0 }]).unwrap().unwrap();
    let answers = vec![
        r#"{"id":1,"result":null}"#.to_owned(),
        format!(r#"{{"id":2,"result":"{status}"}}"#),
        format!(r#"{{"id":3,"result":[{{"tx_hash":"{txid}","height":0}}]}}"#),
    ];
    let mut session = Session::new(wire(answers).await);
    for _ in 0..2 {
        assert_eq!(session.knows(&transaction).await, Ok(true));
    }
}

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
