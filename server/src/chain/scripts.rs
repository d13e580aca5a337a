//! The scripts somebody waits for: compact, and asked as quickly with a million of them as with ten.

use std::collections::HashSet;
use std::fmt;

use bitcoin::hashes::Hash;
use bitcoin::{Script, ScriptBuf, WScriptHash};

/// A set of output scripts. An escrow's is kept as the 32 bytes of its witness program: a million take 69 MB at most.
#[derive(Clone, Default)]
pub struct Scripts {
    programs: HashSet<[u8; 32]>,
    /// Anything that is not P2WSH.
    others: HashSet<ScriptBuf>,
}

impl Scripts {
    /// True if it is new.
    pub fn insert(&mut self, script: ScriptBuf) -> bool {
        match program(&script) {
            Some(program) => self.programs.insert(program),
            None => self.others.insert(script),
        }
    }

    pub fn contains(&self, script: &Script) -> bool {
        match program(script) {
            Some(program) => self.programs.contains(&program),
            None => !self.others.is_empty() && self.others.contains(script),
        }
    }

    pub fn len(&self) -> usize {
        self.programs.len().saturating_add(self.others.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each script once, in no order: for a backend that has to ask for every one.
    pub fn iter(&self) -> impl Iterator<Item = ScriptBuf> {
        let programs =
            self.programs.iter().map(|program| ScriptBuf::new_p2wsh(&WScriptHash::from_byte_array(*program)));
        programs.chain(self.others.iter().cloned())
    }

    /// The same question for what [`program`] gave.
    pub(super) fn has_program(&self, program: &[u8; 32]) -> bool {
        self.programs.contains(program)
    }

    /// Those that are not P2WSH.
    pub(super) fn others(&self) -> impl Iterator<Item = &ScriptBuf> {
        self.others.iter()
    }
}

/// What a P2WSH script is, but for its first two bytes.
pub(super) fn program(script: &Script) -> Option<[u8; 32]> {
    if !script.is_p2wsh() {
        return None;
    }
    script.as_bytes().get(2..)?.try_into().ok()
}

impl FromIterator<ScriptBuf> for Scripts {
    fn from_iter<T: IntoIterator<Item = ScriptBuf>>(scripts: T) -> Self {
        let mut set = Self::default();
        set.extend(scripts);
        set
    }
}

impl Extend<ScriptBuf> for Scripts {
    fn extend<T: IntoIterator<Item = ScriptBuf>>(&mut self, scripts: T) {
        for script in scripts {
            self.insert(script);
        }
    }
}

impl fmt::Debug for Scripts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} scripts", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_of_every_kind_go_in_and_come_out() {
        let p2wsh = ScriptBuf::new_p2wsh(&WScriptHash::hash(b"one"));
        let other = ScriptBuf::new_op_return(b"two");
        let mut set = Scripts::from_iter([p2wsh.clone(), other.clone()]);
        assert!(!set.insert(p2wsh.clone()) && !set.insert(other.clone()), "they are in already");
        assert_eq!(set.len(), 2);
        assert!(set.contains(&p2wsh) && set.contains(&other));
        assert!(!set.contains(&ScriptBuf::new_p2wsh(&WScriptHash::hash(b"two"))));
        assert!(!set.contains(&ScriptBuf::new_p2tr_tweaked(bitcoin::key::TweakedPublicKey::dangerous_assume_tweaked(
            "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798".parse().unwrap()
        ))));
        let mut out: Vec<ScriptBuf> = set.iter().collect();
        out.sort();
        let mut both = vec![p2wsh, other];
        both.sort();
        assert_eq!(out, both);
    }
}
