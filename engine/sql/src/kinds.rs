//! The kinds of objects: what the grammar calls them, what policies and labels call them.
//!
//! Refuses: a kind that the grammar invents later is an `object`.

use pg_query::protobuf::ObjectType as T;

/// A kind of object: the word in `Object::kind`, the upper-case SQL word, the label when one is dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) word: &'static str,
    pub(crate) sql: &'static str,
    pub(crate) dropped: &'static str,
}

const fn kind(word: &'static str, sql: &'static str, dropped: &'static str) -> Kind {
    Kind { word, sql, dropped }
}

/// The kind behind the grammar's number.
pub(crate) fn of(number: i32) -> Kind {
    match T::try_from(number).unwrap_or(T::Undefined) {
        T::ObjectTable => kind("table", "TABLE", "drop-table"),
        T::ObjectForeignTable => kind("table", "FOREIGN TABLE", "drop-table"),
        T::ObjectView => kind("view", "VIEW", "drop-view"),
        T::ObjectMatview => kind("view", "MATERIALIZED VIEW", "drop-view"),
        T::ObjectIndex => kind("index", "INDEX", "drop-index"),
        T::ObjectSequence => kind("sequence", "SEQUENCE", "drop-sequence"),
        T::ObjectSchema => kind("schema", "SCHEMA", "drop-schema"),
        T::ObjectDatabase => kind("database", "DATABASE", "drop-database"),
        T::ObjectRole => kind("role", "ROLE", "drop-role"),
        T::ObjectFunction => kind("function", "FUNCTION", "drop-function"),
        T::ObjectProcedure => kind("function", "PROCEDURE", "drop-function"),
        T::ObjectRoutine => kind("function", "ROUTINE", "drop-function"),
        T::ObjectAggregate => kind("function", "AGGREGATE", "drop-function"),
        T::ObjectExtension => kind("extension", "EXTENSION", "drop-extension"),
        T::ObjectType => kind("type", "TYPE", "drop-type"),
        T::ObjectDomain => kind("type", "DOMAIN", "drop-type"),
        T::ObjectPolicy => kind("policy", "POLICY", "drop-policy"),
        T::ObjectTrigger => kind("trigger", "TRIGGER", "drop-trigger"),
        T::ObjectEventTrigger => kind("trigger", "EVENT TRIGGER", "drop-trigger"),
        T::ObjectRule => kind("rule", "RULE", "drop-rule"),
        T::ObjectPublication => kind("publication", "PUBLICATION", "drop-publication"),
        T::ObjectSubscription => kind("subscription", "SUBSCRIPTION", "drop-subscription"),
        T::ObjectForeignServer => kind("server", "SERVER", "drop-server"),
        T::ObjectFdw => kind("wrapper", "FOREIGN DATA WRAPPER", "drop-server"),
        T::ObjectUserMapping => kind("mapping", "USER MAPPING", "drop-server"),
        T::ObjectTablespace => kind("tablespace", "TABLESPACE", "drop-tablespace"),
        T::ObjectLanguage => kind("language", "LANGUAGE", "drop-object"),
        T::ObjectColumn => kind("column", "COLUMN", "drop-column"),
        T::ObjectLargeobject => kind("largeobject", "LARGE OBJECT", "large-object"),
        T::ObjectOperator => kind("operator", "OPERATOR", "drop-object"),
        T::ObjectCast => kind("cast", "CAST", "drop-object"),
        T::ObjectCollation => kind("collation", "COLLATION", "drop-object"),
        T::ObjectConversion => kind("conversion", "CONVERSION", "drop-object"),
        T::ObjectStatisticExt => kind("statistics", "STATISTICS", "drop-object"),
        T::ObjectAccessMethod => kind("method", "ACCESS METHOD", "drop-object"),
        T::ObjectTransform => kind("transform", "TRANSFORM", "drop-object"),
        T::ObjectTabconstraint | T::ObjectDomconstraint => {
            kind("constraint", "CONSTRAINT", "drop-object")
        }
        T::ObjectOpclass => kind("operator", "OPERATOR CLASS", "drop-object"),
        T::ObjectOpfamily => kind("operator", "OPERATOR FAMILY", "drop-object"),
        T::ObjectParameterAcl => kind("setting", "PARAMETER", "drop-object"),
        T::ObjectTsconfiguration => kind("text-search", "TEXT SEARCH CONFIGURATION", "drop-object"),
        T::ObjectTsdictionary => kind("text-search", "TEXT SEARCH DICTIONARY", "drop-object"),
        T::ObjectTsparser => kind("text-search", "TEXT SEARCH PARSER", "drop-object"),
        T::ObjectTstemplate => kind("text-search", "TEXT SEARCH TEMPLATE", "drop-object"),
        T::ObjectAttribute => kind("type", "ATTRIBUTE", "drop-column"),
        _ => kind("object", "OBJECT", "drop-object"),
    }
}
