//! Lists that a classifier is held against: ways round it that must stay closed, and ordinary messages that must not be
//! graded high. One a line; `#` begins a comment, `⏎` stands for a line break. Refuses a list that holds nothing.

use crate::classifier::{Effect, Opinion, Risk};

/// The lines of a list with their numbers.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn lines(list: &str) -> Vec<(usize, String)> {
    let lines = (1..).zip(list.lines());
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let lines: Vec<_> = lines
        .map(|(n, line)| (n, line.replace('⏎', "\n")))
        .collect();
    assert!(!lines.is_empty(), "the list holds nothing");
    lines
}

/// Ways that are open, of lines `LABEL,LABEL<TAB>MESSAGE`: those of which a label is not said. `unknown` is the effect.
///
/// # Panics
/// When a line has no tab.
pub fn open_ways(list: &str, opinion: impl Fn(&str) -> Opinion) -> Vec<String> {
    let mut open = Vec::new();
    for (number, line) in lines(list) {
        let (labels, message) = line
            .split_once('\t')
            .unwrap_or_else(|| panic!("line {number}: labels, a tab, the message"));
        let opinion = opinion(message);
        for label in labels.split(',') {
            let said = match label {
                "unknown" => opinion.effect == Effect::Unknown,
                label => opinion.labels.contains(label),
            };
            if !said {
                open.push(format!(
                    "{number}: {label} is not said of {message:?}: {:?} {:?}",
                    opinion.effect, opinion.labels
                ));
            }
        }
    }
    open
}

/// Ordinary messages that are graded above what `most` says of them.
pub fn graded_high(
    list: &str,
    opinion: impl Fn(&str) -> Opinion,
    most: impl Fn(&str) -> (Effect, Risk),
) -> Vec<String> {
    let mut graded = Vec::new();
    for (number, line) in lines(list) {
        let (opinion, (effect, risk)) = (opinion(&line), most(&line));
        if opinion.effect > effect || opinion.risk > risk {
            graded.push(format!(
                "{number}: {line:?}: {:?} {:?} {:?}",
                opinion.effect, opinion.risk, opinion.labels
            ));
        }
    }
    graded
}

/// Fails with all that is wrong.
///
/// # Panics
/// When anything is.
pub fn none(what: &str, wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "{} {what}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "# ways\n\ndrop-table,unknown\tDROP⏎TABLE t\n";

    #[test]
    fn a_way_is_closed_when_every_label_is_said() {
        let says = |text: &str| {
            assert_eq!(text, "DROP\nTABLE t");
            Opinion::nothing()
                .label("drop-table")
                .effect(Effect::Unknown)
        };
        assert!(open_ways(LIST, says).is_empty());
        let open = open_ways(LIST, |_| Opinion::nothing().label("drop-table"));
        assert_eq!(open.len(), 1);
        assert!(open[0].starts_with("3: unknown is not said"), "{}", open[0]);
    }

    #[test]
    fn what_is_graded_high_is_told() {
        let high = |_: &str| Opinion::nothing().risk(Risk::High);
        let most = |_: &str| (Effect::Write, Risk::Low);
        assert_eq!(graded_high("ls\nid\n", high, most).len(), 2);
        let low = |_: &str| Opinion::nothing().risk(Risk::Low);
        assert!(graded_high("ls\nid\n", low, most).is_empty());
    }

    #[test]
    #[should_panic(expected = "the list holds nothing")]
    fn an_empty_list_proves_nothing() {
        let _ = lines("# none\n");
    }
}
