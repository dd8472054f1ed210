//! The program's entry: everything else is in the library.

/// Gives back to the system what a run took, however many small pieces it was; a daemon is idle most of the day.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    dunlin::cli::main()
}
