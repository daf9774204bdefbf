//! `completions` and `man`, generated from the same definitions as `--help`.

use crate::cli::{Cli, Exit};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::io;

/// Completions for a shell.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis completions bash > /etc/bash_completion.d/portcullis
  portcullis completions zsh > \"${fpath[1]}/_portcullis\"")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

pub(super) fn completions(completions: &Completions) -> Result<(), Exit> {
    clap_complete::generate(
        completions.shell,
        &mut Cli::command(),
        "portcullis",
        &mut io::stdout().lock(),
    );
    Ok(())
}

pub(super) fn man() -> Result<(), Exit> {
    Ok(clap_mangen::Man::new(Cli::command()).render(&mut io::stdout().lock())?)
}
