//! What a person sees: headings, commands, check marks. Colour only on a terminal.

use std::io::IsTerminal;

fn paint(code: &str, text: &str) -> String {
    let plain = std::env::var_os("NO_COLOR").is_some() || !std::io::stdout().is_terminal();
    if plain {
        text.to_owned()
    } else {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Bold.
pub fn bold(text: &str) -> String {
    paint("1", text)
}

/// Grey.
pub fn dim(text: &str) -> String {
    paint("2", text)
}

/// Green.
pub fn green(text: &str) -> String {
    paint("32", text)
}

/// Red.
pub fn red(text: &str) -> String {
    paint("31", text)
}

/// A heading.
pub fn heading(text: &str) {
    println!("\n{}", bold(text));
}

/// A step that takes time.
pub fn step(text: &str) {
    println!("{} {text}", dim("…"));
}

/// Something that was seen to be so.
pub fn seen(text: &str) {
    println!("  {} {text}", green("ok"));
}

/// Output of a process, indented.
pub fn quote(text: &str) {
    for line in text.trim_end().lines() {
        println!("    {line}");
    }
}
