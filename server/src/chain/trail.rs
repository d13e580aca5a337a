//! The blocks that were followed last. A server that is asked by height alone cannot say what lay below a block that
//! left the chain; whoever followed it can.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use super::{BlockRef, Cursor, Fact, NotABlockRef};

/// A day of blocks; no reorganisation that a desk could survive goes deeper.
const BLOCKS_MAX: usize = 144;

/// The blocks up to the cursor, as far as they are remembered. Store it as text, beside the cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trail {
    /// The lowest first.
    blocks: VecDeque<BlockRef>,
}

impl Trail {
    /// Goes along with what was told.
    pub fn follow(&mut self, events: &[Fact]) {
        for event in events {
            match event {
                Fact::BlockDisconnected { block } => self.blocks.retain(|known| known.height < block.height),
                Fact::BlockConnected { block, .. } => self.step(*block),
                _ => {}
            }
        }
    }

    /// One block higher.
    pub fn step(&mut self, block: BlockRef) {
        self.blocks.retain(|known| known.height < block.height);
        self.blocks.push_back(block);
        if self.blocks.len() > BLOCKS_MAX {
            self.blocks.pop_front();
        }
    }

    /// The remembered blocks below the cursor, the highest first, without a gap.
    pub fn below(&self, cursor: &Cursor) -> impl Iterator<Item = BlockRef> {
        let heights = (0..cursor.height).rev();
        let below = self.blocks.iter().rev().filter(|block| block.height < cursor.height);
        below.zip(heights).take_while(|(block, height)| block.height == *height).map(|(block, _)| *block)
    }
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        for block in &self.blocks {
            write!(f, "{gap}{block}")?;
            gap = " ";
        }
        Ok(())
    }
}

impl FromStr for Trail {
    type Err = NotABlockRef;

    fn from_str(text: &str) -> Result<Self, NotABlockRef> {
        let blocks = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self { blocks })
    }
}

#[cfg(test)]
mod tests {
    use bitcoin::BlockHash;
    use bitcoin::hashes::Hash;

    use super::*;

    fn block(height: u32, branch: u8) -> BlockRef {
        let mut bytes = [branch; 32];
        bytes[0] = u8::try_from(height % 256).unwrap();
        BlockRef { height, hash: BlockHash::from_byte_array(bytes) }
    }

    fn connected(block: BlockRef) -> Fact {
        Fact::BlockConnected { block, time: jiff::Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn a_trail_follows_a_reorganisation_and_reads_back_what_it_writes() {
        let mut trail = Trail::default();
        trail.follow(&[connected(block(1, 1)), connected(block(2, 1)), connected(block(3, 1))]);
        let down = [block(3, 1), block(2, 1)].map(|block| Fact::BlockDisconnected { block });
        trail.follow(&down);
        trail.follow(&[connected(block(2, 2)), connected(block(3, 2)), connected(block(4, 2))]);
        assert_eq!(trail.below(&block(4, 2)).collect::<Vec<_>>(), [block(3, 2), block(2, 2), block(1, 1)]);
        assert_eq!(trail.to_string().parse(), Ok(trail));
        assert_eq!("".parse(), Ok(Trail::default()));
        assert!("7".parse::<Trail>().is_err());
    }

    #[test]
    fn a_trail_keeps_a_day_and_stops_at_a_gap() {
        let mut trail = Trail::default();
        (1..=200).for_each(|height| trail.step(block(height, 1)));
        assert_eq!(trail.below(&block(200, 1)).count(), BLOCKS_MAX - 1);
        assert_eq!(trail.below(&block(300, 1)).count(), 0, "nobody knows what is between");
        trail.step(block(202, 1));
        assert_eq!(trail.below(&block(203, 1)).count(), 1);
    }
}
