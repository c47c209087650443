//! Prints identities as [`ObjectId`] documents them.

use std::fmt;

use super::kind::NameForm;
use super::{ObjectId, ObjectPart};
use crate::sql::quote_ident;

impl ObjectPart {
    /// Its name as SQL writes it, with the schema where it has one.
    #[must_use]
    pub fn printed_name(&self) -> String {
        qualify(self.schema.as_deref(), &self.name)
    }
}

impl fmt::Display for ObjectPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.word())?;
        if self.kind.form() != NameForm::Alone {
            write!(f, " {}", self.printed_name())?;
        }
        Ok(())
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.word())?;
        let schema = self.schema.as_deref();
        let name = qualify(schema, &self.name);
        let signature = self.signature.as_deref().unwrap_or_default();
        if self.kind.form() != NameForm::Alone {
            f.write_str(" ")?;
        }
        match self.kind.form() {
            NameForm::Alone => {}
            NameForm::Name | NameForm::Qualified => f.write_str(&name)?,
            NameForm::Routine => write!(f, "{name}({signature})")?,
            NameForm::Operator => {
                let schema = quote_ident(schema.unwrap_or_default());
                write!(f, "{schema}.{}({signature})", self.name)?;
            }
            NameForm::Method => write!(f, "{name} using {}", quote_ident(signature))?,
            NameForm::Cast => write!(f, "({signature})")?,
            NameForm::Transform => write!(f, "{signature} language {name}")?,
            NameForm::Mapping => {
                let role = self.signature.as_deref().map(quote_ident);
                let role = role.as_deref().unwrap_or("PUBLIC");
                write!(f, "{role} on {name}")?;
            }
            NameForm::Defaults => {
                f.write_str(&quote_ident(&self.name))?;
                if let Some(schema) = schema {
                    write!(f, " in schema {}", quote_ident(schema))?;
                }
                write!(f, " on {signature}")?;
            }
            NameForm::Verbatim => f.write_str(&self.name)?,
        }
        match &self.part {
            Some(part) => write!(f, " {part}"),
            None => Ok(()),
        }
    }
}

fn qualify(schema: Option<&str>, name: &str) -> String {
    match schema {
        Some(schema) => format!("{}.{}", quote_ident(schema), quote_ident(name)),
        None => quote_ident(name),
    }
}
