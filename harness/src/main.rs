//! Arguments in, exit code out.

fn main() -> std::process::ExitCode {
    redrill::namespace::become_child();
    redrill::process::adopt_orphans();
    redrill::command::main()
}
