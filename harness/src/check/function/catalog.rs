//! What the catalog says of functions.

use std::collections::BTreeSet;
use std::fmt;

use super::property::{FunctionSort, Parallel, Security, Volatility};
use crate::check::columns::Columns as _;
use crate::database::Session;
use crate::outcome::{CouldNotRun, Finding};
use crate::sql::{
    NamePattern, QualifiedName, quote_ident, quote_literal, setting_elements, tokens,
};

/// A function as a scenario names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionName {
    /// Its schema and name, or a pattern.
    pub name: QualifiedName,
    pattern: NamePattern,
    /// The text between the parentheses, where there are any.
    types: Option<String>,
}

impl FunctionName {
    /// Reads `schema.name(types)`, `schema.name` or a pattern.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (name, types) = match tokens(text).find(|token| token.text == "(") {
            Some(open) => {
                let types = text[open.end()..].strip_suffix(')');
                let types = types
                    .ok_or_else(|| format!("`{text}` has a parenthesis that is not closed"))?;
                (&text[..open.start], Some(types.to_owned()))
            }
            None => (text, None),
        };
        let name = QualifiedName::parse(name)?;
        let pattern = NamePattern::from(&name);
        Ok(Self {
            name,
            pattern,
            types,
        })
    }

    /// Whether it may match several names.
    pub fn is_pattern(&self) -> bool {
        !self.pattern.is_exact()
    }

    /// Whether it says which arguments are meant.
    pub fn has_types(&self) -> bool {
        self.types.is_some()
    }

    /// Tells whether a function is meant; `oid` is what [`resolve`] gave.
    pub fn names(&self, found: &FoundFunction, oid: Option<&str>) -> bool {
        if self.has_types() {
            return oid == Some(found.oid.as_str());
        }
        if self.is_pattern() && found.of_extension {
            return false;
        }
        self.pattern.matches(&found.name)
    }
}

/// A function as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFunction {
    pub oid: String,
    pub name: QualifiedName,
    /// As in `a integer, VARIADIC b text[]`.
    pub arguments: String,
    pub of_extension: bool,
    pub sort: FunctionSort,
    pub language: String,
    pub returns: String,
    pub volatility: Volatility,
    pub strict: bool,
    pub parallel: Parallel,
    pub leakproof: bool,
    pub security: Security,
    pub owner: String,
    pub owned_by_superuser: bool,
    /// As in `search_path=pg_catalog`.
    pub settings: Vec<String>,
    pub sha256: String,
    /// Empty for an aggregate, which has none.
    pub definition: String,
}

impl fmt::Display for FoundFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name, self.arguments)
    }
}

const FUNCTIONS: &str = "
SELECT p.oid, n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid),
       EXISTS (SELECT FROM pg_catalog.pg_depend d
                WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'),
       p.prokind, l.lanname, COALESCE(pg_catalog.pg_get_function_result(p.oid), ''),
       p.provolatile, p.proisstrict, p.proparallel, p.proleakproof, p.prosecdef,
       r.rolname, r.rolsuper, COALESCE(pg_catalog.array_to_string(p.proconfig, E'\\n'), ''),
       pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to({body}, 'UTF8')), 'hex'),
       CASE WHEN p.prokind = 'a' THEN '' ELSE pg_catalog.pg_get_functiondef(p.oid) END
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang
  JOIN pg_catalog.pg_roles r ON r.oid = p.proowner
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp_)'
 ORDER BY 2, 3, 4";

/// Since PostgreSQL 14 a body may be parsed when it is made; then there is no source text.
const BODY_14: &str = "COALESCE(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc)";
const BODY_12: &str = "p.prosrc";

/// Schemas in which everybody may create something.
const OPEN_SCHEMAS: &str = "
SELECT n.nspname FROM pg_catalog.pg_namespace n
 WHERE pg_catalog.has_schema_privilege('public', n.oid, 'CREATE')";

/// Reads every function that is not the server's own.
pub async fn everything(session: &mut Session) -> Result<Vec<FoundFunction>, CouldNotRun> {
    let body = if session.major_version().await? >= 14 {
        BODY_14
    } else {
        BODY_12
    };
    let rows = session.rows(&FUNCTIONS.replace("{body}", body)).await?;
    Ok(rows.iter().filter_map(|row| read(row)).collect())
}

fn read(row: &[Option<String>]) -> Option<FoundFunction> {
    Some(FoundFunction {
        oid: row.text(0)?,
        name: row.name(1)?,
        arguments: row.text(3)?,
        of_extension: row.is_true(4),
        sort: match row.text(5)?.as_str() {
            "p" => FunctionSort::Procedure,
            "a" => FunctionSort::Aggregate,
            "w" => FunctionSort::Window,
            _ => FunctionSort::Function,
        },
        language: row.text(6)?,
        returns: row.text(7)?,
        volatility: match row.text(8)?.as_str() {
            "i" => Volatility::Immutable,
            "s" => Volatility::Stable,
            _ => Volatility::Volatile,
        },
        strict: row.is_true(9),
        parallel: match row.text(10)?.as_str() {
            "s" => Parallel::Safe,
            "r" => Parallel::Restricted,
            _ => Parallel::Unsafe,
        },
        leakproof: row.is_true(11),
        security: if row.is_true(12) {
            Security::Definer
        } else {
            Security::Invoker
        },
        owner: row.text(13)?,
        owned_by_superuser: row.is_true(14),
        settings: row.text(15)?.lines().map(str::to_owned).collect(),
        sha256: row.text(16)?,
        definition: row.text(17)?,
    })
}

/// Gives the oid of a function that is named with its types; `None` when there is none.
pub async fn resolve(
    session: &mut Session,
    wanted: &FunctionName,
) -> Result<Option<String>, CouldNotRun> {
    let Some(types) = &wanted.types else {
        return Ok(None);
    };
    let signature = quote_literal(&format!("{}({types})", wanted.name));
    let sql = format!("SELECT pg_catalog.to_regprocedure({signature})::pg_catalog.oid");
    match session.value(&sql).await {
        Ok(oid) => Ok(oid),
        // A type or schema that is not there: then the function is not either.
        Err(error) if matches!(error.sqlstate.as_deref(), Some("42704" | "3F000" | "42883")) => {
            Ok(None)
        }
        Err(error) => Err(CouldNotRun::new(format!(
            "the server cannot read the name {}({types}): {error}",
            wanted.name
        ))
        .hint("write argument types alone, as in `app.f(integer, text[])`")),
    }
}

/// Reads the schemas in which everybody may create something.
pub async fn open_schemas(session: &mut Session) -> Result<BTreeSet<String>, CouldNotRun> {
    let rows = session.rows(OPEN_SCHEMAS).await?;
    Ok(rows.iter().filter_map(|row| row.text(0)).collect())
}

/// The lines of a definition, without indentation and empty ones. Line ends stay: behind `--` they
/// decide what is code.
pub fn lines(definition: &str) -> Vec<&str> {
    definition
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect()
}

impl FoundFunction {
    /// Gives the value of one of its settings.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings
            .iter()
            .filter_map(|setting| setting.split_once('='))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Says what was found, in one line.
    pub fn describe(&self) -> String {
        format!(
            "{} in {}, {}, owner {}, SHA-256 {}",
            self.sort.word(),
            self.language,
            self.security.word(),
            self.owner,
            self.sha256
        )
    }

    /// Finds what makes a SECURITY DEFINER function dangerous to have.
    pub fn unsafe_to_call(&self, open: &BTreeSet<String>) -> Vec<Finding> {
        if self.security == Security::Invoker {
            return Vec::new();
        }
        let object = format!("function {self}");
        let mut findings = Vec::new();
        if self.owned_by_superuser {
            findings.push(
                Finding::about(
                    &object,
                    "SECURITY DEFINER, owned by a role that is no superuser",
                    format!(
                        "owned by {}, who is: it reads past every row policy and right",
                        self.owner
                    ),
                )
                .hint(format!(
                    "ALTER FUNCTION {self} OWNER TO …; was it restored with --no-owner?"
                )),
            );
        }
        let wrong = match self.setting("search_path") {
            None => Some(
                "it sets none: whoever calls it chooses whose tables and operators it uses"
                    .to_owned(),
            ),
            Some(path) => setting_elements(path)
                .into_iter()
                .find(|schema| schema == "$user" || open.contains(schema))
                .map(|schema| {
                    format!(
                        "{} is in it, where others may create what it then uses",
                        quote_ident(&schema)
                    )
                }),
        };
        if let Some(actual) = wrong {
            findings.push(
                Finding::about(
                    &object,
                    "SECURITY DEFINER with a search_path of its own that is closed",
                    actual,
                )
                .hint(format!(
                    "ALTER FUNCTION {self} SET search_path = pg_catalog, …, pg_temp"
                )),
            );
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("app.f", "app.f", None)]
    #[case("app.f()", "app.f", Some(""))]
    #[case("app.f(integer, text[])", "app.f", Some("integer, text[]"))]
    #[case("\"App\".\"f(x)\"(integer)", "\"App\".\"f(x)\"", Some("integer"))]
    fn names(#[case] text: &str, #[case] name: &str, #[case] types: Option<&str>) {
        let wanted = FunctionName::parse(text).unwrap();
        assert_eq!(wanted.name.to_string(), name);
        assert_eq!(wanted.types.as_deref(), types);
    }

    fn definer(owned_by_superuser: bool, settings: &[&str]) -> FoundFunction {
        let row = [
            "1", "app", "f", "", "f", "f", "sql", "bigint", "v", "f", "u", "f", "t", "owner",
        ];
        let mut row: Vec<Option<String>> = row.iter().map(|t| Some((*t).to_owned())).collect();
        row.push(Some(if owned_by_superuser { "t" } else { "f" }.to_owned()));
        row.push(Some(settings.join("\n")));
        row.extend([Some("00".to_owned()), Some(String::new())]);
        read(&row).unwrap()
    }

    #[rstest]
    #[case(false, &["search_path=pg_catalog, pg_temp"], 0)]
    #[case(false, &["search_path=\"\""], 0)]
    #[case(false, &[], 1)]
    #[case(false, &["work_mem=1MB"], 1)]
    #[case(false, &["search_path=\"$user\", pg_catalog"], 1)]
    #[case(false, &["search_path=app, \"Open\""], 1)]
    #[case(true, &["search_path=pg_catalog"], 1)]
    #[case(true, &[], 2)]
    fn a_definer_function_is_safe_or_says_why_not(
        #[case] superuser: bool,
        #[case] settings: &[&str],
        #[case] broken: usize,
    ) {
        let open = ["Open".to_owned()].into();
        let found = definer(superuser, settings);
        assert_eq!(found.unsafe_to_call(&open).len(), broken);
        let invoker = FoundFunction {
            security: Security::Invoker,
            ..found
        };
        assert_eq!(invoker.unsafe_to_call(&open), []);
    }
}
