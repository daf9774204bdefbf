//! How long a decision takes. The bounds here are far above the budget (an unoptimised build on a busy
//! machine); they catch a rule that walks the data. `--nocapture` shows the figures.

use super::world::{Asked, example_data, identity, load, select, shipped_sources};
use portcullis_model::Kind;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The example data with a thousand users' worth of groups and bindings.
fn large() -> Value {
    let mut data = example_data();
    for n in 0..1000 {
        data["access"]["groups"][format!("group-{n}")] = json!([format!("binding-{n}")]);
        data["access"]["bindings"][format!("binding-{n}")] =
            json!({"labels": {"app": format!("app-{n}")}});
        data["config"]["mask"]["columns"][format!("connection-{n}")] =
            json!([{"table": "t", "column": "c"}]);
    }
    data
}

/// The quickest of many runs: what else the machine does only ever adds.
fn quickest(mut run: impl FnMut()) -> Duration {
    let times = (0..500).map(|_| {
        let began = Instant::now();
        run();
        began.elapsed()
    });
    times.min().unwrap()
}

#[test]
fn a_decision_is_quick_whatever_the_size_of_the_data() {
    let set = load(&shipped_sources(), large());
    let asked = Asked::new(identity("ada", Kind::Human, &["engineers"]), vec![select()]);
    let fresh = quickest(|| {
        set.forget();
        asked.decide(&set);
    });
    let remembered = quickest(|| {
        asked.decide(&set);
    });
    let mut reads_time = 0;
    let mut literal = asked;
    let other_literal = quickest(|| {
        reads_time += 1;
        literal.text = format!("select {reads_time}");
        literal.decide(&set);
    });
    println!("uncached {fresh:?}, cached {remembered:?}, another literal {other_literal:?}");
    assert!(fresh < Duration::from_millis(5), "{fresh:?}");
    assert!(remembered < Duration::from_millis(1), "{remembered:?}");
}
