//! Checksums that more than one detector needs. Refuses to know what they protect: that is the detector's.

const BECH32: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// What the checksum of bech32 (BIP 173) leaves over: 1 for bech32, `0x2bc8_30a3` for bech32m (BIP 350), anything else for
/// what is neither. `human` is the part before the last `1`, `data` the part behind it, in either case; `None` for a
/// character that is none of its alphabet.
#[must_use]
pub fn bech32(human: &[u8], data: &[u8]) -> Option<u32> {
    const TERMS: [u32; 5] = [
        0x3b6a_57b2,
        0x2650_8e6d,
        0x1ea1_19fa,
        0x3d42_33dd,
        0x2a14_62b3,
    ];
    let mut sum = 1_u32;
    let mut feed = |value: u32| {
        let top = sum >> 25;
        sum = (sum & 0x1ff_ffff) << 5 ^ value;
        for (bit, term) in TERMS.iter().enumerate() {
            if top >> bit & 1 == 1 {
                sum ^= term;
            }
        }
    };
    let human = human.iter().map(|b| u32::from(b.to_ascii_lowercase()));
    human.clone().for_each(|b| feed(b >> 5));
    feed(0);
    human.for_each(|b| feed(b & 31));
    for byte in data {
        let place = BECH32.iter().position(|c| *c == byte.to_ascii_lowercase());
        feed(u32::try_from(place?).ok()?);
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_examples_hold() {
        // BIP 173 and BIP 350, valid checksums.
        for (human, data, sum) in [
            ("A", "2UEL5L", Some(1)),
            ("a", "2uel5l", Some(1)),
            (
                "split",
                "checkupstagehandshakeupstreamerranterredcaperred2y9e3w",
                Some(1),
            ),
            ("a", "lqfn3a", Some(0x2bc8_30a3)),
            (
                "split",
                "checkupstagehandshakeupstreamerranterredcaperredlc445v",
                Some(0x2bc8_30a3),
            ),
            ("a", "2uelbl", None),
        ] {
            assert_eq!(
                bech32(human.as_bytes(), data.as_bytes()),
                sum,
                "{human}1{data}"
            );
        }
        assert!(!matches!(bech32(b"a", b"2uel5q"), Some(1 | 0x2bc8_30a3)));
    }
}
