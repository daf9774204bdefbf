//! The Merkle tree of RFC 6962 section 2.1, kept as the roots of its perfect subtrees: 32 bytes for each
//! bit of the size, enough to append and to compute the root, never the whole tree.

use aws_lc_rs::digest::{SHA256, digest};

/// SHA-256.
pub type Hash = [u8; 32];

/// `SHA-256(0x00 || data)`: the hash of a leaf. Here the data is the head of a session's chain.
#[must_use]
pub fn leaf_hash(data: &Hash) -> Hash {
    let mut input = [0; 33];
    input[1..].copy_from_slice(data);
    sha256(&input)
}

/// An append-only Merkle tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// Roots of the perfect subtrees, largest first; one for each bit set in `size`.
    peaks: Vec<Hash>,
}

impl Tree {
    /// A tree resumed from its size and peaks; `None` when they do not fit each other.
    #[must_use]
    pub fn resume(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (size.count_ones() as usize == peaks.len()).then_some(Self { size, peaks })
    }

    /// Leaves so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The peaks, for [`Tree::resume`].
    #[must_use]
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Appends a leaf, already hashed by [`leaf_hash`].
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            let left = self
                .peaks
                .pop()
                .expect("invariant: one peak for each bit of the size");
            hash = node_hash(&left, &hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The Merkle tree hash; of no leaves it is SHA-256 of nothing.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => sha256(b""),
            Some(last) => peaks.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}

pub(crate) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut input = [0; 65];
    input[0] = 1;
    input[1..33].copy_from_slice(left);
    input[33..].copy_from_slice(right);
    sha256(&input)
}

fn sha256(input: &[u8]) -> Hash {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, input).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The inputs and roots that Certificate Transparency's reference implementation tests with
    /// (`merkle_tree_test.cc`), for RFC 6962 section 2.1.
    const LEAVES: [&str; 8] = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    fn reference_leaf(data: &[u8]) -> Hash {
        sha256(&[&[0], data].concat())
    }

    #[test]
    fn roots_are_those_of_rfc_6962() {
        let mut tree = Tree::default();
        assert_eq!(hex::encode(tree.root()), ROOTS[0]);
        for (index, leaf) in LEAVES.iter().enumerate() {
            tree.push(reference_leaf(&hex::decode(leaf).expect("hex")));
            assert_eq!(
                hex::encode(tree.root()),
                ROOTS[index + 1],
                "size {}",
                index + 1
            );
        }
    }

    #[test]
    fn a_resumed_tree_goes_on_as_if_never_stopped() {
        let mut whole = Tree::default();
        for n in 0..100u8 {
            let mut resumed =
                Tree::resume(whole.size(), whole.peaks().to_vec()).expect("sizes fit");
            let leaf = leaf_hash(&[n; 32]);
            whole.push(leaf);
            resumed.push(leaf);
            assert_eq!(resumed, whole);
        }
        assert_eq!(Tree::resume(3, vec![[0; 32]]), None);
    }
}
