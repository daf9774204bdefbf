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

/// The manual page, of all or of one command.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis man > /usr/share/man/man1/portcullis.1
  portcullis man policy replay | man -l -")]
pub struct Manual {
    /// A command: `policy replay`
    command: Vec<String>,
}

pub(super) fn man(manual: &Manual) -> Result<(), Exit> {
    let mut cli = Cli::command();
    cli.build();
    let mut command = cli;
    for name in &manual.command {
        command = command
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| Exit::refused(format!("there is no command `{name}`")))?;
    }
    Ok(clap_mangen::Man::new(command).render(&mut io::stdout().lock())?)
}
