//! Parameters that make no sense.

use std::collections::BTreeSet;

use reqwest::header::HeaderName;

use super::Api;
use super::process::{MAIN, ProcessSettings};
use super::request::Request;
use crate::check::{ParameterErrors, Parameters};

impl Parameters for Api {
    const KIND: &'static str = "api";
    const LOOKS_AT_DATA: bool = true;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        if self.command.first().is_none_or(String::is_empty) {
            errors
                .at("command", "`command` names no program")
                .add_hint("write `command = [\"bin/server\"]`");
        }
        errors.refuse_empty("role", &self.role);
        errors.require_variables("env", self.env.keys());
        errors.require_variables("port-variable", &self.port_variable);
        errors.require_variables("url-variable", &self.url_variable);
        for message in self.ready.find_errors() {
            errors.at("ready", message);
        }
        let processes = self.processes();
        let mut names = BTreeSet::from([MAIN]);
        for (index, process) in processes[1..].iter().enumerate() {
            if !names.insert(process.name) {
                let message = format!("there is another process `{}`", process.name);
                errors.at_item("process", index, message);
            }
            for message in find_process_errors(process) {
                let message = format!("process `{}`: {message}", process.name);
                errors.at_item("process", index, message);
            }
        }
        for (index, request) in self.request.iter().enumerate() {
            let mut messages = find_request_errors(request);
            if let Some(process) = &request.process
                && !names.contains(process.as_str())
            {
                let names: Vec<&str> = names.iter().copied().collect();
                messages.push(format!(
                    "there is no process `{process}`, only `{}`",
                    names.join("`, `")
                ));
            }
            for message in messages {
                errors.at_item("request", index, format!("{}: {message}", request.label()));
            }
        }
        if !self.request.iter().any(|r| r.expect.looks_at_content()) {
            let message = "no request expects anything of the content, so an application that \
                           does not read the database would pass";
            errors.whole(message).add_hint(
                "add a `[[check.api.request]]` with `expect.json` or `expect.body-contains`",
            );
        }
    }
}

/// Refuses a status that no server answers with.
pub(super) fn check_status(status: u16) -> Result<(), String> {
    if (100..600).contains(&status) {
        return Ok(());
    }
    Err(format!("{status} is not an HTTP status"))
}

/// Finds what is wrong with the parameters of a process that has a name.
fn find_process_errors(process: &ProcessSettings<'_>) -> Vec<String> {
    let mut messages = process.ready.find_errors();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if process.name.is_empty() || !process.name.chars().all(is_plain) {
        messages.push("a name has letters, digits, `-` and `_`".to_owned());
    }
    if process.command.first().is_none_or(String::is_empty) {
        messages.push("`command` names no program".to_owned());
    }
    if process.role.is_empty() {
        messages.push("`role` is empty".to_owned());
    }
    let variables = process.env.last().into_iter().flat_map(|env| env.keys());
    let variables = variables.map(String::as_str);
    for name in variables
        .chain(process.port_variable)
        .chain(process.url_variable)
    {
        if name.is_empty() || name.contains(['=', '\0']) {
            messages.push(format!("`{name}` cannot be the name of a variable"));
        }
    }
    messages
}

/// Finds what is wrong with the parameters of one request.
fn find_request_errors(request: &Request) -> Vec<String> {
    let mut messages = Vec::new();
    if !request.path.starts_with('/') {
        messages.push("a path begins with `/`".to_owned());
    }
    messages.extend(request.expect.status.and_then(|s| check_status(s).err()));
    let headers = request.headers.keys().chain(request.expect.headers.keys());
    for name in headers {
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            messages.push(format!("`{name}` cannot be the name of a header"));
        }
    }
    if let Some(body) = &request.body
        && body.json.is_some() == body.text.is_some()
    {
        messages.push("a body is either `json` or `text`".to_owned());
    }
    if request.expect.body_contains.as_deref() == Some("") {
        messages.push("everything contains the empty text: this asserts nothing".to_owned());
    }
    for (path, expectation) in &request.expect.json {
        messages.extend(expectation.find_error(path));
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    const GOOD: &str = "command = ['bin/server']\nrole = 'app'\n\
        [[request]]\npath = '/me'\nexpect.json = { '$.name' = 'x' }\n";

    /// A check with a worker; `{}` is replaced by more keys of it.
    const WORKER: &str = "command = ['bin/server']\nrole = 'app'\n\
        [[request]]\nprocess = 'worker'\npath = '/jobs'\nexpect.json = { '$.failed' = 0 }\n\
        [[process]]\nname = 'worker'\ncommand = ['bin/worker']\n";

    #[rstest]
    #[case(GOOD, 0)]
    #[case(&GOOD.replace("['bin/server']", "[]"), 1)]
    #[case(&GOOD.replace("'app'", "''"), 1)]
    #[case(&GOOD.replace("'/me'", "'me'"), 1)]
    #[case(&GOOD.replace("$.name", "$.name["), 1)]
    #[case(&GOOD.replace("= 'x'", "= {}"), 1)]
    #[case(&GOOD.replace("expect.json = { '$.name' = 'x' }", "expect.status = 200"), 1)]
    #[case("command = ['x']\nrole = 'app'", 1)]
    #[case(&format!("{GOOD}expect.status = 20\n"), 1)]
    #[case(&format!("{GOOD}expect.body-contains = ''\n"), 1)]
    #[case(&format!("{GOOD}headers = {{ 'a b' = 'c' }}\n"), 1)]
    #[case(&format!("{GOOD}body = {{ text = 'a', json = 1 }}\n"), 1)]
    #[case(&format!("ready = {{ path = 'health' }}\n{GOOD}"), 1)]
    #[case(&format!("ready = {{ status = 20 }}\n{GOOD}"), 1)]
    #[case(&format!("ready = {{ path = '/health', output = 'up' }}\n{GOOD}"), 1)]
    #[case(&format!("ready = {{ listens = true, status = 200 }}\n{GOOD}"), 1)]
    #[case(&format!("ready = {{ listens = false }}\n{GOOD}"), 1)]
    #[case(&format!("ready = {{ output = '(' }}\n{GOOD}"), 1)]
    #[case(&format!("ready = {{ output = '' }}\n{GOOD}"), 1)]
    #[case(&format!("ready = {{ file = '' }}\n{GOOD}"), 1)]
    #[case(&format!("env = {{ 'A=B' = 'c' }}\n{GOOD}"), 1)]
    #[case(&format!("process = []\n{}", GOOD.replace("'/me'", "'/me'\nprocess = 'worker'")), 1)]
    #[case(WORKER, 0)]
    #[case(&format!("{WORKER}ready = {{ listens = true, within = '5s' }}\nrole = 'other'"), 0)]
    #[case(&format!("{WORKER}ready = {{ path = 'health' }}"), 1)]
    #[case(&format!("{WORKER}role = ''"), 1)]
    #[case(&format!("{WORKER}env = {{ 'A=B' = 'c' }}\nport-variable = ''"), 2)]
    #[case(&WORKER.replace("['bin/worker']", "[]"), 1)]
    #[case(&WORKER.replace("'worker'", "'a worker'"), 1)]
    #[case(&WORKER.replace("'worker'", "'application'"), 1)]
    #[case(&format!("{WORKER}[[process]]\nname = 'worker'\ncommand = ['x']"), 1)]
    fn parameters_that_make_no_sense_are_refused(#[case] text: &str, #[case] expected: usize) {
        let check: Api = toml::from_str(text).unwrap();
        assert_eq!(
            errors_of(|errors| check.validate(errors)).len(),
            expected,
            "{:?}",
            errors_of(|errors| check.validate(errors))
        );
    }

    #[rstest]
    #[case(&GOOD.replace("path", "pathh"))]
    #[case(&GOOD.replace("= 'x'", "= { minn = 1 }"))]
    #[case(&GOOD.replace("role = 'app'\n", ""))]
    #[case(&format!("{GOOD}method = 'get'\n"))]
    #[case(&format!("{WORKER}commands = ['x']\n"))]
    #[case(&WORKER.replace("name = 'worker'\n", ""))]
    fn unknown_words_are_refused(#[case] text: &str) {
        assert!(toml::from_str::<Api>(text).is_err());
    }
}
