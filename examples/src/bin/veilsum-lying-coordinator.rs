//! A coordinator that lies to five banks in four ways, and what they do.

use std::process::ExitCode;

use clap::Parser;
use veilsum_examples::lies::{Line, stories};

/// A coordinator tries to read one bank, in four ways; real banks' machines answer it.
///
/// Everything happens in this process: no network, no files. Exit code 1 if a story does not go as the protocol promises.
#[derive(Debug, Parser)]
#[command(name = "veilsum-lying-coordinator", version)]
struct Cli {}

fn main() -> ExitCode {
    let Cli {} = Cli::parse();
    let mut all_hold = true;
    for (number, story) in stories().iter().enumerate() {
        println!("{}. {}", number + 1, story.title);
        for line in &story.lines {
            match line {
                Line::Tries(text) => println!("   {text}"),
                Line::Found(true, text) => println!("     yes  {text}"),
                Line::Found(false, text) => println!("     NO   {text}"),
            }
        }
        println!();
        all_hold &= story.holds();
    }
    if all_hold {
        println!("Every lie came to nothing, and each was named by the banks that it was told to.");
        ExitCode::SUCCESS
    } else {
        println!("A promise does not hold; look for NO above.");
        ExitCode::from(1)
    }
}
