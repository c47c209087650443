//! `tenant`: no tenant reads or writes what belongs to another.
//!
//! - `schemas` is tenants by schema, each with a role of its own, compared pairwise
//! - `rows` is tenants by row, distinguished by a column and a setting of the session

mod rows;
mod schemas;

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::indirect;
use crate::check::reads::{Reads, RowsRead};
use crate::check::target::Targets;
use crate::check::{Check, Observation, ParameterErrors, Parameters, Restored};
use crate::outcome::CouldNotRun;
use crate::rights::{Right, identifier_pattern};
use crate::sql::{Glob, NamePattern};

/// No tenant reads or writes what belongs to another: tried pairwise, as the real roles.
///
/// ## What it proves
/// Tenants by schema (`schemas`, with a role for each): for every two of them,
/// - the role of one has no right on the other's schema nor on anything in it: none granted, inherited,
///   of PUBLIC, by owning, on columns, by default privileges, after SET ROLE or by ADMIN OPTION; it can
///   not become the other's role, and reaches no superuser and no `pg_read_all_data`. What PUBLIC may do
///   with functions and types by PostgreSQL's default is left out, since the schema is closed to it;
/// - it reads no view, outside `shared-views`, that reads the other's schema with its owner's rights;
/// - in a session of its own, SELECT, INSERT, UPDATE and DELETE of each of the other's tables are refused
///   because a right is missing (42501), and rows of its own schema can be read;
/// - it does not write another's schema with the rights of another: views, foreign keys, rules and triggers that lead there are
///   tried, and rolled back. Where it may call a SECURITY DEFINER function that may read or write another's schema (its
///   owner may; its body names a table there, also without the schema where the function has no `search_path` of its own,
///   or is not read: another language than SQL and PL/pgSQL, dynamic SQL), the check could not run: `trusted-functions` lists
///   functions that were reviewed.
///
/// Tenants by row (`tables` with a `column`, and the `setting` that says whose session it is): for every
/// tenant, as the role with that setting,
/// - rows of its own are seen in each table that has some, and not one of another, neither in the table
///   nor in a partition of it directly;
/// - UPDATE and DELETE touch no row of another, and neither inserting a row for another nor giving away
///   its own goes through. Each is rolled back; sequences move on;
/// - where such a table has policies, it neither reads nor writes past them with the rights of another, as in `rls`:
///   `shared-views`, `trusted-functions` and `indirect` list what may.
///
/// ## What it does not prove
/// What functions of `trusted-functions` show and write: name statements in `refused`, with `{schema}` and `{other}`. That
/// a session without the setting sees nothing (`rls`). Tenants that have
/// no rows. Apache AGE 1.5.0 does not ask for rights on labels' tables in Cypher's SET and DELETE.
///
/// ## Example
/// ```toml
/// [[check.tenant]]
/// schemas = ["org_*"]
/// role = "app_{schema}"
///
/// [[check.tenant]]
/// schemas = ["acme", "borealis"]
/// roles = { acme = "acme_app", borealis = "borealis_app" }
/// shared-views = ["app.totals"]
/// refused = ["SELECT app.read_engram('{other}', 1)"]
///
/// [[check.tenant]]
/// tables = ["app.orders", "app.invoices"]
/// column = "tenant"
/// role = "web"
/// setting = "app.tenant"
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tenant {
    /// Schemas, one for each tenant; `*` and `?` match.
    #[serde(default)]
    pub schemas: Vec<String>,
    /// The role: for schemas with `{schema}` in its name, for rows the application's.
    pub role: Option<String>,
    /// The role of each schema, where the names follow no rule.
    #[serde(default)]
    pub roles: BTreeMap<String, String>,
    /// Views that may show data of several tenants, and write it where tenants are rows; `*` and `?` match.
    #[serde(default)]
    pub shared_views: Vec<String>,
    /// SECURITY DEFINER functions, as `schema.name(types)`, that a review found to give no tenant what belongs to another
    /// and to write nothing of another. They are not tested, and the reports say so.
    #[serde(default)]
    pub trusted_functions: Vec<String>,
    /// Commands that other objects may run on rows of other tenants, as in `delete on app.sessions`: a foreign key with
    /// CASCADE that is meant.
    #[serde(default)]
    pub indirect: Vec<Right>,
    /// Statements that must be refused, for each pair: `{schema}` is the tenant's own, `{other}` another's.
    #[serde(default)]
    pub refused: Vec<String>,
    /// Tables, or views by name, that hold rows of all tenants; `*` and `?` match.
    #[serde(default)]
    pub tables: Vec<String>,
    /// The column that says whose a row is.
    pub column: Option<String>,
    /// The setting that says whose a session is.
    pub setting: Option<String>,
    /// The tenants. Default: all that the tables know.
    #[serde(default)]
    pub tenants: Vec<String>,
}

impl Parameters for Tenant {
    const KIND: &'static str = "tenant";
    const LOOKS_AT_DATA: bool = true;

    fn validate(&self, errors: &mut ParameterErrors<'_>) {
        match (self.schemas.is_empty(), self.tables.is_empty()) {
            (true, true) => errors.whole("no tenants are named").add_hint(
                "add `schemas = [\"org_*\"]` with `role = \"app_{schema}\"`, \
                 or `tables` with `column`, `role` and `setting`",
            ),
            (false, false) => errors
                .at("tables", "tenants are schemas or rows, not both")
                .add_hint("write a check for `schemas` and a check for `tables`"),
            (false, true) => self.validate_schemas(errors),
            (true, false) => self.validate_rows(errors),
        }
    }
}

#[async_trait]
impl Check for Tenant {
    fn describe(&self) -> String {
        let of = if self.tables.is_empty() {
            &self.schemas
        } else {
            &self.tables
        };
        format!("tenants of {}", of.join(", "))
    }

    fn alone(&self) -> bool {
        true
    }

    fn reads(&self) -> Reads {
        if self.refused.iter().any(|sql| builds_names(sql)) {
            return Reads::Everything;
        }
        let schemas = self.schemas.iter();
        let schemas = schemas.filter_map(|schema| identifier_pattern(schema).ok());
        let relations = schemas.map(|schema| NamePattern {
            schema,
            name: Glob::any(),
        });
        Reads::Some(
            RowsRead {
                relations: relations.collect(),
                ways_to_insert: !self.schemas.is_empty(),
                statements: self.refused.clone(),
                trusted_functions: self.trusted_functions.clone(),
                ..RowsRead::default()
            }
            .with(&self.tables),
        )
    }

    async fn run(&self, restored: &Restored<'_>) -> Result<Observation, CouldNotRun> {
        if self.tables.is_empty() {
            schemas::run(self, restored).await
        } else {
            rows::run(self, restored).await
        }
    }
}

impl Tenant {
    fn validate_schemas(&self, errors: &mut ParameterErrors<'_>) {
        for name in &self.schemas {
            errors.require("schemas", identifier_pattern(name));
        }
        match &self.role {
            Some(role) if !role.contains("{schema}") => errors
                .at("role", "every schema would have the same role")
                .add_hint("write `{schema}` where the schema's name goes, or give `roles`"),
            None if self.roles.is_empty() => errors
                .at("schemas", "no role is named")
                .add_hint("add `role = \"app_{schema}\"`, or `roles = { acme = \"acme_app\" }`"),
            _ => {}
        }
        errors.require_names("shared-views", &self.shared_views, "schema.view");
        errors.require_statements("refused", &self.refused);
        let of_rows = [
            ("column", self.column.is_some()),
            ("setting", self.setting.is_some()),
            ("tenants", !self.tenants.is_empty()),
            ("indirect", !self.indirect.is_empty()),
        ];
        indirect::validate(&self.trusted_functions, errors);
        errors.each(
            of_rows,
            "needs `tables`",
            "tenants of `schemas` do not have it",
        );
    }

    fn validate_rows(&self, errors: &mut ParameterErrors<'_>) {
        Targets::new(None, &self.tables).validate(errors);
        for (key, missing) in [
            ("column", self.column.is_none()),
            ("role", self.role.is_none()),
            ("setting", self.setting.is_none()),
        ] {
            if missing {
                errors
                    .at("tables", format!("`{key}` is missing"))
                    .add_hint("rows of tenants need `column`, `role` and `setting`");
            }
        }
        errors.require_names("shared-views", &self.shared_views, "schema.view");
        indirect::validate(&self.trusted_functions, errors);
        let of_schemas = [
            ("roles", !self.roles.is_empty()),
            ("refused", !self.refused.is_empty()),
        ];
        errors.each(
            of_schemas,
            "needs `schemas`",
            "tenants in rows of `tables` do not have it",
        );
    }
}

/// Whether `{schema}` or `{other}` is a part of a name in a statement, as in `data_{other}`.
fn builds_names(sql: &str) -> bool {
    let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
    ["{schema}", "{other}"].iter().any(|place| {
        sql.match_indices(place).any(|(at, _)| {
            let (before, behind) = (&sql[..at], &sql[at + place.len()..]);
            before.ends_with(is_of_name) || behind.starts_with(is_of_name)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::parameters::errors_of;
    use rstest::rstest;

    #[rstest]
    #[case("SELECT app.read('{other}')", false)]
    #[case("SELECT 1 FROM {other}.orders", false)]
    #[case("SELECT 1 FROM app.data_{other}", true)]
    #[case("SELECT 1 FROM app.{schema}_data", true)]
    fn names_that_a_statement_builds(#[case] sql: &str, #[case] expected: bool) {
        assert_eq!(builds_names(sql), expected);
    }

    #[rstest]
    #[case("schemas = ['org_*']\nrole = 'app_{schema}'", 0)]
    #[case("schemas = ['a', 'b']\nroles = { a = 'x', b = 'y' }", 0)]
    #[case(
        "tables = ['app.*']\ncolumn = 'org'\nrole = 'app'\nsetting = 'app.org'",
        0
    )]
    #[case("role = 'app'", 1)]
    #[case("schemas = ['a']\ntables = ['app.*']", 1)]
    #[case("schemas = ['org_*']", 1)]
    #[case("schemas = ['org_*']\nrole = 'app'", 1)]
    #[case("schemas = ['org_*']\nrole = 'a_{schema}'\nsetting = 'x'", 1)]
    #[case("schemas = ['org_*']\nrole = 'a_{schema}'\nrefused = ['COMMIT']", 1)]
    #[case("tables = ['app.*']\ncolumn = 'org'\nrole = 'app'", 1)]
    #[case(
        "tables = ['app.*']\ncolumn = 'org'\nrole = 'app'\nsetting = 'a.b'\nrefused = ['SELECT 1']",
        1
    )]
    fn what_makes_no_sense_is_refused(#[case] text: &str, #[case] expected: usize) {
        let check: Tenant = toml::from_str(text).unwrap();
        assert_eq!(
            errors_of(|errors| check.validate(errors)).len(),
            expected,
            "{:?}",
            errors_of(|errors| check.validate(errors))
        );
    }
}
