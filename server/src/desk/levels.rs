//! Levels P, the extra step of an arbitrator's key: a serial number for each unordered pair of trader keys.
//!
//! The next one is above all that the database knows, and above all that were given here, for those of takes under way
//! are not in it yet. So takes of different pairs do not queue for one another. Another server may be faster with the
//! same level: the database refuses the second, and its take is made once more.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Desk;
use super::draw::DrawnArbitrator;
use super::error::{Done, Error};
use crate::domain::{KeyId, Refusal, RefusalKind};
use crate::escrow::{AccountKey, ArbiterLevel};
use crate::store::GenericClient;
use crate::store::arbitrators::{self, KeyPair, Level};

/// What follows the last level given here, by arbitrator's key. A level whose take came to nothing is left out until the
/// next start.
#[derive(Debug, Default)]
pub struct Given(Mutex<HashMap<KeyId, i32>>);

impl Given {
    /// Gives the next level of a key, `lowest` or one above it; none when it has had all its pairs.
    fn next(&self, key: KeyId, lowest: i32) -> Option<ArbiterLevel> {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = given.entry(key).or_insert(lowest);
        // Beyond the last one: those that were left out will do.
        let found = [lowest.max(*next), lowest].into_iter().find_map(|p| ArbiterLevel::of_pair(p.try_into().ok()?))?;
        *next = i32::try_from(found.get()).ok()?.saturating_add(1);
        Some(found)
    }
}

/// The levels of the takes of one transaction, given one after the other.
#[derive(Debug)]
pub struct Levels {
    known: HashMap<(KeyId, KeyPair), ArbiterLevel>,
    new: Vec<Level>,
}

impl Levels {
    /// Reads those that pairs of trader keys have. It stays true while their accounts are held, but for an
    /// account that claims the same key: then the second of the two is refused, and made again.
    pub async fn read(tx: &impl GenericClient, pairs: &[[KeyId; 2]]) -> Done<Self> {
        let known = arbitrators::levels(tx, pairs).await?.into_iter().map(|level| {
            let p = u32::try_from(level.p).ok().and_then(ArbiterLevel::of_pair);
            let p = p.ok_or_else(|| Error::broken(format!("level {}", level.p)))?;
            Ok(((level.arbitrator_key, level.pair), p))
        });
        Ok(Self { known: known.collect::<Done<_>>()?, new: Vec::new() })
    }

    /// The pair's level with this arbitrator: the same again, or a new one.
    pub fn give(&mut self, desk: &Desk, arbitrator: &DrawnArbitrator, pair: [&AccountKey; 2]) -> Done<ArbiterLevel> {
        let mut pair = pair.map(AccountKey::public_key_bytes);
        pair.sort_unstable();
        let place = (arbitrator.key_id, pair);
        if let Some(level) = self.known.get(&place) {
            return Ok(*level);
        }
        let level = desk.levels.next(arbitrator.key_id, arbitrator.next_level).ok_or_else(|| {
            let words = "The arbitrator's key has served all the pairs it can. The operator must ask for a new one; \
                         nothing was changed.";
            Refusal::new(RefusalKind::Unavailable, words)
        })?;
        let p = i32::try_from(level.get()).map_err(Error::broken)?;
        self.known.insert(place, level);
        self.new.push(Level { arbitrator_key: arbitrator.key_id, pair, p });
        Ok(level)
    }

    /// Those to be written down, in one order for everybody: two servers that give the same wait for each other once.
    pub fn new_ones(&self) -> Vec<Level> {
        let mut new = self.new.clone();
        new.sort_unstable_by_key(|level| (level.arbitrator_key, level.p));
        new
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn levels_go_up_whatever_the_database_knows_yet_and_those_left_out_come_last() {
        let (given, key) = (Given::default(), KeyId(Uuid::now_v7()));
        let next = |lowest| given.next(key, lowest).map(ArbiterLevel::get);
        assert_eq!([next(0), next(0), next(1)], [Some(0), Some(1), Some(2)], "those under way are not given again");
        assert_eq!(next(100), Some(100), "another server, or a restore, has gone further");
        assert_eq!(next(4094), Some(4094));
        assert_eq!(next(101), Some(101), "left out before");
        assert_eq!(next(4095), None, "the last is kept for drills");
        assert_eq!(given.next(KeyId(Uuid::now_v7()), 7).map(ArbiterLevel::get), Some(7), "each key has its own");
    }
}
