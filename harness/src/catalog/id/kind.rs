//! Kinds of objects and of their parts, with the word and the form of each in an identity.

/// What follows the word of the kind in the text of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameForm {
    /// Nothing: there is one object of the kind.
    Alone,
    /// `name`
    Name,
    /// `schema.name`
    Qualified,
    /// `schema.name(types)`
    Routine,
    /// `schema.+(types)`
    Operator,
    /// `schema.name using method`
    Method,
    /// `(type AS type)`
    Cast,
    /// `type language name`
    Transform,
    /// `role on name`, or `PUBLIC on name`
    Mapping,
    /// `name on class`, or `name in schema schema on class`
    Defaults,
    /// A name that is never quoted, up to the end.
    Verbatim,
}

impl NameForm {
    pub(super) const fn has_schema(self) -> bool {
        matches!(
            self,
            Self::Qualified | Self::Routine | Self::Operator | Self::Method
        )
    }
}

macro_rules! kinds {
    ($(#[$meta:meta])* $name:ident { $($kind:ident: $word:literal, $form:ident;)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $word, "`")] $kind,)*
        }

        impl $name {
            /// All kinds, in the order of their words.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The first word of the text.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$kind => $word,)* }
            }

            pub(super) const fn form(self) -> NameForm {
                match self { $(Self::$kind => NameForm::$form,)* }
            }

            /// Splits a text into the kind that it begins with and the rest; the longest word that fits wins.
            pub(super) fn split(text: &str) -> Option<(Self, &str)> {
                let rest_after = |kind: &Self| {
                    let rest = text.strip_prefix(kind.word())?;
                    match kind.form() {
                        NameForm::Alone => (rest.is_empty() || rest.starts_with(' ')).then_some((*kind, rest)),
                        _ => Some((*kind, rest.strip_prefix(' ')?)),
                    }
                };
                Self::ALL.iter().filter_map(rest_after).max_by_key(|(kind, _)| kind.word().len())
            }
        }
    };
}

kinds! {
    /// The kind of an object.
    ObjectKind {
        AccessMethod: "access method", Name;
        Aggregate: "aggregate", Routine;
        Cast: "cast", Cast;
        Collation: "collation", Qualified;
        Conversion: "conversion", Qualified;
        Database: "database", Alone;
        DefaultPrivileges: "default privileges of", Defaults;
        Domain: "domain", Qualified;
        EventTrigger: "event trigger", Name;
        Extension: "extension", Name;
        ForeignDataWrapper: "foreign data wrapper", Name;
        ForeignServer: "foreign server", Name;
        ForeignTable: "foreign table", Qualified;
        Function: "function", Routine;
        Graph: "graph", Name;
        Language: "language", Name;
        LargeObjects: "large objects", Alone;
        MaterializedView: "materialized view", Qualified;
        Operator: "operator", Operator;
        OperatorClass: "operator class", Method;
        OperatorFamily: "operator family", Method;
        Parameter: "parameter", Verbatim;
        Procedure: "procedure", Routine;
        Publication: "publication", Name;
        Role: "role", Name;
        Schema: "schema", Name;
        Sequence: "sequence", Qualified;
        Server: "server", Alone;
        Subscription: "subscription", Name;
        Table: "table", Qualified;
        Tablespace: "tablespace", Name;
        TextSearchConfiguration: "text search configuration", Qualified;
        TextSearchDictionary: "text search dictionary", Qualified;
        TextSearchParser: "text search parser", Qualified;
        TextSearchTemplate: "text search template", Qualified;
        Transform: "transform for", Transform;
        Type: "type", Qualified;
        UserMapping: "user mapping for", Mapping;
        View: "view", Qualified;
    }
}

kinds! {
    /// The kind of a part of an object.
    PartKind {
        Column: "column", Name;
        Constraint: "constraint", Name;
        Index: "index", Name;
        InheritedConstraint: "inherited constraint", Name;
        Label: "label", Name;
        Policy: "policy", Name;
        PublishedTable: "table", Qualified;
        Rule: "rule", Name;
        Settings: "settings", Alone;
        SettingsOfRole: "settings of role", Name;
        Statistics: "statistics", Qualified;
        Trigger: "trigger", Name;
    }
}

impl ObjectKind {
    /// Whether its objects are in a schema.
    #[must_use]
    pub const fn has_schema(self) -> bool {
        self.form().has_schema()
    }

    /// Whether the types of its arguments are a part of its name.
    #[must_use]
    pub const fn is_routine(self) -> bool {
        matches!(self.form(), NameForm::Routine)
    }

    /// Whether it has columns and rows.
    #[must_use]
    pub const fn is_relation(self) -> bool {
        matches!(
            self,
            Self::Table | Self::View | Self::MaterializedView | Self::ForeignTable
        )
    }

    /// Whether objects of this kind have such parts.
    pub(super) const fn has(self, part: PartKind) -> bool {
        match part {
            PartKind::Column
            | PartKind::Index
            | PartKind::InheritedConstraint
            | PartKind::Policy
            | PartKind::Rule
            | PartKind::Statistics
            | PartKind::Trigger => self.is_relation(),
            PartKind::Constraint => self.is_relation() || matches!(self, Self::Domain | Self::Type),
            PartKind::Label => matches!(self, Self::Graph),
            PartKind::PublishedTable => matches!(self, Self::Publication),
            PartKind::Settings | PartKind::SettingsOfRole => matches!(self, Self::Database),
        }
    }
}
