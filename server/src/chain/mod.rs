//! What the chain tells, behind one trait: a handful of questions that every backend answers alike.
//!
//! The desk pulls at its own pace. Nothing here knows a trade, decides anything, or holds a key.

pub mod core;
pub mod electrum;
pub mod esplora;
mod facts;
pub mod light;
pub mod link;
pub mod practice;
mod scripts;
mod trail;
mod trouble;

use std::collections::HashSet;
use std::fmt;
use std::pin::Pin;
use std::str::FromStr;

use bitcoin::{Amount, BlockHash, FeeRate, OutPoint, ScriptBuf, Transaction, TxOut, Txid};
use jiff::Timestamp;

pub use self::facts::of_block;
pub use self::scripts::Scripts;
pub use self::trail::Trail;
pub use self::trouble::Trouble;

/// What every question returns: a boxed future, so that the trait can stand behind `dyn`.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ChainError>> + Send + 'a>>;

/// A view of the chain and its mempool.
pub trait Chain: fmt::Debug + Send + Sync {
    /// The best block now.
    fn tip(&self) -> Answer<'_, Tip>;

    /// The place to start reading from when everything up to `height` (it included) is to be skipped.
    /// For "from now on" take `tip().await?.block`.
    fn cursor_at(&self, height: u32) -> Answer<'_, Cursor>;

    /// What happened after `cursor` to what is `watched`: disconnected blocks (highest first), then connected
    /// ones with their facts, then what waits in the mempool. Asking twice with the same cursor is harmless. A backend
    /// that was told late of what a block holds tells it late, before the next connected block, and perhaps twice.
    fn facts_since<'a>(&'a self, cursor: &'a Cursor, watched: &'a Watched) -> Answer<'a, Facts>;

    /// Everything unspent and confirmed at these scripts, whatever waits in the mempool. Slow, for a node looks through
    /// all the coins there are: for an audit now and then, never for following.
    fn coins_at<'a>(&'a self, scripts: &'a [ScriptBuf]) -> Answer<'a, Vec<Coin>>;

    /// The output, if nothing spends it, neither in the chain nor in the mempool.
    fn unspent(&self, outpoint: OutPoint) -> Answer<'_, Option<Unspent>>;

    /// A transaction of the mempool or of the chain. A node without a transaction index finds a confirmed one
    /// only when it is told the block.
    fn transaction(&self, txid: Txid, block: Option<BlockHash>) -> Answer<'_, Option<Transaction>>;

    /// Would the mempool take it? Already there, or already in the chain, is a yes.
    fn test_accept<'a>(&'a self, transaction: &'a Transaction) -> Answer<'a, ()>;

    /// Gives it to the network. Safe to repeat: already there, or already in the chain, is success.
    ///
    /// The desk hands in the transaction of an `escrow::SignedPayout`, or a deposit that was seen before.
    fn broadcast<'a>(&'a self, transaction: &'a Transaction) -> Answer<'a, ()>;

    /// Gives parents and the child that pays for them to the network together, parents first. A node that judges each
    /// transaction by itself refuses a parent below its minimum, whatever the child pays; one that takes packages does
    /// not. Safe to repeat, as `broadcast` is.
    fn submit_package<'a>(&'a self, package: &'a [Transaction]) -> Answer<'a, ()> {
        Box::pin(async move {
            for transaction in package {
                self.broadcast(transaction).await?;
            }
            Ok(())
        })
    }

    /// What to pay to be mined within so many blocks, between [`FEE_RATE_MIN`] and [`FEE_RATE_MAX`].
    fn fee_rate(&self, target_blocks: u16) -> Answer<'_, FeeRate>;
}

/// 1 sat/vB: under it many nodes still do not relay, and a payout that waits for ever helps nobody.
pub const FEE_RATE_MIN: FeeRate = FeeRate::from_sat_per_vb_u32(1);
/// 500 sat/vB: above every lasting peak so far; an estimate beyond it is a broken node.
pub const FEE_RATE_MAX: FeeRate = FeeRate::from_sat_per_vb_u32(500);
/// 5 sat/vB: taken when the node cannot estimate yet. Higher fee steps are signed beside it anyway.
pub const FEE_RATE_UNKNOWN: FeeRate = FeeRate::from_sat_per_vb_u32(5);

/// A block by height and hash, written `height:hash`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockRef {
    pub height: u32,
    pub hash: BlockHash,
}

/// Everything up to this block has been read. Store it as text.
pub type Cursor = BlockRef;

impl fmt::Display for BlockRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.height, self.hash)
    }
}

/// That text is not `height:hash`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a place in the chain is written as height:hash")]
pub struct NotABlockRef;

impl FromStr for BlockRef {
    type Err = NotABlockRef;

    fn from_str(text: &str) -> Result<Self, NotABlockRef> {
        let (height, hash) = text.split_once(':').ok_or(NotABlockRef)?;
        Ok(Self { height: height.parse().map_err(|_| NotABlockRef)?, hash: hash.parse().map_err(|_| NotABlockRef)? })
    }
}

/// The best block and the time in its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    pub block: BlockRef,
    pub time: Timestamp,
}

/// What the desk wants to hear about.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// Outputs paying these are told. Watch a script before anybody can know its address: blocks that the
    /// cursor has passed are not read again.
    pub scripts: Scripts,
    /// Spends of these are told; so are spends of outputs first seen in the same answer.
    pub outpoints: HashSet<OutPoint>,
    /// Those of `outpoints` that are watched because a deposit spends them, with the deposit's id: backends that are asked
    /// by script need not ask for them while it is confirmed.
    pub inputs: HashSet<(OutPoint, Txid)>,
    /// Transactions the caller has heard of and that are in no block yet. While they wait they are not told
    /// again; one that is neither in the mempool nor in the chain is told as [`Fact::Evicted`]. Each pays one of
    /// `scripts` or spends one of `outpoints`.
    pub unconfirmed: HashSet<Txid>,
    /// The blocks the caller followed up to its cursor. Backends that are asked by height find with it where a
    /// reorganisation began; the others know by themselves.
    pub trail: Trail,
}

/// An answer to `facts_since`.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Ask from here next time.
    pub cursor: Cursor,
    /// False when there is more to read at once; the mempool is read only when the blocks are.
    pub caught_up: bool,
    pub events: Vec<Fact>,
}

/// One thing that happened. `block: None` means: seen in the mempool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// This block left the best chain, and with it everything it confirmed. What it held is not told again.
    BlockDisconnected {
        block: BlockRef,
    },
    BlockConnected {
        block: BlockRef,
        time: Timestamp,
    },
    OutputSeen {
        outpoint: OutPoint,
        script: ScriptBuf,
        amount: Amount,
        coinbase: bool,
        transaction: Transaction,
        block: Option<BlockRef>,
    },
    Spent {
        outpoint: OutPoint,
        by: Transaction,
        block: Option<BlockRef>,
    },
    /// One of `Watched::unconfirmed` is gone: replaced, double-spent, expired, or lost in a reorganisation.
    Evicted {
        txid: Txid,
    },
}

/// An output that nothing spends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unspent {
    pub output: TxOut,
    /// 0 in the mempool, 1 in the best block.
    pub confirmations: u32,
    pub coinbase: bool,
}

/// An unspent output that was looked for by its script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coin {
    pub outpoint: OutPoint,
    pub output: TxOut,
    /// Of the block that holds it.
    pub height: u32,
}

/// What can go wrong with a question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Try later.
    #[error("the node cannot be reached: {0}")]
    Unreachable(String),
    /// Try later: it was asked and never answered.
    #[error("the node does not answer: {0}")]
    Hanging(String),
    /// Try much later: it was asked too often, or has too much to do.
    #[error("the node asks for patience: {0}")]
    Busy(String),
    /// Try later: it has not seen the whole chain yet.
    #[error("the node is still loading the chain: {0}")]
    Loading(String),
    /// Try later: it knows less than was already read, elsewhere or before.
    #[error("the node has fallen behind: {0}")]
    Behind(String),
    /// Final for this transaction as it is.
    #[error("the node refuses this transaction: {0}")]
    Rejected(String),
    /// Stop, and tell the operator.
    #[error("the node's answer makes no sense: {0}")]
    Confused(String),
}

impl ChainError {
    pub fn unreachable(why: impl fmt::Display) -> Self {
        Self::Unreachable(why.to_string())
    }

    pub fn hanging(why: impl fmt::Display) -> Self {
        Self::Hanging(why.to_string())
    }

    pub fn rejected(why: impl fmt::Display) -> Self {
        Self::Rejected(why.to_string())
    }

    pub fn confused(why: impl fmt::Display) -> Self {
        Self::Confused(why.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_what_it_writes() {
        let hash = bitcoin::constants::genesis_block(bitcoin::Network::Regtest).block_hash();
        let cursor = Cursor { height: 7, hash };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for bad in ["", "7", "7:", ":00", "-1:00", "7:zz"] {
            assert_eq!(bad.parse::<Cursor>(), Err(NotABlockRef), "{bad}");
        }
    }
}
