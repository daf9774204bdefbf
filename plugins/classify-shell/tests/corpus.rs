//! Commands that do harm and ordinary ones, counted; `cargo xtask test corpus` prints the figures.

use portcullis_plugin_classify_shell::command_line;
use portcullis_sdk::testing::ways;
use portcullis_sdk::{Effect, Risk};

/// Above a write of low risk.
fn is_graded(command: &str) -> bool {
    let opinion = command_line(command);
    opinion.effect > Effect::Write || opinion.risk > Risk::Low
}

#[test]
fn corpus_of_commands_is_told_apart() {
    let harm = ways::lines(include_str!("../../../tests/bypass/shell.txt"));
    let missed: Vec<&str> = harm
        .iter()
        .map(|(_, line)| line.split_once('\t').map_or("", |(_, command)| command))
        .filter(|command| !is_graded(command))
        .collect();
    let ordinary = ways::lines(include_str!("../corpus/clean.txt"));
    let wrong: Vec<&String> = ordinary
        .iter()
        .map(|(_, line)| line)
        .filter(|line| is_graded(line))
        .collect();
    println!(
        "classify-shell: {} of {} ways round graded, {} of {} ordinary commands graded too high",
        harm.len() - missed.len(),
        harm.len(),
        wrong.len(),
        ordinary.len()
    );
    assert!(missed.is_empty(), "not graded: {missed:#?}");
    assert!(wrong.is_empty(), "graded too high: {wrong:#?}");
}
