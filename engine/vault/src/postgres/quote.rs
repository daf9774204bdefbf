//! Names and texts as SQL. It refuses what PostgreSQL cannot hold: an empty name, a NUL byte.

use crate::error::VaultError;

/// A quoted identifier.
pub(crate) fn identifier(name: &str) -> Result<String, VaultError> {
    if name.is_empty() || name.contains('\0') {
        return Err(VaultError::Name);
    }
    Ok(format!("\"{}\"", name.replace('"', "\"\"")))
}

/// A quoted literal; right whatever `standard_conforming_strings` says.
pub(crate) fn literal(text: &str) -> Result<String, VaultError> {
    if text.contains('\0') {
        return Err(VaultError::Name);
    }
    let doubled = text.replace('\'', "''");
    Ok(match doubled.contains('\\') {
        true => format!("E'{}'", doubled.replace('\\', "\\\\")),
        false => format!("'{doubled}'"),
    })
}

/// The name of a setting, which may have parts (`pgaudit.log`).
pub(crate) fn setting(name: &str) -> Result<String, VaultError> {
    let parts: Vec<String> = name.split('.').map(identifier).collect::<Result<_, _>>()?;
    Ok(parts.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_quotes() {
        assert_eq!(identifier(r#"a"; DROP"#).unwrap(), r#""a""; DROP""#);
        assert_eq!(literal(r"it's").unwrap(), "'it''s'");
        assert_eq!(literal(r"\'; DROP").unwrap(), r"E'\\''; DROP'");
        assert_eq!(setting("pgaudit.log").unwrap(), r#""pgaudit"."log""#);
        assert!(identifier("").is_err() && identifier("a\0").is_err() && literal("\0").is_err());
        assert!(setting("a..b").is_err());
    }
}
