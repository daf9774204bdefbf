//! Where in the file a key stands. The YAML reader attaches a position to every error raised while it
//! visits a node, so a key is found by reading the file again and stopping there on purpose. This module
//! refuses to parse YAML itself: two readers of one file would disagree one day.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// One step from a node to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into a mapping.
    Key(String),
    /// Into a sequence, from 0.
    Index(usize),
}

/// A way from the root to a node, shown as `listeners[0].tls`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place(pub Vec<Step>);

impl Place {
    /// The root.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// One key further.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Key(key.to_owned()));
        Self(steps)
    }

    /// What a JSON pointer names in this value, from here on. A part that is not there ends the way.
    #[must_use]
    pub fn pointer(&self, value: &serde_json::Value, pointer: &str) -> Self {
        let mut place = self.clone();
        let mut value = Some(value);
        for part in pointer.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            let index = part
                .parse()
                .ok()
                .filter(|_| value.is_some_and(|v| v.is_array()));
            (place, value) = match index {
                Some(index) => (place.index(index), value.and_then(|v| v.get(index))),
                None => (place.key(&part), value.and_then(|v| v.get(&part))),
            };
        }
        place
    }

    /// One item further.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Index(index));
        Self(steps)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// 1-based line and column of the key, or of its nearest parent that is written down.
#[must_use]
pub fn locate(text: &str, place: &Place) -> Option<(usize, usize)> {
    (0..=place.0.len()).rev().find_map(|depth| {
        let walk = Walk {
            steps: &place.0[..depth],
        };
        let stopped = walk
            .deserialize(serde_yaml::Deserializer::from_str(text))
            .err()?;
        let location = stopped.location()?;
        stopped
            .to_string()
            .contains(ARRIVED)
            .then(|| (location.line(), location.column()))
    })
}

/// What marks the error as ours.
const ARRIVED: &str = "portcullis: the place is here";

/// Walks the steps that remain and fails on arrival.
struct Walk<'a> {
    steps: &'a [Step],
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.steps.is_empty() {
            ARRIVED
        } else {
            "a node"
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((step, rest)) = self.steps.split_first() else {
            return Err(A::Error::custom(ARRIVED));
        };
        let Step::Key(wanted) = step else {
            return Err(A::Error::custom("no sequence"));
        };
        let key = Key {
            wanted,
            last: rest.is_empty(),
        };
        while let Some(found) = map.next_key_seed(&key)? {
            if found {
                map.next_value_seed(Walk { steps: rest })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((step, rest)) = self.steps.split_first() else {
            return Err(A::Error::custom(ARRIVED));
        };
        let Step::Index(wanted) = step else {
            return Err(A::Error::custom("no mapping"));
        };
        for _ in 0..*wanted {
            if items.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        items.next_element_seed(Walk { steps: rest })?;
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// Compares a key, and stops at the last one: the key is where people look.
struct Key<'a> {
    wanted: &'a str,
    last: bool,
}

impl<'de> DeserializeSeed<'de> for &Key<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for &Key<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        if key == self.wanted && self.last {
            return Err(E::custom(ARRIVED));
        }
        Ok(key == self.wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
node: gw-1
listeners:
  - protocol: postgres
    tls: { certificate: a.pem, key: b.pem }
  - protocol: postgres
";

    #[test]
    fn a_place_is_found_where_it_is_written() {
        let listeners = Place::root().key("listeners");
        for (place, expected) in [
            (Place::root().key("node"), (1, 1)),
            (listeners.clone(), (2, 1)),
            (listeners.index(0).key("tls").key("key"), (4, 32)),
            (listeners.index(1).key("protocol"), (5, 5)),
            // Not written down: the nearest parent that is.
            (listeners.index(1).key("tls").key("key"), (5, 5)),
        ] {
            assert_eq!(locate(TEXT, &place), Some(expected), "{place}");
        }
    }

    #[test]
    fn a_json_pointer_leads_to_its_place() {
        let value = serde_json::json!({"a/b": [{"0": 1}]});
        let place = Place::root().key("config").pointer(&value, "/a~1b/0/0");
        assert_eq!(place.to_string(), "config.a/b[0].0");
        assert_eq!(Place::root().pointer(&value, "").to_string(), "");
    }

    #[test]
    fn a_place_reads_as_a_path() {
        let place = Place::root().key("listeners").index(0).key("tls");
        assert_eq!(place.to_string(), "listeners[0].tls");
    }
}
