//! Parameters that make no sense.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::header::HeaderName;

use super::Api;
use super::application::PLACES;
use super::process::{MAIN, ProcessSettings};
use super::request::Request;
use crate::check::{ParameterErrors, Parameters};
use crate::input::diagnostic::nearest;
use crate::input::secret::SecretText;

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
        for (key, message) in self.ready.find_errors() {
            errors.within(&["ready", key], message);
        }
        let processes = self.processes();
        let mut names = BTreeSet::from([MAIN]);
        for (index, process) in processes[1..].iter().enumerate() {
            let index = index.to_string();
            if !names.insert(process.name) {
                let message = format!("there is another process `{}`", process.name);
                errors.within(&["process", &index, "name"], message);
            }
            for (path, message) in find_process_errors(process) {
                let message = format!("process `{}`: {message}", process.name);
                let path: Vec<&str> = ["process", &index].into_iter().chain(path).collect();
                errors.within(&path, message);
            }
        }
        self.refuse_unknown_places(&names, errors);
        for (index, request) in self.request.iter().enumerate() {
            let index = index.to_string();
            let mut messages = find_request_errors(request);
            if let Some(process) = &request.process
                && !names.contains(process.as_str())
            {
                let names: Vec<&str> = names.iter().copied().collect();
                let message = format!(
                    "there is no process `{process}`, only `{}`",
                    names.join("`, `")
                );
                messages.push((vec!["process"], message));
            }
            for (path, message) in messages {
                let path: Vec<&str> = ["request", &index].into_iter().chain(path).collect();
                errors.within(&path, format!("{}: {message}", request.label()));
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

impl Api {
    /// Reports placeholders that nothing fills in. Other words in braces belong to the program.
    fn refuse_unknown_places(&self, names: &BTreeSet<&str>, errors: &mut ParameterErrors<'_>) {
        let words = |command: &[String]| -> Vec<(String, String)> {
            let words = command.iter().enumerate().skip(1);
            words
                .map(|(at, word)| (at.to_string(), word.clone()))
                .collect()
        };
        let values = |env: &BTreeMap<String, SecretText>| -> Vec<(String, String)> {
            let plain = env.iter().filter_map(|(name, text)| match text {
                SecretText::Plain(plain) => Some((name.clone(), plain.clone())),
                SecretText::Env(_) | SecretText::File(_) => None,
            });
            plain.collect()
        };
        let mut places = vec![
            (vec!["command".to_owned()], words(&self.command)),
            (vec!["env".to_owned()], values(&self.env)),
        ];
        for (index, process) in self.process.iter().enumerate() {
            let within = |key: &str| vec!["process".to_owned(), index.to_string(), key.to_owned()];
            places.push((within("command"), words(&process.command)));
            places.push((within("env"), values(&process.env)));
        }
        for (path, texts) in places {
            for (key, text) in texts {
                let Some(place) = find_unknown_place(&text, names) else {
                    continue;
                };
                let path: Vec<&str> = path.iter().chain([&key]).map(String::as_str).collect();
                let known: Vec<String> = known_places(names).collect();
                errors
                    .within(&path, format!("nothing fills in `{{{place}}}`"))
                    .add_hint(match nearest(place, known.iter().map(String::as_str)) {
                        Some(name) => format!("did you mean `{{{name}}}`?"),
                        None => format!("known: `{{{}}}`", known.join("}`, `{")),
                    });
            }
        }
    }
}

/// The placeholders of a check, without their braces.
fn known_places(names: &BTreeSet<&str>) -> impl Iterator<Item = String> {
    let of_all = PLACES.iter().map(|name| (*name).to_owned());
    of_all.chain(names.iter().map(|name| format!("{name}.port")))
}

/// A word in braces that is meant to be a placeholder and is none: of a process, of a companion, or like one that is known.
fn find_unknown_place<'t>(text: &'t str, names: &BTreeSet<&str>) -> Option<&'t str> {
    let known: Vec<String> = known_places(names).collect();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let words = text.split('{').skip(1).filter_map(|rest| {
        let (word, _) = rest.split_once('}')?;
        (!word.is_empty() && word.chars().all(is_plain)).then_some(word)
    });
    let is_meant = |word: &str| match word.split_once('.') {
        Some((process, value)) => {
            names.contains(process) || process == "companion" || value == "port"
        }
        // A letter more, less or another.
        None => (known.iter()).any(|name| strsim::damerau_levenshtein(word, name) == 1),
    };
    let mut unknown = words.filter(|word| !known.iter().any(|name| name == word));
    unknown.find(|word| is_meant(word))
}

/// What is wrong, with the path of its key below the process or the request.
type Wrong = (Vec<&'static str>, String);

/// Finds what is wrong with the parameters of a process that has a name.
fn find_process_errors(process: &ProcessSettings<'_>) -> Vec<Wrong> {
    let ready = process.ready.find_errors().into_iter();
    let mut messages: Vec<Wrong> = ready
        .map(|(key, message)| (vec!["ready", key], message))
        .collect();
    let mut add = |key: &'static str, message: String| messages.push((vec![key], message));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if process.name.is_empty() || !process.name.chars().all(is_plain) {
        add("name", "a name has letters, digits, `-` and `_`".to_owned());
    }
    if process.command.first().is_none_or(String::is_empty) {
        add("command", "`command` names no program".to_owned());
    }
    if process.role.is_empty() {
        add("role", "`role` is empty".to_owned());
    }
    let variables = process.env.last().into_iter().flat_map(|env| env.keys());
    let variables = variables.map(|name| ("env", name.as_str()));
    let port = process.port_variable.map(|name| ("port-variable", name));
    let url = process.url_variable.map(|name| ("url-variable", name));
    for (key, name) in variables.chain(port).chain(url) {
        if name.is_empty() || name.contains(['=', '\0']) {
            add(key, format!("`{name}` cannot be the name of a variable"));
        }
    }
    messages
}

/// Finds what is wrong with the parameters of one request.
fn find_request_errors(request: &Request) -> Vec<Wrong> {
    let mut messages: Vec<Wrong> = Vec::new();
    let mut add = |path: &[&'static str], message: String| messages.push((path.to_vec(), message));
    if !request.path.starts_with('/') {
        add(&["path"], "a path begins with `/`".to_owned());
    }
    if let Some(Err(message)) = request.expect.status.map(check_status) {
        add(&["expect", "status"], message);
    }
    let sent = request.headers.keys().map(|name| (&["headers"][..], name));
    let expected = request.expect.headers.keys();
    let expected = expected.map(|name| (&["expect", "headers"][..], name));
    for (path, name) in sent.chain(expected) {
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            add(path, format!("`{name}` cannot be the name of a header"));
        }
    }
    if let Some(body) = &request.body
        && body.json.is_some() == body.text.is_some()
    {
        add(&["body"], "a body is either `json` or `text`".to_owned());
    }
    if request.expect.body_contains.as_deref() == Some("") {
        let message = "everything contains the empty text: this asserts nothing";
        add(&["expect", "body-contains"], message.to_owned());
    }
    for (path, expectation) in &request.expect.json {
        if let Some(message) = expectation.find_error(path) {
            add(&["expect", "json"], message);
        }
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
    #[case(&WORKER.replace("['bin/worker']", "['bin/worker', '{application.port}', '{port}', '{\"a\": {url}}', '{id}', '{}', '${x}']"), 0)]
    #[case(&WORKER.replace("['bin/worker']", "['bin/worker', '{worker.prt}']"), 1)]
    #[case(&WORKER.replace("['bin/worker']", "['bin/worker', '{wroker.port}', '{databse}']"), 2)]
    #[case(&WORKER.replace("role = 'app'", "role = 'app'\nenv = { KEY = '{companion.key}' }"), 1)]
    #[case(&format!("{WORKER}env = {{ URL = 'http://{{aplication.port}}' }}"), 1)]
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
