//! Does a configuration fit the schema in the plugin's manifest? The part of JSON Schema that configurations use; what
//! is not in it (`pattern`, `format`, …) is for editors, and the plugin's own `configure` decides. The schema is a
//! stranger's: no regular expression of it runs here, no address of it is fetched, and depth and number of what is
//! said about a configuration are bounded.

use crate::error::ConfigProblem;
use portcullis_model::limits;
use serde_json::{Map, Value};
use std::cell::Cell;

/// What of a configuration does not fit. Empty without a schema.
pub(crate) fn misfits(schema: Option<&Value>, config: &Value) -> Vec<ConfigProblem> {
    let Some(root) = schema else {
        return Vec::new();
    };
    // `config:` with nothing behind it says no more than no `config` at all.
    let nothing = Value::Object(Map::new());
    let config = if config.is_null() { &nothing } else { config };
    let steps = Cell::new(0);
    let mut look = Look {
        root,
        steps: &steps,
        pointer: String::new(),
        depth: 0,
        found: Vec::new(),
    };
    look.value(root, config);
    look.found
}

/// A walk through schema and value at once.
struct Look<'a> {
    root: &'a Value,
    /// Counts up, also in forms that are only tried.
    steps: &'a Cell<usize>,
    pointer: String,
    depth: usize,
    found: Vec<ConfigProblem>,
}

impl<'a> Look<'a> {
    fn value(&mut self, schema: &'a Value, value: &Value) {
        if self.found.len() >= limits::PLUGIN_CONFIG_PROBLEMS_MAX {
            return;
        }
        self.steps.set(self.steps.get() + 1);
        if self.depth >= limits::PLUGIN_CONFIG_DEPTH_MAX
            || self.steps.get() > limits::PLUGIN_CONFIG_STEPS_MAX
        {
            return self.say("is nested too deeply, or its schema is");
        }
        self.depth += 1;
        match schema {
            Value::Bool(false) => self.say("must not be here"),
            Value::Object(schema) => self.object_schema(schema, value),
            _ => {}
        }
        self.depth -= 1;
    }

    fn object_schema(&mut self, schema: &'a Map<String, Value>, value: &Value) {
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            match target
                .strip_prefix('#')
                .and_then(|at| self.root.pointer(at))
            {
                Some(target) => self.value(target, value),
                None => self.say(&format!("the plugin's schema has no `{target}`")),
            }
        }
        if let Some(types) = schema.get("type")
            && !is_of(types, value)
        {
            return self.say(&format!(
                "is {}, and must be {}",
                name_of(value),
                names(types)
            ));
        }
        if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
            && !allowed.contains(value)
        {
            let words: Vec<_> = allowed.iter().map(Value::to_string).collect();
            self.say(&format!(
                "is {value}, and must be one of {}",
                words.join(", ")
            ));
        }
        if let Some(only) = schema.get("const")
            && only != value
        {
            self.say(&format!("is {value}, and must be {only}"));
        }
        match value {
            Value::Object(fields) => self.fields(schema, fields),
            Value::Array(items) => self.items(schema, items),
            Value::String(text) => self.size(schema, "Length", text.chars().count(), "characters"),
            Value::Number(_) => self.number(schema, value),
            _ => {}
        }
        self.combined(schema, value);
    }

    fn fields(&mut self, schema: &'a Map<String, Value>, fields: &Map<String, Value>) {
        let known = schema.get("properties").and_then(Value::as_object);
        let required = schema.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                self.say(&format!("`{name}` is missing"));
            }
        }
        self.size(schema, "Properties", fields.len(), "keys");
        for (name, value) in fields {
            let back = self.pointer.len();
            self.pointer.push('/');
            self.pointer
                .push_str(&name.replace('~', "~0").replace('/', "~1"));
            match known.and_then(|known| known.get(name)) {
                Some(schema) => self.value(schema, value),
                None => match schema.get("additionalProperties") {
                    Some(Value::Bool(false)) => {
                        let there: Vec<_> = known
                            .into_iter()
                            .flatten()
                            .map(|(k, _)| k.as_str())
                            .collect();
                        let there = match there.is_empty() {
                            true => "there are none".to_owned(),
                            false => format!("there are {}", there.join(", ")),
                        };
                        self.say(&format!("is not known; {there}"));
                    }
                    Some(schema) => self.value(schema, value),
                    None => {}
                },
            }
            self.pointer.truncate(back);
        }
    }

    fn items(&mut self, schema: &'a Map<String, Value>, items: &[Value]) {
        self.size(schema, "Items", items.len(), "items");
        let unique = schema.get("uniqueItems") == Some(&Value::Bool(true));
        for (index, item) in items.iter().enumerate() {
            let back = self.pointer.len();
            self.pointer.push_str(&format!("/{index}"));
            if unique && items.iter().take(index).any(|before| before == item) {
                self.say("stands there twice");
            }
            if let Some(schema) = schema.get("items") {
                self.value(schema, item);
            }
            self.pointer.truncate(back);
        }
    }

    /// `minLength`, `maxItems` and the like.
    fn size(&mut self, schema: &Map<String, Value>, of: &str, found: usize, what: &str) {
        let bound = |side: &str| {
            let bound = schema.get(&format!("{side}{of}"))?.as_u64()?;
            usize::try_from(bound).ok()
        };
        if let Some(least) = bound("min").filter(|least| found < *least) {
            self.say(&format!("has {found} {what}, and needs {least} at least"));
        }
        if let Some(most) = bound("max").filter(|most| found > *most) {
            self.say(&format!("has {found} {what}, and may have {most} at most"));
        }
    }

    fn number(&mut self, schema: &Map<String, Value>, value: &Value) {
        let found = value.as_f64().unwrap_or(f64::NAN);
        let rules: [(&str, fn(f64, f64) -> bool, &str); 4] = [
            ("minimum", |found, bound| found >= bound, "at least"),
            ("maximum", |found, bound| found <= bound, "at most"),
            (
                "exclusiveMinimum",
                |found, bound| found > bound,
                "more than",
            ),
            (
                "exclusiveMaximum",
                |found, bound| found < bound,
                "less than",
            ),
        ];
        for (key, fits, words) in rules {
            if let Some(bound) = schema.get(key)
                && bound.as_f64().is_some_and(|limit| !fits(found, limit))
            {
                self.say(&format!("is {value}, and must be {words} {bound}"));
            }
        }
    }

    fn combined(&mut self, schema: &'a Map<String, Value>, value: &Value) {
        let list = |key: &str| schema.get(key).and_then(Value::as_array);
        for part in list("allOf").into_iter().flatten() {
            self.value(part, value);
        }
        let fitting = |look: &Self, parts: &'a [Value]| {
            let fits = |part: &&Value| look.would_fit(part, value);
            parts.iter().filter(fits).count()
        };
        if let Some(parts) = list("anyOf")
            && fitting(self, parts) == 0
        {
            self.say("fits none of the forms that the plugin's schema allows");
        }
        if let Some(parts) = list("oneOf")
            && fitting(self, parts) != 1
        {
            self.say("must fit exactly one of the forms that the plugin's schema allows");
        }
        if let Some(not) = schema.get("not")
            && self.would_fit(not, value)
        {
            self.say("has a form that the plugin's schema excludes");
        }
    }

    fn would_fit(&self, schema: &'a Value, value: &Value) -> bool {
        let mut look = Look {
            root: self.root,
            steps: self.steps,
            pointer: String::new(),
            depth: self.depth,
            found: Vec::new(),
        };
        look.value(schema, value);
        look.found.is_empty()
    }

    fn say(&mut self, message: &str) {
        if self.found.len() < limits::PLUGIN_CONFIG_PROBLEMS_MAX {
            self.found.push(ConfigProblem {
                pointer: self.pointer.clone(),
                message: message.to_owned(),
            });
        }
    }
}

fn is_of(types: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "integer" => value.as_f64().is_some_and(|n| n.fract() == 0.0),
        "number" => value.is_number(),
        other => name_of(value).ends_with(other),
    };
    match types {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
        _ => true,
    }
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn names(types: &Value) -> String {
    match types {
        Value::Array(names) => {
            let names: Vec<_> = names.iter().filter_map(Value::as_str).collect();
            names.join(" or ")
        }
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(schema: &Value, config: &Value) -> Vec<String> {
        let found = misfits(Some(schema), config);
        found.iter().map(ConfigProblem::to_string).collect()
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_place() {
        let schema = json!({
            "type": "object", "required": ["names"], "additionalProperties": false,
            "properties": {
                "names": {"type": "array", "minItems": 1, "uniqueItems": true, "items": {"type": "string", "minLength": 2}},
                "level": {"enum": ["low", "high"]},
                "keep": {"type": "integer", "minimum": 0, "exclusiveMaximum": 10},
                "more": {"$ref": "#/$defs/more"},
            },
            "$defs": {"more": {"type": ["object", "null"], "additionalProperties": {"type": "boolean"}}},
        });
        let good = json!({"names": ["ab", "cd"], "level": "low", "keep": 9, "more": {"x": true}});
        assert_eq!(said(&schema, &good), Vec::<String>::new());
        for (config, expected) in [
            (json!([]), "is an array, and must be object"),
            (json!({}), "`names` is missing"),
            (
                json!({"names": []}),
                "/names: has 0 items, and needs 1 at least",
            ),
            (
                json!({"names": ["ab", 7]}),
                "/names/1: is a number, and must be string",
            ),
            (
                json!({"names": ["a"]}),
                "/names/0: has 1 characters, and needs 2 at least",
            ),
            (
                json!({"names": ["ab", "ab"]}),
                "/names/1: stands there twice",
            ),
            (
                json!({"names": ["ab"], "level": "mid"}),
                "/level: is \"mid\", and must be one of \"low\", \"high\"",
            ),
            (
                json!({"names": ["ab"], "keep": 10}),
                "/keep: is 10, and must be less than 10",
            ),
            (
                json!({"names": ["ab"], "keep": 1.5}),
                "/keep: is a number, and must be integer",
            ),
            (
                json!({"names": ["ab"], "nmaes": 1}),
                "/nmaes: is not known; there are names, level, keep, more",
            ),
            (
                json!({"names": ["ab"], "more": {"a/b": 1}}),
                "/more/a~1b: is a number, and must be boolean",
            ),
        ] {
            assert_eq!(said(&schema, &config), [expected], "{config}");
        }
    }

    #[test]
    fn forms_are_combined() {
        let schema = json!({
            "anyOf": [{"type": "string"}, {"type": "integer"}],
            "oneOf": [{"type": "string"}, {"type": "number", "minimum": 5}],
            "allOf": [{"not": {"const": 6}}],
        });
        assert!(said(&schema, &json!("x")).is_empty());
        assert!(said(&schema, &json!(7)).is_empty());
        assert_eq!(said(&schema, &json!(true)).len(), 2);
        assert_eq!(said(&schema, &json!(3)).len(), 1);
        assert_eq!(said(&schema, &json!(6)).len(), 1);
    }

    #[test]
    fn a_hostile_schema_costs_little() {
        let endless = json!({"$ref": "#"});
        assert_eq!(
            said(&endless, &json!(1)),
            ["is nested too deeply, or its schema is"]
        );
        let forked = json!({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]});
        assert!(!said(&forked, &json!(1)).is_empty());
        let chatty = json!({"items": {"type": "string"}});
        let config = Value::Array(vec![json!(1); 10_000]);
        assert_eq!(
            said(&chatty, &config).len(),
            limits::PLUGIN_CONFIG_PROBLEMS_MAX
        );
        assert!(misfits(None, &json!({"any": "thing"})).is_empty());
        let strict = json!({"type": "object", "required": ["names"]});
        assert!(misfits(Some(&json!({"type": "object"})), &Value::Null).is_empty());
        assert_eq!(said(&strict, &Value::Null), ["`names` is missing"]);
    }
}
