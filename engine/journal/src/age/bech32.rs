//! Bech32 (BIP 173) without its limit on length, as age writes keys. Refuses mixed case, wrong checksums and bits that
//! pad with anything but zero.

const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// The bytes of `prefix1…`, all in lower case.
pub(super) fn decode(prefix: &str, text: &str) -> Option<Vec<u8>> {
    let rest = text.strip_prefix(prefix)?.strip_prefix('1')?;
    let values = rest
        .bytes()
        .map(|letter| LETTERS.iter().position(|l| *l == letter))
        .map(|value| value.and_then(|value| u8::try_from(value).ok()))
        .collect::<Option<Vec<u8>>>()?;
    let (data, _) = values.split_at_checked(values.len().checked_sub(6)?)?;
    if polymod(prefix, &values) != 1 {
        return None;
    }
    let (mut bits, mut count, mut out) = (0_u32, 0, Vec::new());
    for value in data {
        bits = bits << 5 | u32::from(*value);
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    (count < 5 && bits == 0).then_some(out)
}

/// `prefix1…` of some bytes.
pub(super) fn encode(prefix: &str, bytes: &[u8]) -> String {
    let (mut bits, mut count, mut values) = (0_u32, 0, Vec::new());
    for byte in bytes {
        bits = bits << 8 | u32::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            values.push((bits >> count & 31) as u8);
            bits &= (1 << count) - 1;
        }
    }
    if count > 0 {
        values.push((bits << (5 - count) & 31) as u8);
    }
    let mut padded = values.clone();
    padded.extend([0; 6]);
    let sum = polymod(prefix, &padded) ^ 1;
    values.extend((0..6).map(|at| (sum >> (5 * (5 - at)) & 31) as u8));
    let letters = values.iter().map(|v| char::from(LETTERS[usize::from(*v)]));
    format!("{prefix}1{}", letters.collect::<String>())
}

fn polymod(prefix: &str, values: &[u8]) -> u32 {
    const GENERATOR: [u32; 5] = [
        0x3b6a_57b2,
        0x2650_8e6d,
        0x1ea1_19fa,
        0x3d42_33dd,
        0x2a14_62b3,
    ];
    let high = prefix.bytes().map(|b| b >> 5);
    let low = prefix.bytes().map(|b| b & 31);
    let all = high.chain([0]).chain(low).chain(values.iter().copied());
    all.fold(1, |sum, value| {
        let top = sum >> 25;
        let mut next = (sum & 0x01ff_ffff) << 5 ^ u32::from(value);
        for (bit, factor) in GENERATOR.iter().enumerate() {
            if top >> bit & 1 == 1 {
                next ^= factor;
            }
        }
        next
    })
}
