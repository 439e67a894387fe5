//! Query parameters, read strictly: each known, each at most once, every fault told at once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::body::Fault;
use crate::problem::{FieldError, Problem, ProblemCode};

/// The parameters of a query, taken one by one; what is left over at the end is unknown.
#[derive(Debug, Default)]
pub struct Params {
    values: BTreeMap<String, String>,
    errors: Vec<FieldError>,
}

impl Params {
    /// Splits `name=value&…` and decodes it (`application/x-www-form-urlencoded`).
    pub fn parse(query: Option<&str>) -> Self {
        let mut params = Self::default();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned() {
            match params.values.entry(name) {
                Entry::Vacant(entry) => {
                    entry.insert(value);
                }
                Entry::Occupied(entry) => {
                    let name = entry.key().clone();
                    params.fault(&name, Fault("REPEATED", "is given more than once".to_owned()));
                }
            }
        }
        params
    }

    /// A parameter that may be absent.
    pub fn optional<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, Fault>) -> Option<T> {
        let value = self.values.remove(name)?;
        match read(&value) {
            Ok(value) => Some(value),
            Err(fault) => {
                self.fault(name, fault);
                None
            }
        }
    }

    /// Says of a parameter, or of several together, what is wrong.
    pub fn fault(&mut self, name: &str, Fault(code, detail): Fault) {
        self.errors.push(FieldError { field: name.to_owned(), code, detail });
    }

    /// Every fault at once: `VALIDATION_FAILED`.
    pub fn finish(mut self) -> Result<(), Problem> {
        for name in std::mem::take(&mut self.values).into_keys() {
            self.fault(&name, Fault("UNKNOWN_PARAMETER", "is not a parameter of this request".to_owned()));
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::fields(self.errors)) }
    }
}

/// Reads a whole number in `min..=max`.
pub fn whole(min: u64, max: u64) -> impl FnOnce(&str) -> Result<u64, Fault> {
    move |text| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u64>()
            .ok()
            .filter(|number| digits && (min..=max).contains(number))
            .ok_or_else(|| Fault("OUT_OF_RANGE", format!("must be a whole number from {min} to {max}")))
    }
}

/// Reads a path segment with `parse`; what it refuses is `INVALID_ID`.
pub fn path_segment<T, E: std::fmt::Display>(
    name: &str,
    segment: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, Problem> {
    parse(segment).map_err(|error| Problem::new(ProblemCode::InvalidId, format!("{name} {segment:?}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_every_fault_is_told_at_once() {
        let mut params = Params::parse(Some("q=a%20b+c&page=0&page=1&x=1"));
        assert_eq!(params.optional("q", |text| Ok(text.to_owned())), Some("a b c".to_owned()));
        assert_eq!(params.optional("page", whole(1, 9)), None);
        let problem = params.finish().expect_err("at fault");
        let found: Vec<_> = problem.errors.iter().map(|e| (e.field.as_str(), e.code)).collect();
        assert_eq!(found, [("page", "REPEATED"), ("page", "OUT_OF_RANGE"), ("x", "UNKNOWN_PARAMETER")]);
    }

    #[test]
    fn whole_numbers_have_digits_only() {
        for wrong in ["", "+1", "-1", "1.0", "0", "10", "99999999999999999999"] {
            assert!(whole(1, 9)(wrong).is_err(), "{wrong}");
        }
        assert_eq!(whole(1, 9)("9").ok(), Some(9));
    }
}
