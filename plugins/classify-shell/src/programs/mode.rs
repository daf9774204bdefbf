//! Modes as chmod reads them, octal or symbolic: which bits the result may have, whatever it was before.

/// Bits that a mode gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mode {
    /// Others may write.
    pub world_write: bool,
    /// Set-user-id.
    pub set_user: bool,
}

/// Reads a mode; `None` when it is none. `umask` decides where no `ugoa` is written.
pub fn read(text: &str, umask: Option<u32>) -> Option<Mode> {
    let octal = text.trim_start_matches(['=', '+']);
    if !octal.is_empty() && octal.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
        let bits = octal
            .bytes()
            .fold(0_u32, |bits, b| (bits << 3 | u32::from(b - b'0')) & 0o7777);
        return Some(of_bits(bits));
    }
    if text.starts_with('-')
        && text[1..].bytes().all(|b| (b'0'..=b'7').contains(&b))
        && text.len() > 1
    {
        return Some(Mode::default());
    }
    symbolic(text, umask)
}

/// The same for a number.
pub fn of_bits(bits: u32) -> Mode {
    Mode {
        world_write: bits & 0o002 != 0,
        set_user: bits & 0o4000 != 0,
    }
}

/// `u+x,go=r`: for each of user, group, others whether it may write; what was before counts as nothing for
/// others and as writing for the owner, as it is with the usual files.
fn symbolic(text: &str, umask: Option<u32>) -> Option<Mode> {
    let mut write = [true, true, false];
    let mut set_user = false;
    for clause in text.split(',') {
        let operators = ['+', '-', '='];
        let start = clause.find(operators)?;
        let (who, mut rest) = clause.split_at(start);
        if !who.bytes().all(|b| b"ugoa".contains(&b)) {
            return None;
        }
        let all = who.is_empty() || who.contains('a');
        let masked = who.is_empty() && umask.unwrap_or(0o022) & 0o002 != 0;
        let chosen = [
            all || who.contains('u'),
            all || who.contains('g'),
            (all || who.contains('o')) && !masked,
        ];
        while let Some(operator) = rest.chars().next() {
            rest = &rest[1..];
            let end = rest.find(operators).unwrap_or(rest.len());
            let (what, more) = rest.split_at(end);
            rest = more;
            if !what.bytes().all(|b| b"rwxXstugo01234567".contains(&b)) {
                return None;
            }
            let digits = what.bytes().last().is_some_and(|b| b.is_ascii_digit());
            let gives = what.contains('w')
                || (what.contains('u') && write[0])
                || (what.contains('g') && write[1])
                || (what.contains('o') && write[2])
                || (digits && what.ends_with(['2', '3', '6', '7']));
            for (has, chosen) in write.iter_mut().zip(chosen) {
                match operator {
                    '+' if chosen => *has |= gives,
                    '-' if chosen && gives => *has = false,
                    '=' if chosen => *has = gives,
                    _ => {}
                }
            }
            if operator != '-' && what.contains('s') && chosen[0] {
                set_user = true;
            }
        }
    }
    Some(Mode {
        world_write: write[2],
        set_user,
    })
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn world_writable_by_any_spelling() {
        for mode in [
            "777",
            "0777",
            "00777",
            "000000777",
            "1777",
            "666",
            "002",
            "2",
            "7",
            "=777",
            "+777",
            "a+rwx",
            "a=rwx",
            "o+w",
            "ugo=rwx",
            "ugo+w",
            "+rwx,o+w",
            "u=rwx,g=u,o=u",
            "o=u",
            "o=g",
            "u+x,o+rw",
            "go-r,o=w",
            "a-x+w",
            "o=rwx",
            "uo+w",
            "oo+w",
            "o+wX",
            "o-w+w",
        ] {
            assert!(read(mode, None).unwrap().world_write, "{mode}");
        }
        for mode in [
            "755",
            "0644",
            "775",
            "770",
            "u+w",
            "g+w",
            "+w",
            "+x",
            "a+r",
            "a+rX",
            "o-w",
            "o=",
            "go-rwx",
            "u=rw,go=r",
            "-777",
            "g=u",
            "o+w-w",
            "a+w,o-w",
        ] {
            assert!(!read(mode, None).unwrap().world_write, "{mode}");
        }
        assert!(read("+w", Some(0)).unwrap().world_write);
        assert!(read("+rwx", Some(0o020)).unwrap().world_write);
        assert!(!read("=rw", Some(0o022)).unwrap().world_write);
        for mode in ["u+s", "4755", "6755", "ug+s", "+s", "a+s", "u=rwxs"] {
            assert!(read(mode, None).unwrap().set_user, "{mode}");
        }
        for mode in ["g+s", "2755", "u-s", "1777"] {
            assert!(!read(mode, None).unwrap().set_user, "{mode}");
        }
        for mode in ["", "abc", "u", "888", "u+q", "b+w"] {
            assert_eq!(read(mode, None), None, "{mode}");
        }
    }
}
