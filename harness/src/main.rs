//! Arguments in, exit code out.

fn main() -> std::process::ExitCode {
    redrill::namespace::become_child();
    redrill::process::adopt_orphans();
    match redrill::server::kept::become_keeper() {
        Some(code) => code,
        None => redrill::command::main(),
    }
}
