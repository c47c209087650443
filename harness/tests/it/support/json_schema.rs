//! Validation of a report by its JSON Schema.

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

/// A compiled schema.
pub struct JsonSchema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl JsonSchema {
    pub fn of(schema: impl Into<Value>) -> Self {
        const LOCATION: &str = "schema.json";
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.enable_format_assertions();
        compiler.add_resource(LOCATION, schema.into()).unwrap();
        let index = compiler.compile(LOCATION, &mut schemas).unwrap();
        Self { schemas, index }
    }

    /// All errors with their places; empty for a valid value.
    pub fn errors(&self, value: &Value) -> String {
        match self.schemas.validate(value, self.index) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        }
    }
}
