//! A full block looked through with a thousand, a hundred thousand and a million watched scripts, against the bare reading
//! of the same block by the `bitcoin` crate, in turns. And a million of them as a desk finds them when it starts.

use std::hint::black_box;
use std::time::Instant;

use bitcoin::hashes::Hash;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode, TxOut,
    Txid, WPubkeyHash, WScriptHash, Witness, absolute, block, consensus, transaction,
};
use trine::chain::{BlockRef, Scripts, Watched, of_block};
use trine::store::{self, watched::SCRIPTS_AT_ONCE};

use super::Figure;
use super::harness::Start;
use super::harness::cast::{Story, story_with};

const TRANSACTIONS: u32 = 4_000;
const ROUNDS: usize = 40;
/// Open escrows at one time, each with an output that may be spent.
const OUTPOINTS: u32 = 10_000;

pub fn measure() -> Vec<Figure> {
    let block = full_block();
    let bytes = consensus::serialize(&block);
    let place = BlockRef { height: 800_000, hash: block.block_hash() };
    let worlds = [1_000, 100_000, 1_000_000].map(|scripts| {
        let before = resident_bytes();
        let watched = watched(scripts);
        (watched, resident_bytes().saturating_sub(before))
    });
    // The quickest round of each: whatever else the machine does makes the others slower, never this one.
    let mut spent = [f64::INFINITY; 4];
    for _ in 0..ROUNDS {
        let bare = seconds(|| drop(black_box(consensus::deserialize::<Block>(black_box(&bytes)).unwrap())));
        spent[0] = spent[0].min(bare);
        for (least, (watched, _)) in spent[1..].iter_mut().zip(&worlds) {
            let all = seconds(|| assert_eq!(of_block(black_box(&bytes), place, watched).unwrap().len(), 1));
            *least = least.min(all);
        }
    }
    vec![
        ("block_parse_ms", spent[0] * 1_000.0, "ms"),
        ("watch_1k_vs_parse", spent[1] / spent[0], "ratio"),
        ("watch_100k_vs_parse", spent[2] / spent[0], "ratio"),
        ("watch_1m_vs_parse", spent[3] / spent[0], "ratio"),
        ("watch_1m_memory_mib", worlds[2].1 as f64 / f64::from(1 << 20), "MiB"),
    ]
}

/// So many trades that were made before.
const TRADES: i32 = 1_000_000;

/// Copies of the one trade there is, each with a script of its own, as long as a trade's row is. They were made one after
/// the other, a few at a time as takes are. They name what is there, and what a take would count with them is not looked at.
const COPIES: &str = "
    INSERT INTO trades
    SELECT made.* FROM trades t, generate_series(1, $1::integer) AS number,
           jsonb_populate_record(t, jsonb_build_object(
               'id', gen_random_uuid(), 'reference', 'B' || lpad(number::text, 7, '0'),
               'made_in', (number / 8)::text,
               'script_pubkey', '\\x0020' || encode(sha256(number::text::bytea), 'hex'))) AS made";

/// What a desk that starts does before it reads its first block: every script that was ever watched, out of the table of
/// trades into memory, by a connection of the desk's own. Then a full block. The trades were just written, so what of them
/// fits into this machine's memory is there.
pub async fn measure_start() -> Vec<Figure> {
    let story = story_with(Start::default()).await;
    story.take().await;
    write_trades(&story).await;
    let client = story.site.desk.store.connection().await.unwrap();
    let mut scripts = Scripts::default();
    let start = Instant::now();
    store::watched::scripts_since(&client, "0", SCRIPTS_AT_ONCE, |script| {
        scripts.insert(script);
    })
    .await
    .unwrap();
    let started = start.elapsed().as_secs_f64();
    assert_eq!(scripts.len(), TRADES as usize + 1);
    let watched = Watched { scripts, ..watched(0) };
    let block = full_block();
    let (bytes, place) = (consensus::serialize(&block), BlockRef { height: 800_000, hash: block.block_hash() });
    let read = || seconds(|| assert_eq!(of_block(black_box(&bytes), place, &watched).unwrap().len(), 1));
    let quickest = (0..ROUNDS).map(|_| read()).fold(f64::INFINITY, f64::min);
    vec![("watch_1m_start_s", started, "s"), ("watch_1m_block_ms", quickest * 1_000.0, "ms")]
}

/// The trades of years, as the database has them by then: some gigabytes, analysed and without anything to clean up.
async fn write_trades(story: &Story) {
    eprintln!("a million trades are written: some minutes, and some ten gigabytes of disk until the end of the run");
    let sql = story.site.sql().await;
    sql.batch_execute("ALTER TABLE trades DISABLE TRIGGER trades_begin").await.unwrap();
    sql.execute(COPIES, &[&TRADES]).await.unwrap();
    sql.batch_execute("ALTER TABLE trades ENABLE TRIGGER trades_begin").await.unwrap();
    sql.batch_execute("VACUUM (ANALYZE) trades").await.unwrap();
}

fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn watched(scripts: u32) -> Watched {
    Watched {
        scripts: (0..scripts).map(|n| ScriptBuf::new_p2wsh(&WScriptHash::hash(&n.to_le_bytes()))).collect(),
        outpoints: (0..OUTPOINTS).map(|n| OutPoint { txid: Txid::hash(&n.to_be_bytes()), vout: 0 }).collect(),
        ..Watched::default()
    }
}

/// Two inputs with signature and key, three outputs of the usual kinds; one in seven pays some other P2WSH script.
fn full_block() -> Block {
    let output = |n: u32, kind: u32| TxOut {
        value: Amount::from_sat(100_000),
        script_pubkey: match kind {
            0 => ScriptBuf::new_p2wsh(&WScriptHash::hash(format!("other {n}").as_bytes())),
            _ => ScriptBuf::new_p2wpkh(&WPubkeyHash::hash(&(n * 3 + kind).to_le_bytes())),
        },
    };
    let input = |n: u32| TxIn {
        previous_output: OutPoint { txid: Txid::hash(format!("spent {n}").as_bytes()), vout: n % 3 },
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness: Witness::from_slice(&[vec![7; 72], vec![3; 33]]),
    };
    let transactions = (0..TRANSACTIONS).map(|n| Transaction {
        version: transaction::Version::TWO,
        lock_time: absolute::LockTime::ZERO,
        input: vec![input(2 * n), input(2 * n + 1)],
        output: vec![output(n, if n % 3 == 0 { 0 } else { 1 }), output(n, 2), output(n, 3)],
    });
    let header = block::Header {
        version: block::Version::TWO,
        prev_blockhash: BlockHash::all_zeros(),
        merkle_root: TxMerkleNode::all_zeros(),
        time: 1_700_000_000,
        bits: CompactTarget::from_consensus(0x207f_ffff),
        nonce: 0,
    };
    let mut block = Block { header, txdata: transactions.collect() };
    block.header.merkle_root = block.compute_merkle_root().unwrap();
    block
}

/// What this process holds in memory now.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}
