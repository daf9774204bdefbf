//! Inclusion proofs (RFC 6962 section 2.1.1): that an entry is one of those that a checkpoint has signed, without the
//! others. Made in one walk over the leaves that keeps only the hashes which the proofs need.
//!
//! Refuses leaves outside of the tree, and proofs that are longer or shorter than the tree is deep.

use crate::tree::{Hash, leaf_hash, node_hash};
use std::collections::{BTreeSet, HashMap};

/// Gathers what is needed to prove some leaves in a tree of a given size.
pub(crate) struct Prover {
    size: u64,
    leaves: BTreeSet<u64>,
    /// Perfect subtrees that are needed, by start and size.
    needed: HashMap<(u64, u64), Option<Hash>>,
    /// Perfect subtrees on the way: start, size, hash.
    stack: Vec<(u64, u64, Hash)>,
    seen: u64,
}

impl Prover {
    /// For these leaves; those that the tree does not have are left out.
    pub(crate) fn new(size: u64, leaves: impl IntoIterator<Item = u64>) -> Self {
        let leaves: BTreeSet<u64> = leaves.into_iter().filter(|leaf| *leaf < size).collect();
        let mut needed = HashMap::new();
        for leaf in &leaves {
            path(*leaf, 0, size, &mut |start, end| {
                perfect(start, end, &mut |start, size| {
                    needed.insert((start, size), None);
                });
            });
        }
        Self {
            size,
            leaves,
            needed,
            stack: Vec::new(),
            seen: 0,
        }
    }

    /// The next leaf of the log: the head of its session's chain.
    pub(crate) fn push(&mut self, link: &Hash) {
        if self.seen >= self.size {
            return;
        }
        let mut node = (self.seen, 1, leaf_hash(link));
        self.seen += 1;
        self.keep(node);
        while let Some(left) = self.stack.last().copied() {
            if left.1 != node.1 {
                break;
            }
            self.stack.pop();
            node = (left.0, left.1 * 2, node_hash(&left.2, &node.2));
            self.keep(node);
        }
        self.stack.push(node);
    }

    fn keep(&mut self, (start, size, hash): (u64, u64, Hash)) {
        if let Some(place) = self.needed.get_mut(&(start, size)) {
            *place = Some(hash);
        }
    }

    /// The proof of one leaf; none when it is not in the tree, or the log was shorter.
    pub(crate) fn proof(&self, leaf: u64) -> Option<Vec<Hash>> {
        if !self.leaves.contains(&leaf) || self.seen < self.size {
            return None;
        }
        let mut proof = Vec::new();
        let mut whole = true;
        path(
            leaf,
            0,
            self.size,
            &mut |start, end| match self.root(start, end) {
                Some(hash) => proof.push(hash),
                None => whole = false,
            },
        );
        // From the leaf upwards.
        proof.reverse();
        whole.then_some(proof)
    }

    fn root(&self, start: u64, end: u64) -> Option<Hash> {
        let mut parts = Vec::new();
        perfect(start, end, &mut |start, size| {
            parts.push(self.needed.get(&(start, size)).copied().flatten());
        });
        let mut parts = parts
            .into_iter()
            .rev()
            .collect::<Option<Vec<_>>>()?
            .into_iter();
        let last = parts.next()?;
        Some(parts.fold(last, |right, left| node_hash(&left, &right)))
    }
}

/// The subtrees beside the way to a leaf, from the root down.
fn path(leaf: u64, start: u64, end: u64, see: &mut impl FnMut(u64, u64)) {
    if end - start <= 1 {
        return;
    }
    let middle = start + split(end - start);
    match leaf < middle {
        true => {
            see(middle, end);
            path(leaf, start, middle, see);
        }
        false => {
            see(start, middle);
            path(leaf, middle, end, see);
        }
    }
}

/// The perfect subtrees that a range is made of, from left to right.
fn perfect(start: u64, end: u64, see: &mut impl FnMut(u64, u64)) {
    let size = end - start;
    if size == 0 {
        return;
    }
    if size.is_power_of_two() {
        return see(start, size);
    }
    let middle = start + split(size);
    see(start, middle - start);
    perfect(middle, end, see);
}

/// The largest power of two that is smaller than `size`.
fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

/// True when `link` is the leaf with this number in the tree of `size` leaves with this root (RFC 9162 section 2.1.3.2).
pub(crate) fn is_included(leaf: u64, link: &Hash, size: u64, proof: &[Hash], root: &Hash) -> bool {
    if leaf >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (leaf, size - 1, leaf_hash(link));
    for step in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(step, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, step);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    #[test]
    fn every_leaf_of_every_small_tree_is_proved_and_no_other_is() {
        for size in 1..=33_u64 {
            let links: Vec<Hash> = (0..size).map(|n| [n as u8; 32]).collect();
            let mut tree = Tree::default();
            let mut prover = Prover::new(size, 0..size + 2);
            for link in &links {
                tree.push(leaf_hash(link));
                prover.push(link);
            }
            let root = tree.root();
            for leaf in 0..size {
                let proof = prover.proof(leaf).unwrap();
                let link = &links[leaf as usize];
                assert!(
                    is_included(leaf, link, size, &proof, &root),
                    "{leaf} of {size}"
                );
                assert!(!is_included(leaf, &[99; 32], size, &proof, &root));
                assert!(!is_included(leaf + 1, link, size, &proof, &root) || size == 1);
                assert!(!is_included(leaf, link, size, &proof, &[0; 32]));
                let longer = [proof.as_slice(), &[[0; 32]]].concat();
                assert!(!is_included(leaf, link, size, &longer, &root));
                if let Some((_, shorter)) = proof.split_last() {
                    assert!(!is_included(leaf, link, size, shorter, &root));
                }
            }
            assert_eq!(prover.proof(size), None);
        }
    }

    #[test]
    fn a_log_that_is_too_short_proves_nothing() {
        let mut prover = Prover::new(4, [1]);
        for n in 0..3 {
            prover.push(&[n; 32]);
        }
        assert_eq!(prover.proof(1), None);
    }
}
